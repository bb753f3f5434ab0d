package audit

import (
	"cmp"
	"slices"
	"strings"
)

// redacted stands where a secret value was.
const redacted = "[redacted]"

// minSecret is the shortest value that is taken for a secret: shorter ones ("1",
// "true", "prod") occur in ordinary text, and replacing them would only shred it.
const minSecret = 6

// scrubber replaces known secret values in free text.
type scrubber struct{ replacer *strings.Replacer }

// newScrubber takes the values that must never be written.
func newScrubber(secrets []string) scrubber {
	secrets = slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return len(s) < minSecret })
	if len(secrets) == 0 {
		return scrubber{}
	}
	// The longest first: of two secrets that begin alike the longer one must not
	// leave its tail behind.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(secrets))
	for _, s := range secrets {
		pairs = append(pairs, s, redacted)
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

func (s scrubber) text(t string) string {
	if s.replacer == nil {
		return t
	}
	return s.replacer.Replace(t)
}

func scrubAll(f func(string) string, in []string) []string {
	out := make([]string, len(in)) // never nil: the schema promises an array
	for i, t := range in {
		out[i] = f(t)
	}
	return out
}

func scrubLayers(f func(string) string, in []Layer) []Layer {
	out := make([]Layer, len(in))
	for i, l := range in {
		l.File = f(l.File)
		out[i] = l
	}
	return out
}

func (d SessionStart) scrubbed(f func(string) string) Data {
	d.Layers = scrubLayers(f, d.Layers)
	d.Profiles = scrubAll(f, d.Profiles)
	d.Dir = f(d.Dir)
	d.Writable = scrubAll(f, d.Writable)
	return d
}

func (d Exec) scrubbed(f func(string) string) Data {
	d.Args = scrubAll(f, d.Args)
	d.Dir = f(d.Dir)
	return d
}

func (d Exit) scrubbed(func(string) string) Data { return d }

func (d Program) scrubbed(f func(string) string) Data {
	d.Args = scrubAll(f, d.Args)
	d.Path, d.Real, d.Dir, d.By = f(d.Path), f(d.Real), f(d.Dir), f(d.By)
	return d
}

func (d ProgramExit) scrubbed(func(string) string) Data { return d }

func (d Decision) scrubbed(f func(string) string) Data {
	d.Target, d.Rule, d.File = f(d.Target), f(d.Rule), f(d.File)
	return d
}

func (d Approval) scrubbed(f func(string) string) Data {
	d.Subject, d.Rule, d.Note, d.Why, d.Asks, d.Exe = f(d.Subject), f(d.Rule), f(d.Note), f(d.Why), f(d.Asks), f(d.Exe)
	return d
}

func (d Denial) scrubbed(f func(string) string) Data {
	d.Target, d.Rule, d.Hint, d.Exe = f(d.Target), f(d.Rule), f(d.Hint), f(d.Exe)
	return d
}

func (d Limit) scrubbed(func(string) string) Data { return d }

func (d Flow) scrubbed(f func(string) string) Data {
	d.Host, d.Rule, d.File, d.Reason, d.Exe = f(d.Host), f(d.Rule), f(d.File), f(d.Reason), f(d.Exe)
	return d
}

func (d PolicyChange) scrubbed(f func(string) string) Data {
	d.Layers, d.Why = scrubLayers(f, d.Layers), f(d.Why)
	return d
}

func (d SessionEnd) scrubbed(f func(string) string) Data {
	d.Error = f(d.Error)
	return d
}
