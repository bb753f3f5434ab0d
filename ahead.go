package bailey

import (
	"os"

	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
)

// ahead begins a box while its plan is being made: making namespaces keeps the
// kernel busy for about as long as reading the policy keeps us.
type ahead struct {
	begun chan *linux.Begun // nil when nothing was begun, or it was taken
}

// prepare makes a plan, and meanwhile begins the box it most likely asks for: at
// once where the ids of the box are the caller's own, and for root when it is
// known whose project this is.
func (a *ahead) prepare(cfg Config) (*Plan, error) {
	likely := cfg.Mode != DangerFullAccess
	uid, gid := os.Getuid(), os.Getgid()
	if likely && uid != 0 && uid == os.Geteuid() {
		a.begin(plan.Identity{UID: uid, GID: gid, HostUID: uid, HostGID: gid})
	}
	facts, err := layers.Look(cfg.Dir, cfg.Home)
	if err != nil {
		return nil, err
	}
	if likely && a.begun == nil && facts.Kernel.UserNS && facts.Kernel.FreshProc {
		a.begin(plan.IdentityOf(facts))
	}
	p, err := prepare(cfg, facts)
	if err == nil && cfg.Planned != nil {
		err = cfg.Planned(p)
	}
	return p, err
}

func (a *ahead) begin(id plan.Identity) {
	a.begun = make(chan *linux.Begun, 1)
	go func() {
		// An error here is an error again when the box is opened.
		g, _ := linux.Begin(id)
		a.begun <- g
	}()
}

// take returns what was begun, or nil.
func (a *ahead) take() *linux.Begun {
	if a.begun == nil {
		return nil
	}
	g := <-a.begun
	a.begun = nil
	return g
}

// abandon ends what was begun and never taken.
func (a *ahead) abandon() { a.take().Abandon() }
