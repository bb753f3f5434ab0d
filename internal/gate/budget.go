package gate

import (
	"sync/atomic"

	"github.com/bailey-run/bailey/internal/plan"
)

// budget is what is left of a rule's bytes in the session; it outlives generations.
type budget struct {
	maxUp, maxDown int64
	up, down       atomic.Int64
}

// budgetKey names a rule across generations: not by where it stands.
func budgetKey(r plan.NetRule) string { return r.Host + " " + r.Text }

func (g *Gate) budget(r plan.NetRule) *budget {
	key := budgetKey(r)
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.budgets[key]
	if b == nil {
		b = &budget{}
		g.budgets[key] = b
	}
	// A new generation may have raised or lowered it; what was spent stays spent.
	b.up.Add(r.MaxUpload - b.maxUp)
	b.down.Add(r.MaxDownload - b.maxDown)
	b.maxUp, b.maxDown = r.MaxUpload, r.MaxDownload
	return b
}
