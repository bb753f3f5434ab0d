package plan

import (
	"path"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
)

// Explanation says what a box may do with one path of the host, and why. It goes
// by the plan alone: whether the path exists, and what its permission bits say,
// is the file system's business.
type Explanation struct {
	Path  string        `json:"path"`           // as seen inside
	Host  string        `json:"host,omitempty"` // the host's path that is seen there, if any
	Read  bool          `json:"read"`
	Write bool          `json:"write"`
	Exec  bool          `json:"exec"`
	Own   bool          `json:"own,omitempty"`   // the host's is not there; the box has a place of its own, where it may do as it likes
	Apart bool          `json:"apart,omitempty"` // what the box writes there never reaches the host's
	Why   string        `json:"why"`
	Rule  string        `json:"rule,omitempty"` // the pattern or path of the rule that decided
	From  policy.Source `json:"from"`
	Allow string        `json:"allow,omitempty"` // what to add to get more; "" when nothing helps

	// Starts says that a program there can be started. A denied name keeps a box
	// from opening a file, and execve opens none that the name broker would see.
	Starts bool `json:"-"`
	// Guarded says that the name may only be written with the one content that
	// is right, by git itself.
	Guarded bool `json:"-"`
}

// Explainer answers for the paths of one plan.
type Explainer struct {
	p     *policy.Policy
	pl    *Plan
	t     tree
	names *name.Matcher
	err   error // why there is none
}

// NewExplainer makes ready for many questions.
func NewExplainer(p *policy.Policy, pl *Plan) *Explainer {
	x := &Explainer{p: p, pl: pl, t: tree{nodes: make(map[string]Node, len(pl.Tree))}}
	for _, n := range pl.Tree {
		x.t.nodes[n.Path] = n
	}
	x.names, x.err = name.Compile(pl.Names)
	return x
}

// Explain answers for a clean absolute path as seen inside.
func Explain(p *policy.Policy, pl *Plan, inside string) Explanation {
	return NewExplainer(p, pl).Explain(inside)
}

// Explain answers for a clean absolute path as seen inside.
func (x *Explainer) Explain(inside string) Explanation { return x.explain(inside, name.Create) }

// ExplainFile answers for one that is known to be a file. Its name may be opened
// where it could not be made or moved.
func (x *Explainer) ExplainFile(inside string) Explanation { return x.explain(inside, name.Write) }

func (x *Explainer) explain(inside string, op name.Op) Explanation {
	p, pl := x.p, x.pl
	e := Explanation{Path: inside}
	if !clean(inside) {
		e.Why = "this is not an absolute path in its shortest form"
		return e
	}
	switch pl.Tier {
	case policy.TierNone:
		e.Host, e.Read, e.Write, e.Exec, e.Starts = inside, true, true, true, true
		e.Why, e.From = "there are no walls in mode danger-full-access", p.Mode.From
		return e
	case policy.TierLandlock:
		e.byRules(pl)
	default:
		e.byTree(pl, &x.t)
	}
	e.Starts = e.Exec
	e.byName(x, op)
	return e
}

// byTree goes by the node that decides: the longest path wins.
func (e *Explanation) byTree(pl *Plan, t *tree) {
	p := e.Path
	n, ok := t.at(p)
	for range 8 {
		if !ok || n.Kind != Symlink {
			break
		}
		target := n.Source
		if target[0] != '/' {
			target = path.Join(path.Dir(n.Path), target)
		}
		p = rebase(p, n.Path, path.Clean(target))
		n, ok = t.at(p)
	}
	if p != e.Path {
		defer func() { e.Why = Show(e.Path) + " leads to " + Show(p) + "; " + e.Why }()
	}
	e.Rule, e.From = n.Path, n.From
	switch {
	case !ok || n.Kind == Dir:
		e.Rule, e.From = "", policy.Source{}
		e.absent(t, p)
	case n.Kind == Mask:
		e.Why = "it is hidden"
		if n.From.File != "" {
			e.Why += " by " + Where(n.From)
		}
	case n.Kind == Scratch:
		e.Own = true
		e.Why = "the host's is not there: " + Show(n.Path) + " inside is the box's own, empty when it starts and gone when it ends"
		if p != n.Path {
			e.Allow = readOrWrite(p)
		}
	case n.Kind == Proc:
		e.Read, e.Why = true, "a /proc that shows only the box"
	case n.Kind == Devpts || n.Device:
		e.Read, e.Write, e.Why = true, true, "a device that leads to nothing outside the box"
	case n.Kind == Data || n.Kind == Copy:
		e.Read, e.Host = true, n.Source
		e.Why = "bailey makes this file for the box"
		if n.Kind == Copy {
			e.Why = "a copy of the host's file"
		} else if up, ok := t.above(n.Path); ok && up.Kind == Scratch {
			e.Own = true // the box may even write it
		}
	case n.Kind == Overlay:
		e.Read, e.Write, e.Exec, e.Apart, e.Host = true, true, n.Exec, true, rebase(p, n.Path, n.Source)
		e.Why = "a cache: the host's is read, what the box writes stays in a layer of this project's own"
	case n.Pin:
		e.Read, e.Exec, e.Host = true, true, rebase(p, n.Path, n.Source)
		e.Why = "it is protected: it could run code outside the box later"
	case n.Writable:
		e.Read, e.Write, e.Exec, e.Host = true, true, n.Exec, rebase(p, n.Path, n.Source)
		e.Why = "it lies in the writable " + Show(n.Path)
		if pl.CacheDir != "" && under(n.Source, pl.CacheDir) && n.Source != n.Path {
			e.Own, e.Why = true, "the host's is not there: "+Show(n.Path)+" inside is a directory that bailey keeps for this project's boxes"
		}
	default:
		e.Read, e.Exec, e.Host = true, n.Exec, rebase(p, n.Path, n.Source)
		e.Why = "it lies in the read-only " + Show(n.Path)
		if pl.Mode == policy.ReadOnly {
			e.Allow = "--mode workspace-write, if it is in the workspace; --write " + Show(p) + " with it, if not"
		} else {
			e.Allow = "--write " + Typed(p)
		}
	}
}

// absent explains a path that is not in the tree.
func (e *Explanation) absent(t *tree, p string) {
	for q := range t.nodes {
		if q != p && under(q, p) {
			e.Read, e.Why = true, "only the directories inside it that the plan names are there; it cannot be written"
			return
		}
	}
	e.Why = "it is not there: a box sees only what the policy names"
	e.Allow = readOrWrite(p)
}

// readOrWrite names the flags that would show a path; "" for one that no flag shows: the
// box has a /dev, a /proc and a /sys of its own, and a pattern is no path.
func readOrWrite(p string) string {
	for _, own := range [...]string{"/dev", "/proc", "/sys"} {
		if under(p, own) {
			return ""
		}
	}
	if strings.ContainsAny(p, "*?[{") {
		return ""
	}
	return "--read " + Typed(p) + ", or --write " + Typed(p)
}

// Typed is a path as it is typed in a shell, unless it holds what no terminal should see.
func Typed(p string) string {
	switch quoted := strconv.Quote(p); {
	case quoted[1:len(quoted)-1] != strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p):
		return quoted
	case !strings.ContainsAny(p, " '\"$`\\!*?[]{}()<>|&;~#"):
		return p
	}
	return "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
}

// byRules goes by the Landlock rules of a box without a tree of its own.
func (e *Explanation) byRules(pl *Plan) {
	e.Host = e.Path
	best := PathRule{}
	for _, r := range pl.Landlock.Paths {
		if !under(e.Path, r.Path) || r.Access == List {
			continue
		}
		// Landlock adds up what every rule above gives.
		if best.Path == "" || len(r.Path) > len(best.Path) {
			best = r
		}
		e.Read = true
		e.Write = e.Write || r.Access == Full || r.Access == ReadWrite || r.Access == Devices
		e.Exec = e.Exec || r.Access == Full || r.Access == ReadExec
	}
	if best.Path == "" {
		e.Why = "no rule gives access to it"
		e.Allow = readOrWrite(e.Path)
		return
	}
	e.Rule, e.Why = best.Path, "it lies in "+Show(best.Path)+", which the box has "+string(best.Access)+" access to"
	if !e.Write {
		e.Allow = "--write " + Typed(e.Path)
	}
}

// byName takes away what denied patterns and protected names forbid, as the name
// broker will.
func (e *Explanation) byName(x *Explainer, op name.Op) {
	p, pl, m := x.p, x.pl, x.names
	if x.err != nil {
		e.Read, e.Write, e.Exec, e.Starts, e.Why = false, false, false, false, "the rules about names are not valid: "+x.err.Error()
		return
	}
	if pl.Syscalls.Reads {
		if v := m.Check(name.Read, []byte(e.Path), false); v.Act == name.Refuse {
			e.Read, e.Write, e.Exec, e.Allow = false, false, false, ""
			e.Rule, e.From, e.Why = v.Rule, source(p.Files.Deny, v.Rule), "it is hidden: "+v.Rule+" is denied"
			return
		}
	}
	if !e.Write {
		return
	}
	switch v := m.Check(op, []byte(e.Path), false); v.Act {
	case name.Refuse:
		e.Write, e.Allow = false, ""
		e.Rule, e.From, e.Why = v.Rule, source(p.Files.Protect, v.Rule), v.Hint
	case name.GuardConfig, name.GuardPointer:
		e.Rule, e.Why, e.Guarded = v.Rule, v.Hint, true
	}
}

// Refused says whether the name alone keeps a box from reading, or writing to,
// inside, which may be a symbolic link that leads elsewhere, and the rule that
// says so.
func (x *Explainer) Refused(inside string, write bool) (rule, why string, from policy.Source, refused bool) {
	if x.pl.Tier == policy.TierNone || x.err != nil {
		return "", "", policy.Source{}, false
	}
	if x.pl.Tier == policy.TierLandlock {
		// Without a tree of its own the broker looks at where the link lies, too.
		e := Explanation{Path: inside}
		e.byRules(x.pl)
		if write && !e.Write || !write && x.pl.Syscalls.Reads && !e.Read {
			return e.Rule, e.Why, e.From, true
		}
	}
	if x.pl.Syscalls.Reads {
		if v := x.names.Check(name.Read, []byte(inside), false); v.Act == name.Refuse {
			return v.Rule, "it is hidden: " + v.Rule + " is denied", source(x.p.Files.Deny, v.Rule), true
		}
	}
	if write {
		if v := x.names.Check(name.Write, []byte(inside), false); v.Act == name.Refuse {
			return v.Rule, v.Hint, source(x.p.Files.Protect, v.Rule), true
		}
	}
	return "", "", policy.Source{}, false
}

func source(rules []policy.Value[string], rule string) policy.Source {
	for _, r := range rules {
		if r.V == rule {
			return r.From
		}
	}
	return builtin("names")
}
