package bailey

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/host"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Decision is what a box may do with one thing, and what says so. The names are
// those of the decision events in docs/events.md.
type Decision struct {
	Op      string  `json:"op"`
	Target  string  `json:"target"`
	Verdict Verdict `json:"verdict"`
	Rule    string  `json:"rule,omitempty"` // the pattern, path or name of the rule that decided; "" when none did
	Layer   string  `json:"layer,omitempty"`
	File    string  `json:"file,omitempty"`
	Line    int     `json:"line,omitempty"`
	Why     string  `json:"why"`
	Hint    string  `json:"hint,omitempty"` // what to add to be allowed; "" when nothing helps

	// Path is what a target that is a file, or a program, is inside, with every
	// symbolic link resolved; Host is the host's path that is meant, seen inside or not.
	Path string `json:"path,omitempty"`
	Host string `json:"host,omitempty"`
	// Absent says that the host has no such file, or the caller no such
	// variable: the verdict is what it would be with one.
	Absent bool `json:"absent,omitempty"`
	// Own says that the box has a place of its own there: what it does in it is
	// nothing to the host's file, which the verdict is about.
	Own bool `json:"own,omitempty"`
	// Apart says that what the box writes there stays in a layer of its own.
	Apart bool `json:"apart,omitempty"`
	// Loose says that the kernel decides file by file there, as in /proc, and may
	// deny what is allowed here.
	Loose bool `json:"loose,omitempty"`
	// Guardrail says that a rule about commands decided, and not a wall: the
	// program itself may start.
	Guardrail bool `json:"guardrail,omitempty"`
}

// Where is the place of the rule that decided, for people.
func (d *Decision) Where() string {
	return plan.Where(policy.Source{Layer: policy.Layer(d.Layer), File: d.File, Line: d.Line})
}

func (d *Decision) from(rule string, s policy.Source) {
	d.Rule, d.Layer, d.File, d.Line = rule, string(s.Layer), s.File, s.Line
}

// Decide says whether the box may do op with target:
//
//	read, write   a path, as for [Plan.Explain], or a directory
//	exec          a program, by path or to be found in PATH of the box, and its arguments
//	connect       HOST:PORT
//	env           the name of a variable of the caller, to be seen inside
//
// It goes by the policy, and by what the host's files are: symbolic links are
// followed as they are followed inside, and permission bits count. Nothing is
// tried. What cannot be decided is denied.
func (p *Plan) Decide(op string, target ...string) Decision {
	d := Decision{Op: op, Target: strings.Join(target, " "), Verdict: Deny}
	switch {
	case len(target) == 0 || len(target) > 1 && op != "exec":
		d.Why = "the question is not understood"
	case op == "read":
		p.decider().file(&d, p.Resolve(target[0]), host.CanRead)
	case op == "write":
		p.decider().file(&d, p.Resolve(target[0]), host.CanWrite)
	case op == "exec":
		p.decider().exec(&d, target)
	case op == "connect":
		p.connect(&d, target[0])
	case op == "env":
		p.variable(&d, target[0])
	default:
		d.Why = "the question is not understood"
	}
	return d
}

// decider decides about files.
type decider struct {
	*plan.Explainer
	p    *Plan
	user host.User
}

func (p *Plan) decider() *decider {
	id := p.plan.Identity
	d := &decider{Explainer: plan.NewExplainer(p.policy, p.plan), p: p, user: host.User{UID: id.HostUID, GID: id.HostGID}}
	if !p.walled() {
		d.user = host.User{UID: os.Getuid(), GID: os.Getgid()}
	}
	if os.Getuid() == d.user.UID && d.user.UID != 0 {
		d.user.Groups, _ = os.Getgroups() // root's are dropped
	}
	return d
}

// file decides about a file or a directory.
func (x *decider) file(d *Decision, name string, want uint32) {
	w := x.walk(name)
	e := x.Explain(w.real)
	d.Path, d.Host, d.Own, d.Apart = w.real, e.Host, e.Own, e.Apart
	if d.Host == "" || e.Own {
		d.Host = w.real
	}
	info, err := os.Stat(d.Host)
	d.Absent = missing(w.err) || missing(err)
	isDir := err == nil && info.IsDir()
	switch {
	case isDir:
		// To write to a directory is to make something in it; whether its own name
		// may go is another question.
		in := x.Explain(path.Join(w.real, anyName))
		if want == host.CanWrite || e.Read && in.Read {
			e.Write, e.Guarded, e.Rule, e.From, e.Why, e.Allow = in.Write, in.Guarded, in.Rule, in.From, in.Why, strings.ReplaceAll(in.Allow, "/"+anyName, "")
		}
	case err == nil:
		e = x.ExplainFile(w.real)
	}
	d.from(e.Rule, e.From)
	d.Why, d.Hint = e.Why, hintFor(d.Host, e.Allow)
	switch {
	case errors.Is(w.err, errLoop):
		d.Why, d.Hint = w.err.Error(), ""
		return
	case e.Own: // what the box has there is not what is meant
	case want == host.CanRead && e.Read, want == host.CanWrite && e.Write && !e.Guarded:
		d.Verdict, d.Hint = Allow, ""
	}
	if w.real != name {
		d.Why = plan.Show(name) + " leads to " + plan.Show(w.real) + "; " + d.Why
	}
	if d.Verdict != Allow {
		return
	}
	if isDir && want == host.CanWrite {
		w.links = nil // they are on the way to what is made, and that is looked at
	}
	d.Loose = strings.HasPrefix(w.real, "/proc/") || strings.HasPrefix(w.real, "/sys/")
	at := e.Host
	switch {
	case x.refused(d, w, want == host.CanWrite):
		return
	case e.Host == "" || d.Loose:
		return
	case d.Absent && want == host.CanWrite:
		at, want = path.Dir(at), host.CanWrite|host.CanExec
	case isDir && want == host.CanWrite:
		want |= host.CanExec
	}
	x.blocked(d, w, at, want)
}

// refused denies when the name of a link that was followed says so.
func (x *decider) refused(d *Decision, w walk, write bool) bool {
	for _, link := range w.links {
		if rule, why, from, refused := x.Refused(link, write); refused {
			d.Verdict, d.Why, d.Hint = Deny, "the link "+plan.Show(link)+" may not be followed; "+why, ""
			d.from(rule, from)
			return true
		}
	}
	return false
}

// blocked denies what the policy allows and the file system does not.
func (x *decider) blocked(d *Decision, w walk, at string, want uint32) bool {
	if !x.p.walled() && x.user.UID == 0 {
		return false // root with all its power
	}
	why := w.blocked
	if why == "" {
		why = x.user.Obstacle(at, want)
	}
	if why == "" {
		return false
	}
	d.Verdict, d.Hint = Deny, "chmod, or another owner; the policy allows it"
	d.from("", policy.Source{})
	d.Why = "the policy allows it, and the file system does not: " + why
	return true
}

// anyName is one that no rule is about.
const anyName = "bailey-test-0"

// maxLinks is how many symbolic links the kernel follows in one path (path_resolution(7)).
const maxLinks = 40

var errLoop = errors.New("too many symbolic links")

// walk is the way that a path takes inside.
type walk struct {
	real  string   // where it leads; behind a part that is not there the rest as it is
	links []string // the links that the last part of a path was: only their names are looked at
	// blocked says which directory on the way may not be searched.
	blocked string
	err     error // why a part is not known
}

// walk follows the symbolic links of the host's files as they are followed
// inside, where a link may lead to something that is not there.
func (x *decider) walk(name string) walk {
	w := walk{real: "/"}
	rest := strings.TrimPrefix(name, "/")
	for followed := 0; rest != ""; {
		part, more, _ := strings.Cut(rest, "/")
		rest = more
		switch part {
		case "", ".":
			continue
		case "..":
			w.real = path.Dir(w.real)
			continue
		}
		next := path.Join(w.real, part)
		e := x.Explain(next)
		if e.Host == "" {
			w.real = next
			continue
		}
		info, err := os.Lstat(e.Host)
		switch {
		case err != nil:
			w.real, w.err = path.Join(next, rest), err
			return w
		case info.Mode()&fs.ModeSymlink == 0:
			w.real = next
			if info.IsDir() && strings.Trim(rest, "/") != "" && w.blocked == "" {
				w.blocked = x.user.Obstacle(e.Host, host.CanExec)
			}
			continue
		}
		if strings.Trim(rest, "/") == "" {
			w.links = append(w.links, next)
		}
		to, err := os.Readlink(e.Host)
		if followed++; err == nil && followed > maxLinks {
			err = errLoop
		}
		if err != nil {
			w.real, w.err = path.Join(next, rest), err
			return w
		}
		if path.IsAbs(to) {
			w.real = "/"
		}
		rest = to + "/" + rest
	}
	return w
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// connect decides about a connection. Without a gate there is one answer.
func (p *Plan) connect(d *Decision, target string) {
	if !p.walled() {
		d.Verdict, d.Why = Allow, "there are no walls in mode danger-full-access"
		d.from("mode", p.policy.Mode.From)
		return
	}
	e, err := p.ExplainNet(target, false)
	if err != nil {
		d.Why = err.Error()
		return
	}
	d.from(e.Rule, e.From)
	d.Hint = e.Hint
	switch {
	case p.plan.Network == nil:
		d.Why = "a box has no network"
	case e.Verdict == gate.Allow:
		d.Verdict, d.Why = Allow, "a rule names it; the gate connects when the addresses and the protocol agree"
	case e.Verdict == gate.Ask:
		d.Verdict, d.Why = Ask, "no rule names it, and a person is asked"
	default:
		d.Why = "the gate refuses it"
	}
}
