package secret

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

const (
	// maxSecrets bounds what a policy can ask for: each costs memory in the
	// machines that look for it, some 200 bytes for each byte of its value.
	maxSecrets = 64
	// maxOld is how many values that were rotated away are still masked in
	// responses. The oldest is forgotten then.
	maxOld = 4
)

// Options says what sources need.
type Options struct {
	Lookup func(name string) (string, bool) // the host's environment; nil for os.LookupEnv
	Home   string                           // what ~ is in "file:~/…", and where commands run
	Keep   *Keep                            // for "keyring:"; nil for none
}

// Set is the secrets of one box. Its values are read when it is opened, and
// again when their sources change.
type Set struct {
	options Options

	change sync.Mutex // held while another list is read, which may take long

	mu      sync.Mutex // guards what follows
	entries []*entry

	leaks  atomic.Pointer[watch] // placeholders and values
	bodies atomic.Pointer[watch] // the same without the placeholders that may stand in bodies
	echoes atomic.Pointer[watch] // values, also those that were rotated away
}

// entry is one secret.
type entry struct {
	spec        plan.NetSecret
	hosts       []hostname.Pattern
	placeholder string
	*origin
}

// origin is where a secret's value comes from, and what was read from there.
type origin struct {
	mu     sync.Mutex // guards what follows; held while the source is read
	source source
	value  Value
	old    []Value
}

// Open reads every secret. One that cannot be read or used is an error, and so
// is one without hosts: the box must not start with half of what it was given.
func Open(ctx context.Context, specs []plan.NetSecret, o Options) (*Set, error) {
	if o.Lookup == nil {
		o.Lookup = os.LookupEnv
	}
	s := &Set{options: o}
	if err := s.Update(ctx, specs); err != nil {
		return nil, err
	}
	return s, nil
}

// Update puts another list in place, whole or not at all. A secret that is in
// both lists keeps its placeholder.
func (s *Set) Update(ctx context.Context, specs []plan.NetSecret) error {
	if len(specs) > maxSecrets {
		return fmt.Errorf("read secrets: %d are more than the limit of %d", len(specs), maxSecrets)
	}
	s.change.Lock()
	defer s.change.Unlock()
	var next []*entry
	for _, spec := range specs {
		if slices.ContainsFunc(next, func(e *entry) bool { return e.spec.Name == spec.Name }) {
			return &Error{Name: spec.Name, Problem: "it is there twice", Hint: "keep one"}
		}
		e, err := s.entry(ctx, spec)
		if err != nil {
			return err
		}
		next = append(next, e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = next
	s.compile()
	return nil
}

func (s *Set) entry(ctx context.Context, spec plan.NetSecret) (*entry, error) {
	if err := Check(spec); err != nil {
		return nil, err
	}
	if spec.Header == "" && spec.Query == "" && spec.Basic == "" {
		spec.Header = "Authorization"
	}
	e := &entry{spec: spec}
	for _, h := range spec.Hosts {
		p, err := hostname.ParsePattern(h)
		if err != nil {
			return nil, &Error{Name: spec.Name, Problem: "a host of it is none", Hint: "name the hosts that need it", Err: err}
		}
		e.hosts = append(e.hosts, p)
	}
	s.mu.Lock()
	known := s.entries
	s.mu.Unlock()
	i := slices.IndexFunc(known, func(k *entry) bool { return k.spec.Name == spec.Name })
	if i >= 0 && known[i].spec.Source == spec.Source && known[i].spec.Cache == spec.Cache {
		e.placeholder, e.origin = known[i].placeholder, known[i].origin
		return e, nil
	}
	source, err := newSource(spec.Source, time.Duration(spec.Cache)*time.Second, &s.options)
	if err != nil {
		return nil, &Error{Name: spec.Name, Problem: "it cannot be read", Hint: "look at its source in the policy", Err: err}
	}
	e.origin = &origin{source: source}
	if _, err := e.read(ctx); err != nil {
		return nil, err
	}
	if i >= 0 {
		// From another source now: programs have the placeholder, and servers may
		// still know the value.
		k := known[i]
		k.mu.Lock()
		e.old = append(slices.Clone(k.old), k.value)
		k.mu.Unlock()
		e.placeholder = k.placeholder
		return e, nil
	}
	e.placeholder, err = Placeholder(e.value.Reveal())
	if err != nil {
		return nil, &Error{Name: spec.Name, Problem: "its value cannot be replaced", Hint: "use a longer token", Err: err}
	}
	return e, nil
}

// Check says why a secret cannot be used, as far as that needs no value.
func Check(spec plan.NetSecret) error {
	bad := func(problem, hint string) error { return &Error{Name: spec.Name, Problem: problem, Hint: hint} }
	placed := 0
	for _, p := range []string{spec.Header, spec.Query, spec.Basic} {
		if p != "" {
			placed++
		}
	}
	switch {
	case !ValidName(spec.Name):
		return bad(errName.Error(), "give it another name")
	case len(spec.Hosts) == 0:
		return bad("it has no hosts, so it can go nowhere", `write hosts = ["api.example.org"]`)
	case placed > 1:
		return bad("it goes into one place: header, query or basic", `write header = "Authorization", format = "Bearer {}"`)
	case spec.Format != "" && (strings.Count(spec.Format, "{}") != 1 || spec.Basic != ""):
		return bad("its format needs {} once, where the value goes, and a header or a query parameter to go to", `write format = "Bearer {}"`)
	case slices.Contains(spec.Hosts, "*"), slices.Contains(spec.Hosts, "0.0.0.0/0"), slices.Contains(spec.Hosts, "::/0"):
		return bad("it may go to every host, which is no limit at all", "name the hosts that need it")
	}
	return nil
}

// read returns the value, from the source when what is there no longer counts.
// The caller holds e.mu or is the only one to know e. It says in changed
// whether the value is another one than before.
func (e *entry) read(ctx context.Context) (changed bool, err error) {
	if e.value.p != nil && e.source.fresh() {
		return false, nil
	}
	b, err := e.source.load(ctx)
	if err != nil {
		return false, &Error{Name: e.spec.Name, Problem: "it cannot be read", Hint: "look at its source, " + strings.SplitN(e.spec.Source, ":", 2)[0], Err: err}
	}
	b = trim(b)
	if problem, hint := check(b); problem != "" {
		clear(b)
		return false, &Error{Name: e.spec.Name, Problem: problem, Hint: hint}
	}
	if bytes.Equal(b, e.value.Reveal()) {
		return false, nil
	}
	if e.value.p != nil {
		e.old = append(e.old, e.value)
		if len(e.old) > maxOld {
			// Not wiped: a request may be on its way with it.
			e.old = slices.Clone(e.old[1:])
		}
	}
	e.value = NewValue(b)
	return true, nil
}

// compile makes the machines anew. The caller holds s.mu.
func (s *Set) compile() {
	var leaks, bodies, echoes []pattern
	var names []string
	for i, e := range s.entries {
		names = append(names, e.spec.Name)
		e.mu.Lock()
		values := append(slices.Clone(e.old), e.value)
		e.mu.Unlock()
		for _, f := range forms([]byte(e.placeholder), []byte(e.placeholder)) {
			leaks = append(leaks, pattern{f.text, nil, i})
			if e.spec.Body != "pass" {
				bodies = append(bodies, pattern{f.text, nil, i})
			}
		}
		for _, v := range values {
			for _, f := range forms(v.Reveal(), fit(e.placeholder, v.Len())) {
				leaks = append(leaks, pattern{f.text, nil, i})
				bodies = append(bodies, pattern{f.text, nil, i})
				echoes = append(echoes, pattern{f.text, f.mask, i})
			}
		}
	}
	if len(names) == 0 {
		s.leaks.Store(nil)
		s.bodies.Store(nil)
		s.echoes.Store(nil)
		return
	}
	if len(bodies) == len(leaks) {
		s.leaks.Store(newWatch(leaks, names))
		s.bodies.Store(s.leaks.Load())
	} else {
		s.leaks.Store(newWatch(leaks, names))
		s.bodies.Store(newWatch(bodies, names))
	}
	s.echoes.Store(newWatch(echoes, names))
}

func newWatch(p []pattern, names []string) *watch {
	w := &watch{machine: compile(p), patterns: p, names: names}
	for i := range p {
		p[i].text = nil
	}
	return w
}

// Scanner returns a scanner for one stream out of the box.
func (s *Set) Scanner() *Scanner {
	if s == nil {
		return &Scanner{}
	}
	return &Scanner{w: s.leaks.Load()}
}

// BodyScanner returns a scanner for one body or message out of the box.
func (s *Set) BodyScanner() *Scanner {
	if s == nil {
		return &Scanner{}
	}
	return &Scanner{w: s.bodies.Load()}
}

// Masker returns a masker for one stream into the box.
func (s *Set) Masker() *Masker {
	if s == nil {
		return &Masker{}
	}
	return &Masker{w: s.echoes.Load()}
}

// Empty says whether there is nothing to look for.
func (s *Set) Empty() bool { return s == nil || s.leaks.Load() == nil }

// Inside is what the box sees of the secrets: variables and files, by name, with
// placeholders for their content.
func (s *Set) Inside() (env, files map[string]string) {
	env, files = map[string]string{}, map[string]string{}
	if s == nil {
		return env, files
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.spec.Env != "" {
			env[e.spec.Env] = e.placeholder
		}
		if e.spec.File != "" {
			files[e.spec.File] = e.placeholder
		}
	}
	return env, files
}

// Placeholder is what stands for a secret in the box, "" when there is none of the
// name.
func (s *Set) Placeholder(name string) string {
	if s == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.spec.Name == name {
			return e.placeholder
		}
	}
	return ""
}

// Use is a secret at one of its hosts.
type Use struct {
	plan.NetSecret
	Placeholder string
	set         *Set
	entry       *entry
}

// For returns the secrets that may go to a host, given by its canonical name or
// address.
func (s *Set) For(host string) []Use {
	if s == nil {
		return nil
	}
	h, err := hostname.Parse(host)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Use
	for _, e := range s.entries {
		if slices.ContainsFunc(e.hosts, func(p hostname.Pattern) bool { return p.Match(h) }) {
			out = append(out, Use{e.spec, e.placeholder, s, e})
		}
	}
	return out
}

// Value is a copy of the secret's value now, which the caller may wipe. The
// source is asked again when it has changed or the time of its answer is over.
// When that fails there is no value, rather than an old one.
func (u *Use) Value(ctx context.Context) (Value, error) {
	u.entry.mu.Lock()
	changed, err := u.entry.read(ctx)
	v := NewValue(bytes.Clone(u.entry.value.Reveal()))
	u.entry.mu.Unlock()
	if err != nil {
		return Value{}, err
	}
	if changed {
		// Before the first request leaves with it: what comes back is masked.
		u.set.mu.Lock()
		u.set.compile()
		u.set.mu.Unlock()
	}
	return v, nil
}

// Close wipes the values.
func (s *Set) Close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		e.mu.Lock()
		e.value.Wipe()
		for _, v := range e.old {
			v.Wipe()
		}
		e.value, e.old = Value{}, nil
		e.mu.Unlock()
	}
	s.entries = nil
	s.leaks.Store(nil)
	s.bodies.Store(nil)
	s.echoes.Store(nil)
}
