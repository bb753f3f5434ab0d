//go:build linux

package linux

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// A box of tier landlock has no namespaces: its commands are ordinary processes
// in the host's tree, held by Landlock, the syscall filter and the name broker.
// What pid 1 is in tier full, a guard is here: the same small program, one for
// each command. It lives in a Landlock domain of its own that encloses the
// command's; signals do not leave a domain, so when the lifeline ends, its
// kill(-1) reaches all processes of the command and no others, wherever they
// moved to, and nothing inside can signal the guard.

// scopeABI is the first ABI of Landlock that keeps signals inside a domain.
const scopeABI = 6

// openWeak prepares such a box and starts first, when it is not nil.
func (b *Box) openWeak(first *Command) (*Process, error) {
	var err error
	if b.init, err = initFile(b.options.fault); err != nil {
		return nil, err
	}
	if b.plan.Private != nil {
		if err := b.makePrivate(); err != nil {
			return nil, err
		}
	}
	if abi, err := landlockABI(); err != nil {
		return nil, err
	} else if abi < scopeABI {
		// The guard's kill(-1) would reach every process of the person.
		return nil, &UnsupportedError{Feature: "tier landlock", Need: "Landlock ABI 6 (Linux 6.12)", Have: haveABI(abi)}
	}
	if at := b.options.Requests; at != "" {
		// No wall: where it cannot be made, nobody can ask.
		b.asking, b.requests, _ = newAsking(at)
	}
	if first == nil {
		return nil, plan.Refuse(b.walls())
	}
	return b.startWeak(first)
}

func (b *Box) startWeak(cmd *Command) (*Process, error) {
	fds, err := lifeline(b.options.fault)
	if err != nil {
		return nil, err
	}
	inner, outer := os.NewFile(uintptr(fds[0]), "lifeline"), os.NewFile(uintptr(fds[1]), "lifeline")
	defer inner.Close()

	l, err := b.newLaunch(b.privately(cmd))
	if err != nil {
		outer.Close()
		return nil, err
	}
	defer l.close()
	l.weak = true
	p := l.p
	l.letGo(outer)
	rules := l.openRules()
	p.do("set no_new_privs", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
	if err := l.enclose(); err != nil {
		outer.Close()
		return nil, err
	}
	// The guard's kill(-1) must not leave the domain. Tried before the ids change,
	// so that Landlock alone can say no.
	p.do("self-check: the guard's domain", unix.SYS_KILL, num(os.Getpid()), num(0)).deny(unix.EPERM)
	if os.Geteuid() == 0 {
		p.dropGroups()
		if b.plan.Identity.HostUID != 0 {
			p.dropBounding() // with root's id goes the right to
		}
		l.switchID()
	}
	fork1, guard := p.forkHere("start the guard")
	p.add("report the guard", op{kind: opSend, args: [6]operand{num(msgPids), guard.operand(), num(0)}})
	fork2, pid := p.forkHere("start the command")
	p.add("report the command", op{kind: opSend, args: [6]operand{num(msgPids), pid.operand(), num(1)}})
	p.add("end", op{kind: opExit})
	p.ops[fork1].jump = len(p.ops)
	l.becomeInit(inner, b.init)
	p.ops[fork2].jump = len(p.ops)
	l.wait()
	if err := l.confine(rules); err != nil {
		outer.Close()
		return nil, err
	}
	proc, err := b.launch(l, 0)
	g := &warden{life: outer, pid: l.guard}
	if err != nil {
		g.end()
		return nil, err
	}
	proc.guard = g
	return proc, nil
}

// warden is the outer side of a command's guard.
type warden struct {
	life *os.File
	pid  int
}

// end lets the guard kill what is left of its command, and waits for it.
func (g *warden) end() {
	if g == nil || g.life == nil {
		return
	}
	g.life.Close()
	g.life = nil
	if g.pid > 0 {
		var ws unix.WaitStatus
		wait4(g.pid, &ws)
	}
}

// privately returns cmd with the plan's variables that name the private
// directory moved to this box's own.
func (b *Box) privately(cmd *Command) *Command {
	if b.moved == nil {
		return cmd
	}
	c := *cmd
	c.Env = make([]string, len(cmd.Env))
	for i, e := range cmd.Env {
		if to, ok := b.moved[e]; ok {
			e = to
		}
		c.Env[i] = e
	}
	return &c
}

// makePrivate makes the directory that is HOME inside and moves the plan there.
// A lock file beside it is held as long as this process lives, so that a later
// box can tell what a killed one left behind and remove it.
func (b *Box) makePrivate() error {
	parent, own := b.plan.Private.Dir, b.options.fault.own
	err := own.at("make the place of private directories")
	if err == nil {
		err = os.MkdirAll(parent, 0o711)
	}
	if err != nil {
		return fmt.Errorf("make the private directory: %w", err)
	}
	sweepPrivate(parent)
	dir := ""
	if err = own.at("make the private directory"); err == nil {
		dir, err = os.MkdirTemp(parent, "box-")
	}
	if err != nil {
		return fmt.Errorf("make the private directory: %w", err)
	}
	b.private = dir // from here on Close removes it
	if err = own.at("lock the private directory"); err == nil {
		b.privateLock, err = os.OpenFile(dir+".lock", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	}
	if err == nil {
		err = unix.Flock(int(b.privateLock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		return fmt.Errorf("lock the private directory: %w", err)
	}

	before := b.plan
	b.plan = before.WithPrivate(dir)
	b.moved = map[string]string{}
	for i, v := range before.Env {
		if to := b.plan.Env[i]; to.Value != v.Value {
			b.moved[v.Name+"="+v.Value] = to.Name + "=" + to.Value
		}
	}
	give := func(p string) error { return os.Lchown(p, b.plan.Identity.HostUID, b.plan.Identity.HostGID) }
	if err := give(dir); err != nil {
		return fmt.Errorf("make the private directory: %w", err)
	}
	for _, n := range b.plan.Private.Nodes {
		if err := os.MkdirAll(filepath.Dir(n.Path), 0o755); err != nil {
			return fmt.Errorf("fill the private directory: %w", err)
		}
		err := own.at("fill the private directory")
		if err != nil {
			return fmt.Errorf("fill the private directory: %w", err)
		}
		switch n.Kind {
		case plan.Dir:
			err = os.MkdirAll(n.Path, 0o755)
		case plan.Data:
			err = os.WriteFile(n.Path, []byte(n.Content), 0o644)
		case plan.Symlink:
			err = os.Symlink(n.Source, n.Path)
		default:
			err = fmt.Errorf("%s: unknown kind %q", n.Path, n.Kind)
		}
		if err == nil {
			err = give(n.Path)
		}
		if err != nil {
			return fmt.Errorf("fill the private directory: %w", err)
		}
	}
	return nil
}

func (b *Box) removePrivate() {
	if b.private == "" {
		return
	}
	removeTree(b.private)
	os.Remove(b.private + ".lock")
	if b.privateLock != nil {
		b.privateLock.Close()
	}
	b.private = ""
}

// sweepPrivate removes the private directories of supervisors that are gone.
func sweepPrivate(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, "box-*.lock"))
	for _, name := range locks {
		f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			removeTree(strings.TrimSuffix(name, ".lock"))
			os.Remove(name)
		}
		f.Close()
	}
}

// removeTree removes a tree in which the box may have made directories that not
// even their owner may write (a module cache).
func removeTree(dir string) {
	if os.RemoveAll(dir) == nil {
		return
	}
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(p, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}
