package policy

import (
	"strconv"
	"strings"
)

// Overrides is what the command line, or the caller of the library, asks for. A
// string that is "" and a list that is empty were not given; Extra says the rest.
type Overrides struct {
	Mode     string
	Approval string
	MinTier  string
	Profiles []string // like extends
	Read     []string
	Write    []string
	Deny     []string
	Protect  []string
	Env      []string // names to let through
	SetEnv   []string // NAME=VALUE
	Accept   []string // walls that may be missing
	Memory   string   // limits as in a policy file, digits without a unit allowed
	Pids     string
	Timeout  string

	AllowNet  []string // like network.allow
	DenyNet   []string
	Localhost []string // ports
	Publish   []string
	Pin       []string // NAME=ADDRESS
	Config    string   // a file in place of the user's own configuration

	// Extra sets any key, in order. An empty value is an error here, so a
	// command line that can tell "--mode=" from no --mode puts it here.
	Extra []Setting

	// Caller replaces the name of a flag in messages and sources: "options"
	// for a library gives "options.mode" in place of "--mode".
	Caller string
}

// Setting is one value for one key.
type Setting struct {
	Key   string // dotted, as in "limits.cpu"
	Value string
	Flag  string // how the person wrote it; "" for the key itself
}

// document turns the overrides into a layer, read by the same rules as a file.
func (o *Overrides) document(in *LoadInput) (*document, []*Error) {
	doc := &document{layer: LayerFlag}
	var errs []*Error
	add := func(name, flag, value string) {
		e := entry{key: lookup(name), from: Source{Layer: LayerFlag, File: o.source(flag)}}
		problem, hint, near := "", "", ""
		switch {
		case e.key == nil || e.key.place != anywhere:
			problem, near = "unknown key", suggest(name, anywhere)
		case e.key.kind == kindVars:
			variable, content, ok := strings.Cut(value, "=")
			e.text, e.aux = variable, content
			if problem, hint = checkVar(variable); problem == "" && !ok {
				problem, hint = strconv.Quote(value)+" has no value", "write NAME=VALUE, or use --env NAME to let the variable through"
			}
			if problem == "" {
				problem, hint = checkText(content)
			}
		case e.key.kind == kindPins:
			name, addresses, ok := strings.Cut(value, "=")
			if problem, hint = checkPin(name, addresses); !ok {
				problem, hint = strconv.Quote(value)+" has no address", "write NAME=ADDRESS"
			}
			e.text, e.aux = canonicalHost(name), addresses
		case e.key.kind.named():
			problem, hint = "this has several parts", "write ["+e.key.name+".NAME] in a policy file"
		case e.key.kind.list():
			e.text = value
			if problem, hint = e.key.check()(value); problem == "" && (e.key.kind == kindAllow || e.key.kind == kindRefuse) {
				e.text = canonicalRule(value)
			}
			if problem != "" && e.key.kind == kindProfiles {
				near = nearest(value, Profiles())
			}
		default:
			problem, hint = e.setFlag(value)
			if problem != "" && e.key.kind == kindEnum {
				near = nearest(value, e.key.words)
			}
		}
		if problem != "" {
			errs = append(errs, &Error{File: e.from.File, Key: name, Problem: problem, Hint: hint, Nearest: near})
			return
		}
		doc.entries = append(doc.entries, e)
	}
	for _, one := range [...]struct{ key, flag, value string }{
		{"mode", "mode", o.Mode},
		{"approval", "approval", o.Approval},
		{"min-tier", "min-tier", o.MinTier},
		{"limits.memory", "memory", o.Memory},
		{"limits.pids", "pids", o.Pids},
		{"limits.timeout", "timeout", o.Timeout},
	} {
		if one.value != "" {
			add(one.key, one.flag, one.value)
		}
	}
	for _, many := range [...]struct {
		key, flag string
		values    []string
	}{
		{"extends", "profile", o.Profiles},
		{"files.read", "read", o.Read},
		{"files.write", "write", o.Write},
		{"files.deny", "deny", o.Deny},
		{"files.protect", "protect", o.Protect},
		{"env.allow", "env", o.Env},
		{"accept", "accept", o.Accept},
		{"env.set", "setenv", o.SetEnv},
		{"network.allow", "allow-net", o.AllowNet},
		{"network.deny", "deny-net", o.DenyNet},
		{"network.localhost", "localhost", o.Localhost},
		{"network.publish", "publish", o.Publish},
		{"network.hosts", "resolve", o.Pin},
	} {
		for _, value := range many.values {
			add(many.key, many.flag, value)
		}
	}
	for _, one := range o.Extra {
		flag := one.Flag
		if flag == "" {
			flag = one.Key
		}
		add(one.Key, flag, one.Value)
	}
	where := places{home: in.Home, base: in.StartDir, private: in.private()}
	return doc, append(errs, resolve(doc, &where)...)
}

// source names a flag the way the person wrote it.
func (o *Overrides) source(flag string) string {
	if o.Caller != "" {
		return o.Caller + "." + strings.TrimLeft(flag, "-")
	}
	if strings.HasPrefix(flag, "-") {
		return flag
	}
	return "--" + flag
}
