package bailey

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/inside"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// furnish puts into the box's own copy of the plan what tells programs inside
// where they are and how to ask for more: variables, /run/bailey with a text for
// agents and the same for programs, and the socket. The directory is a mount of
// its own that is read-only once the box stands; no other box sees it.
//
// Tier landlock has no tree of its own: there is no directory, and the socket's path
// is one that the name broker knows.
func (b *Box) furnish() {
	if !b.plan.walled() {
		return
	}
	pl := *b.box
	pl.Tree, pl.Env = slices.Clone(pl.Tree), slices.Clone(pl.Env)
	b.box = &pl
	vars := [][2]string{{"BAILEY_SESSION", b.session}, {"BAILEY_TIER", string(pl.Tier)}, {"BAILEY_APPROVAL", b.approvalPolicy()}, {"BAILEY_SOCKET", inside.Socket}}
	if pl.Tier == TierFull {
		vars = append(vars, [2]string{"BAILEY_README", inside.Readme})
		b.furnishTree()
	}
	b.furnishProgram()
	for _, v := range vars {
		b.about = append(b.about, v[0]+"="+v[1])
		one := plan.Var{Name: v[0], Value: v[1], From: policy.Source{Layer: policy.LayerBuiltin, File: "box"}}
		i, found := slices.BinarySearchFunc(pl.Env, one.Name, func(v plan.Var, n string) int { return strings.Compare(v.Name, n) })
		if found {
			pl.Env[i] = one
		} else {
			pl.Env = slices.Insert(pl.Env, i, one)
		}
	}
}

// furnishTree makes /run/bailey.
func (b *Box) furnishTree() {
	from := policy.Source{Layer: policy.LayerBuiltin, File: "inside"}
	add := func(n plan.Node) {
		n.From = from
		b.box.Tree = append(b.box.Tree, n)
	}
	add(plan.Node{Kind: plan.Dir, Path: inside.Dir, Mode: 0o755, Pin: true})
	add(plan.Node{Kind: plan.Data, Path: inside.Readme, Content: b.readme(), Mode: 0o444})
	add(plan.Node{Kind: plan.Data, Path: inside.JSON, Content: b.boxJSON(), Mode: 0o444})
	if b.plan.config.Program != "" {
		add(plan.Node{Kind: plan.Bind, Path: inside.Program, Source: b.plan.config.Program, Exec: true})
	}
	add(plan.Node{Kind: plan.Socket, Path: inside.Socket})
}

// furnishProgram lets the box find bailey and run it.
func (b *Box) furnishProgram() {
	pl, program, dir := b.box, inside.Program, inside.Bin
	if b.plan.config.Program == "" {
		return
	}
	if pl.Tier == TierLandlock {
		// In its own place, which shows nothing else of the directory.
		program = b.plan.config.Program
		dir = filepath.Dir(program)
	}
	if pl.Landlock.MinABI > 0 {
		pl.Landlock.Paths = append(slices.Clone(pl.Landlock.Paths), plan.PathRule{Path: program, Access: plan.ReadExec})
	}
	for i := range pl.Env {
		// Last: a project's own programs are not hidden by it.
		if v := &pl.Env[i]; v.Name == "PATH" && v.Value != "" {
			v.Value += ":" + dir
		}
	}
}

// aboutEnv adds the variables of furnish to an environment that was made without,
// as from [Plan.Environ]. A PATH that is the plan's becomes the box's; another one
// is the caller's own business.
func (b *Box) aboutEnv(env []string) []string {
	was, is := pathOf(b.plan.plan.Env), pathOf(b.box.Env)
	if i := slices.Index(env, "PATH="+was); i >= 0 && was != is {
		env = slices.Clone(env)
		env[i] = "PATH=" + is
	}
	for _, kv := range b.about {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
			env = append(slices.Clip(env), kv)
		}
	}
	return env
}

// pathOf is the PATH among variables.
func pathOf(vars []plan.Var) string {
	for i := range vars {
		if vars[i].Name == "PATH" {
			return vars[i].Value
		}
	}
	return ""
}

func (b *Box) approvalPolicy() string {
	if v := b.plan.policy.Approval.V; v != "" {
		return string(v)
	}
	return string(policy.OnRequest)
}

// boxInfo is box.json, described in docs/inside.md.
type boxInfo struct {
	Version  int      `json:"version"`
	Bailey   string   `json:"bailey"`
	Session  string   `json:"session"`
	Tier     string   `json:"tier"`
	Mode     string   `json:"mode"`
	Approval string   `json:"approval"`
	Writable []string `json:"writable"`
	Network  []string `json:"network"` // rules; empty for none
	Default  string   `json:"network_default"`
	Socket   string   `json:"socket"`
	Readme   string   `json:"readme"`
	Program  string   `json:"program,omitempty"`
}

func (b *Box) info() boxInfo {
	pl := b.box
	x := boxInfo{Version: inside.Version, Bailey: Version(), Session: b.session, Tier: string(pl.Tier), Mode: string(pl.Mode), Approval: b.approvalPolicy(),
		Writable: append([]string{}, pl.Writable...), Network: []string{}, Default: "deny", Socket: inside.Socket, Readme: inside.Readme}
	if b.plan.config.Program != "" {
		x.Program = inside.Program
	}
	if n := pl.Network; n != nil {
		x.Default = n.Default
		for i := range n.Allow {
			x.Network = append(x.Network, n.Allow[i].Text)
		}
	}
	return x
}

func (b *Box) boxJSON() string {
	out, _ := json.MarshalIndent(b.info(), "", "  ") // strings alone: it cannot fail
	return string(out) + "\n"
}

// readme is the text for agents. It says nothing that a program inside could not
// find out.
func (b *Box) readme() string {
	x := b.info()
	var s strings.Builder
	line := func(parts ...string) {
		for _, p := range parts {
			s.WriteString(p)
		}
		s.WriteByte('\n')
	}
	line("You are inside a box made by bailey (session ", x.Session, ").")
	line()
	line("The operating system holds its walls. A file that is not there, an address that")
	line("cannot be reached, a write that is refused are walls and not bugs. No spelling,")
	line("other tool or retry gets round them, and trying is told to the person who started")
	line("you. Ask instead, or go on without.")
	line()
	line("Mode      ", x.Mode, ", tier ", x.Tier)
	if len(x.Writable) == 0 {
		line("Write     nothing of the host; /tmp and HOME are the box's own and end with it")
	} else {
		line("Write     ", wordList(x.Writable), "; /tmp and HOME are the box's own and end with it")
	}
	line("Read      those, the system and its toolchains, and what a person has named")
	line("Never     git hooks and configuration, settings of agents and editors, shell start files")
	line("          can be read, and not made or changed, anywhere")
	switch {
	case b.box.Network == nil:
		line("Network   none but this box's own loopback")
	case x.Default == "ask":
		line("Network   ", wordList(x.Network), "; a person is asked about other hosts when you connect")
	default:
		line("Network   ", wordList(x.Network))
	}
	line()
	if x.Approval == string(policy.Never) {
		line("Asking    nobody is asked in this box (approval never): every request is refused at once")
	} else {
		line("Asking    a person answers; the command waits for that, two minutes at most")
	}
	if x.Program != "" {
		line("    bailey request --read PATH --why TEXT      shown at once, read-only")
		line("    bailey request --write PATH --why TEXT     from the next run on")
		line("    bailey request --net HOST:PORT --why TEXT")
		line("    bailey request --list                      what was granted")
		line("    bailey denials [--json]                    what was refused so far, and by which rule")
		line("    exit code 0: granted, 2: refused, 125: it could not be asked")
	}
	line("    or send one line of JSON to ", x.Socket, ":")
	line(`    {"op":"request","kind":"read","subject":"/a/path","why":"text"}  or  {"op":"denials"}`)
	line()
	line("For programs: ", inside.JSON)
	line("Exit codes of bailey run: 124 time limit, 125 bailey failed, 126 not executable, 127 not found, 128+n signal n")
	return s.String()
}

func wordList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = plan.Show(s)
	}
	if len(out) == 0 {
		return "no host"
	}
	return strings.Join(out, " ")
}
