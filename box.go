package bailey

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/audit"
	"github.com/bailey-run/bailey/internal/host"
	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/linux"
	"github.com/bailey-run/bailey/internal/plan"
)

// Box is an open box. Its methods may be called at the same time.
type Box struct {
	plan    *Plan
	box     *plan.Plan  // the plan with what is this box's alone
	ready   *host.Ready // nil without walls
	session string
	backend backend
	meter   *meter // nil without output limits
	log     *audit.Log
	netLog  *audit.Log // of connections alone
	begin   time.Time
	denials denials
	execs   execs
	flows   flows
	missed  unreached
	desk    *approval.Desk
	network *network                   // nil without a gate
	about   []string                   // variables that furnish adds, NAME=VALUE
	asks    *requests                  // from programs inside; nil where there is no socket for them
	limit   atomic.Pointer[LimitError] // what ended the whole box
	failure atomic.Pointer[error]      // of bailey itself, which ended the whole box
	stop    func() bool                // ends the watch on the context

	controlling controlling
	killing     sync.Once
	killed      error
	closing     sync.Once
	closed      error

	mu       sync.Mutex // guards what follows
	commands int
	last     *audit.Status // of the command that ended last
	logErr   error
}

// Open opens a box. It is closed when ctx is done, or by [Box.Close].
func Open(ctx context.Context, cfg Config) (*Box, error) {
	var ahead ahead
	defer ahead.abandon()
	p, err := ahead.prepare(cfg)
	if err != nil {
		return nil, err
	}
	return p.openBox(ctx, &ahead)
}

// Open opens a box as planned. It is closed when ctx is done, or by [Box.Close].
func (p *Plan) Open(ctx context.Context) (*Box, error) { return p.openBox(ctx, &ahead{}) }

func (p *Plan) openBox(ctx context.Context, a *ahead) (*Box, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, err := p.newBox()
	if err != nil {
		return nil, err
	}
	if _, err := b.open(nil, a.take()); err != nil {
		return nil, err
	}
	b.denials.begin(b.add)
	b.stop = context.AfterFunc(ctx, func() { b.Close() })
	return b, nil
}

// newBox prepares everything about a box but the box itself.
func (p *Plan) newBox() (*Box, error) {
	if err := wallError(plan.Refuse(p.plan.Walls)); err != nil {
		return nil, err
	}
	b := &Box{plan: p, box: p.plan, session: newSession(), begin: time.Now()}
	b.desk = b.newDesk()
	if l := p.plan.Limits; l.Output > 0 || l.OutputRate > 0 {
		b.meter = newMeter(l.Output, l.OutputRate)
	}
	options := audit.Options{Sink: p.config.Events}
	if p.config.Log != "" {
		f, err := p.openLog()
		if err != nil {
			return nil, err
		}
		options.File = f
	}
	if options.File != nil || options.Sink != nil {
		options.Secrets = p.secrets()
	}
	b.log = audit.New(b.session, options)
	b.excepted(p.config.excepted)
	if err := b.openNetLog(); err != nil {
		b.log.Close()
		return nil, err
	}
	if !p.walled() {
		return b, nil
	}
	ready, err := host.Prepare(p.plan, p.facts)
	if err != nil {
		b.abandon()
		return nil, err
	}
	b.ready, b.box = ready, ready.Plan
	if err := b.seedAgent(); err != nil {
		b.abandon()
		return nil, err
	}
	if b.network, err = b.newNetwork(); err != nil {
		b.abandon()
		return nil, err
	}
	b.furnish()
	return b, nil
}

// open opens the box, and starts its first command in the same step when there is
// one. After an error there is nothing to be closed. The caller begins the
// denials, when it has told of the command.
func (b *Box) open(first *linux.Command, begun *linux.Begun) (process, error) {
	proc, err := b.launch(first, begun)
	if err != nil {
		b.abandon()
		return nil, err
	}
	if b.log == nil {
		return proc, nil
	}
	r := b.Report()
	if err := wallError(plan.Refuse(r.Walls)); err != nil {
		// Every step has said that its wall stands, and the kernel says otherwise.
		b.backend.Close()
		b.abandon()
		return nil, err
	}
	b.add(b.sessionStart(r))
	return proc, nil
}

// abandon gives back what newBox took, when no box came of it.
func (b *Box) abandon() {
	if b.network != nil {
		b.network.close()
	}
	if b.ready != nil {
		b.ready.Close()
	}
	b.log.Close()
	b.netLog.Close()
}

func (b *Box) launch(first *linux.Command, begun *linux.Begun) (process, error) {
	if !b.plan.walled() {
		begun.Abandon()
		b.backend = &direct{procs: map[*directProcess]struct{}{}}
		if first == nil {
			return nil, nil
		}
		return b.backend.Start(first)
	}
	options := linux.Options{Denied: b.denied, Limit: b.limited, Failed: b.failed, Begun: begun, Execs: b.supervision()}
	if b.box.Tier == TierLandlock {
		options.Requests = inside.Socket
	}
	if b.network != nil {
		b.network.options(&options)
	}
	lb, proc, err := linux.Open(b.box, first, options)
	if b.network != nil {
		b.network.dress.opened()
	}
	if err != nil {
		return nil, wallError(err)
	}
	b.backend = linuxBox{lb}
	if b.network != nil {
		if err := b.network.serve(lb, b.flowed); err != nil {
			lb.Close()
			return nil, err
		}
	}
	b.serveRequests(lb)
	if b.changes() {
		b.startControl()
	}
	if proc == nil {
		return nil, nil
	}
	return linuxProcess{proc}, nil
}

// limited notes a limit of the whole box that ended it.
func (b *Box) limited(name string, limit, _ int64) {
	unit := "bytes"
	if name != "memory" {
		unit = "count"
	}
	e := &LimitError{Limit: name, Value: limit, Unit: unit}
	b.limit.CompareAndSwap(nil, e)
	b.denials.emitEvent(audit.Limit{Limit: name, Value: limit, Unit: unit})
}

// failed notes that a part of bailey that the walls need has failed; the box has
// been ended then.
func (b *Box) failed(err error) { b.failure.CompareAndSwap(nil, &err) }

// newSession makes an id that sorts by time and is unlike every other.
func newSession() string {
	random := strconv.FormatUint(rand.Uint64()|1<<63, 16)
	return time.Now().UTC().Format("20060102T150405") + "-" + random[:12]
}

// Session is the id of the session that the box is.
func (b *Box) Session() string { return b.session }

// Plan is what the box was made from.
func (b *Box) Plan() *Plan { return b.plan }

// Report says which walls the box really has, wall by wall: what the policy asks
// for, what stands for it and how that is known. It reads back from the kernel
// what it can, so it may change while a command runs; it is described in
// docs/report.md.
func (b *Box) Report() Report {
	r := b.backend.Report()
	if r.Walls == nil {
		r.Walls = b.box.Walls // no backend, no walls: all say "not requested"
	}
	return r
}

// Denials returns what the box tried and was refused, as far as bailey itself
// refused it, in the order it first happened; at most 1,000 different ones. Of what
// the kernel alone refuses, connections to hosts of the policy are seen.
func (b *Box) Denials() []Denial {
	b.knocked()
	return b.denials.list()
}

// Environ returns the environment of the box's commands.
func (b *Box) Environ() []string { return environ(b.box) }

// Close ends everything in the box and returns when all of it is gone. Closing it
// again does nothing.
func (b *Box) Close() error {
	b.closing.Do(func() {
		if b.stop != nil {
			b.stop()
		}
		b.closed = b.kill()
		b.mu.Lock()
		end := audit.SessionEnd{Status: b.last, Duration: int64(time.Since(b.begin)), Commands: b.commands, Denials: b.denials.count(), Programs: b.Programs()}
		b.mu.Unlock()
		if f := b.failure.Load(); f != nil {
			b.closed = errors.Join(*f, b.closed)
		}
		if b.closed != nil {
			end.Error = b.closed.Error()
		}
		err := b.log.Add(end)
		if closeErr := b.log.Close(); err == nil {
			err = closeErr
		}
		b.closed = errors.Join(b.closed, err, b.netLog.Close())
	})
	return b.closed
}

// kill ends everything in the box.
func (b *Box) kill() error {
	b.killing.Do(func() {
		b.desk.Close() // a question that is shown holds the terminal
		b.controlling.stop()
		b.knocked()
		b.killed = b.backend.Close()
		b.asks.close()
		if b.network != nil {
			b.killed = errors.Join(b.killed, b.network.close())
		}
		if b.ready != nil {
			b.killed = errors.Join(b.killed, b.ready.Close())
		}
	})
	return b.killed
}

// add writes an event. A session that was to be logged does not go on when it
// cannot be.
func (b *Box) add(d audit.Data) {
	if err := b.log.Add(d); err != nil {
		b.logFailed(err)
	}
	if denial, ok := d.(audit.Denial); ok && b.plan.config.Denied != nil {
		b.plan.config.Denied(denial)
	}
}

func (b *Box) logFailed(err error) {
	b.mu.Lock()
	first := b.logErr == nil
	b.logErr = err
	b.mu.Unlock()
	if first {
		go b.Close()
	}
}

// executed notes a command that has started.
func (b *Box) executed(pid int, c *linux.Command) error {
	b.mu.Lock()
	b.commands++
	b.mu.Unlock()
	b.add(audit.Exec{PID: pid, Args: c.Args, Dir: c.Dir})
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logErr
}

// ended notes how a command ended.
func (b *Box) ended(pid int, st *os.ProcessState, begin time.Time) error {
	if st == nil {
		return nil
	}
	s := status(st, time.Since(begin))
	b.mu.Lock()
	b.last = &s
	b.mu.Unlock()
	b.add(audit.Exit{PID: pid, Status: s})
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logErr
}

// exceeded notes that a limit ended a command.
func (b *Box) exceeded(pid int, l *LimitError) {
	b.add(audit.Limit{Limit: l.Limit, Value: l.Value, Unit: l.Unit, PID: pid})
}

func (b *Box) sessionStart(r Report) audit.SessionStart {
	p := b.plan
	s := audit.SessionStart{
		Bailey: Version(), Policy: p.Hash(), Profiles: p.Profiles(),
		Tier: string(p.Tier()), Mode: string(p.Mode()), Dir: p.plan.Dir, Writable: p.Writable(), Weaker: p.plan.Weaker,
	}
	s.Layers = auditLayers(p.policy)
	s.Walls, _ = json.Marshal(r.Walls) // structs of plain fields: it cannot fail
	return s
}
