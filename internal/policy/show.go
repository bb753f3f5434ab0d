package policy

import (
	"maps"
	"strings"
)

// hidden stands in for a value that must not be printed.
const hidden = "(hidden)"

// Redact returns a copy of the policy in which the values of variables that look
// like secrets are hidden: what may be printed, logged or sent as JSON.
func Redact(p *Policy) *Policy {
	safe := *p
	safe.Env.Set = maps.Clone(p.Env.Set)
	for name, v := range safe.Env.Set {
		if p.Env.Secret(name) {
			v.V = hidden
			safe.Env.Set[name] = v
		}
	}
	return &safe
}

// Show prints the effective policy, one value a line with its source behind it.
// Secrets in env.set are hidden.
func Show(p *Policy) string {
	var b strings.Builder
	for _, layer := range p.Layers {
		b.WriteString("# " + string(layer.Layer))
		if layer.File != "" {
			b.WriteString(" " + quoteOdd(layer.File))
		}
		switch layer.Trust {
		case TrustNotNeeded:
			b.WriteString(" (only tightens)")
		case TrustGiven:
			b.WriteString(" (trusted)")
		}
		b.WriteByte('\n')
	}
	last := ""
	for _, r := range Redact(p).rows() {
		name := r.key.name
		if r.key.kind.list() {
			if name != last {
				b.WriteString("\n" + name + "\n")
			}
			writeLine(&b, "  "+quoteOdd(r.text), r.from)
		} else {
			if i := strings.IndexByte(last, '.'); last == "" || i >= 0 && !strings.HasPrefix(name, last[:i+1]) || i < 0 && r.key.section() != "" {
				b.WriteByte('\n')
			}
			writeLine(&b, name+" = "+r.text, r.from)
		}
		last = name
	}
	return b.String()
}

// ShowFrom lists the values in force that files has the sources of, one a line.
func ShowFrom(p *Policy, files func(string) bool) []string {
	var out []string
	for _, r := range Redact(p).rows() {
		if !files(r.from.File) {
			continue
		}
		var b strings.Builder
		writeLine(&b, r.key.name+" = "+quoteOdd(r.text), r.from)
		out = append(out, strings.TrimSuffix(b.String(), "\n"))
	}
	return out
}

// sourceColumn is where the sources start. Longer lines push theirs to the right.
const sourceColumn = 44

func writeLine(b *strings.Builder, text string, from Source) {
	b.WriteString(text)
	for n := len(text); n < sourceColumn; n++ {
		b.WriteByte(' ')
	}
	b.WriteString("  # ")
	if place := (Source{File: from.File, Line: from.Line}).String(); place != "" {
		b.WriteString(place)
	} else {
		b.WriteString(string(from.Layer))
	}
	b.WriteByte('\n')
}
