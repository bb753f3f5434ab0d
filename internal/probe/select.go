//go:build linux

package probe

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// SelectError is a word that names no probe.
type SelectError struct {
	Word    string
	Nearest string // "" for none
}

// Error prints it.
func (e *SelectError) Error() string { return "unknown probe or category " + fmt.Sprintf("%q", e.Word) }

// Select chooses probes by ids, categories and globs over ids. With only, those and
// the controls; nothing in skip is taken. Controls alone are no selection: they
// prove nothing about walls.
func Select(all []Probe, only, skip []string, nearest func(string, []string) string) ([]Probe, error) {
	for _, word := range slices.Concat(only, skip) {
		if !slices.ContainsFunc(all, func(p Probe) bool { return matches(word, &p) }) {
			names := Categories()
			for i := range all {
				names = append(names, all[i].ID)
			}
			return nil, &SelectError{word, nearest(word, names)}
		}
	}
	var out []Probe
	any := false
	for i := range all {
		p := &all[i]
		in := func(list []string) bool {
			return slices.ContainsFunc(list, func(w string) bool { return matches(w, p) })
		}
		if in(skip) || len(only) > 0 && !p.Control && !in(only) {
			continue
		}
		any = any || !p.Control
		out = append(out, *p)
	}
	if !any {
		return nil, ErrNothing
	}
	return out, nil
}

func matches(word string, p *Probe) bool {
	if word == p.ID || word == p.Category() {
		return true
	}
	ok, err := path.Match(word, p.ID)
	return err == nil && ok && strings.ContainsAny(word, "*?[")
}

// ForOthers are the probes that are run against another sandbox: without the controls
// of bailey's gate and of its boxes. Their probes stay, and are reported as not
// applicable.
func ForOthers(probes []Probe) []Probe {
	return slices.DeleteFunc(slices.Clone(probes), func(p Probe) bool { return p.Control && (p.OwnGate || p.NeedsBox) })
}
