package bailey

import "github.com/bailey-run/bailey/internal/linux"

// ahead begins a box while its plan is being made: making namespaces keeps the
// kernel busy for about as long as reading the policy keeps us.
type ahead struct {
	begun chan *linux.Begun // nil when nothing was begun, or it was taken
}

// prepare makes a plan, and begins the box it most likely asks for.
func (a *ahead) prepare(cfg Config) (*Plan, error) {
	if cfg.Mode != DangerFullAccess {
		a.begun = make(chan *linux.Begun, 1)
		go func() {
			// An error says that this machine has no box of tier full; whether
			// that matters is for the plan to say.
			g, _ := linux.Begin()
			a.begun <- g
		}()
	}
	p, err := Prepare(cfg)
	if err == nil && cfg.Planned != nil {
		err = cfg.Planned(p)
	}
	return p, err
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
