//go:build linux

package probe

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/trust"
)

// gateOptions are for a box of bailey's with a gate, whose grants are changed.
func gateOptions(program string, command func(w World, more ...string) []string, change func(*Grants)) Options {
	o := Options{Self: program, Scratch: []string{"/var/tmp"}, Command: func(w World) []string { return command(w) }}
	o.Gate = func(w World, g Grants) ([]string, string, error) {
		if change != nil {
			change(&g)
		}
		file := filepath.Join(w.WS, ".bailey/local.toml")
		store, err := trust.Open(filepath.Join(w.Home, ".local/state/bailey"))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(file), 0o755)
		}
		if err == nil {
			err = os.WriteFile(file, []byte(g.Policy), 0o644)
		}
		if err == nil {
			err = store.Add(file, []byte(g.Policy), time.Now())
		}
		return command(w, append(g.Flags, "--log="+g.Logs+"/log.jsonl", "--net-log="+g.Logs+"/net.jsonl")...), "", err
	}
	return o
}

// A gate that grants more than it should is found out by the probes about that, and
// the others hold.
func TestGateThatGrants(t *testing.T) {
	program := baileyProgram(t)
	command := func(w World, more ...string) []string {
		return slices.Concat([]string{program, "prove-run", w.Home, "--quiet"}, more, []string{"--"})
	}
	o := gateOptions(program, command, func(g *Grants) {
		_, ports, _ := strings.Cut(g.Flags[0], ":") // of the allowed host
		plain, _, _ := strings.Cut(ports, ",")
		g.Flags = append(g.Flags, "--allow-net="+siteOther+":"+plain, "--resolve="+siteOther+"=127.0.0.1", "--allow-net="+siteRead+":"+strings.TrimPrefix(ports, plain+",")+" methods=POST paths=/ok/**")
	})
	var err error
	if o.Probes, err = Select(All(), []string{"gate.unnamed-host", "gate.inspected-method", "gate.h2-method", "gate.proxy-get", "rules.fetch", "gate.host-other", "gate.dns-label", "gate.secret-body"}, []string{"controls"}, nil); err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Status{"gate.unnamed-host": Escaped, "gate.inspected-method": Escaped, "gate.h2-method": Escaped, "gate.proxy-get": Escaped, "rules.fetch": Escaped,
		"gate.host-other": Held, "gate.dns-label": Held, "gate.secret-body": Held}
	for _, r := range results {
		if r.Status != want[r.Probe.ID] {
			t.Errorf("%s: %s: %s; want %s", r.Probe.ID, r.Status, r.Reason, want[r.Probe.ID])
		}
	}
}

// Without the rules and the covers that they are about, what is denied runs and what
// is hidden is read, inside a box of bailey's: none of these probes is held by a
// mistake of its own.
func TestGateWithoutRules(t *testing.T) {
	program := baileyProgram(t)
	command := func(w World, more ...string) []string {
		return slices.Concat([]string{program, "prove-run", w.Home, "--quiet"}, more, []string{"--"})
	}
	o := gateOptions(program, command, func(g *Grants) {
		before, rest, _ := strings.Cut(g.Policy, "deny = [\"Bash(")
		if rest == "" {
			t.Error("the policy denies nothing")
		}
		g.Policy = before
	})
	var err error
	if o.Probes, err = Select(All(), []string{"programs", "mounts.hidden-*"}, []string{"controls"}, nil); err != nil {
		t.Fatal(err)
	}
	allEscape(t, o)
}

// allEscape runs probes where nothing holds them, and none may fail to escape.
func allEscape(t *testing.T, o Options) {
	t.Helper()
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != Escaped {
			t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
		}
	}
}

// Against another sandbox, what is about bailey's gate is not applicable, and that is
// not green.
func TestGateOfOthers(t *testing.T) {
	results, err := fake(t, `exec "$@"`, "gate", "rules")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, r := range results {
		switch {
		case r.Probe.Scene != sceneGate && r.Probe.Scene != sceneWeb:
		case r.Probe.OwnGate:
			if r.Status != Cannot || !strings.HasPrefix(r.Reason, notApplicable) {
				t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
			}
		default:
			ran++
			if r.Status != Escaped {
				t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
			}
		}
	}
	if ran == 0 {
		t.Error("nothing ran")
	}
	for _, p := range ForOthers(All()) {
		if p.Control && (p.OwnGate || p.NeedsBox) {
			t.Errorf("%s is a control for others", p.ID)
		}
	}
}

// A gate that looks at nothing lets every request through: none of these probes is
// held by a mistake of its own.
func TestGateThatDoesNotLook(t *testing.T) {
	program := baileyProgram(t)
	command := func(w World, more ...string) []string {
		return slices.Concat([]string{program, "prove-run", w.Home, "--quiet"}, more, []string{"--"})
	}
	o := gateOptions(program, command, func(g *Grants) {
		g.Flags = slices.DeleteFunc(g.Flags, func(f string) bool { return strings.HasPrefix(f, "--allow-net") })
		g.Flags = append(g.Flags, "--allow-net=**."+siteDomain+":1-65535/tcp", "--resolve="+siteOther+"=127.0.0.1")
		for _, kind := range []string{"loopback", "mapped", "compatible", "six", "zero", "mixed", "second", "alias"} {
			g.Flags = append(g.Flags, "--resolve="+kind+"."+siteRebind+"=127.0.0.1")
		}
		g.Flags = append(g.Flags, "--resolve=loopback."+sitePrivate+"=127.0.0.1")
		g.Policy, _, _ = strings.Cut(g.Policy, "[secrets")
	})
	var err error
	only := []string{"gate.unnamed-host", "gate.other-port", "gate.sni-*", "gate.no-tls", "gate.ssl2", "gate.host-*", "gate.absolute-*", "gate.old*", "gate.second-request", "gate.pipelined", "gate.connect-inside", "gate.seen-*",
		"gate.smuggle-*", "gate.h2-*", "gate.http-secure-port", "gate.inspected-*", "gate.rebind-*", "gate.proxy-other", "gate.proxy-port", "gate.proxy-tunnel-*", "gate.proxy-socks-name", "rules.fetch"}
	// What is asked of a proxy is looked at by the proxy.
	if o.Probes, err = Select(All(), only, []string{"controls", "gate.seen-proxy-get*", "gate.seen-proxy-second"}, nil); err != nil {
		t.Fatal(err)
	}
	allEscape(t, o)
}

// Who reads requests that nobody encrypts depends on whether the box has a secret, and
// so each of these probes is run in a box with one and in a box without.
func TestGateOfBothKinds(t *testing.T) {
	var mu sync.Mutex // the boxes are made at the same time
	var grants []string
	program := baileyProgram(t)
	o := gateOptions(program, func(w World, more ...string) []string {
		return slices.Concat([]string{program, "prove-run", w.Home, "--quiet"}, more, []string{"--"})
	}, func(g *Grants) {
		mu.Lock()
		defer mu.Unlock()
		grants = append(grants, g.Policy)
	})
	var err error
	if o.Probes, err = Select(All(), []string{"gate.host-other", "gate.seen-host-other"}, []string{"controls"}, nil); err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Status != Held {
			t.Errorf("%s: %s: %s", r.Probe.ID, r.Status, r.Reason)
		}
	}
	with := slices.DeleteFunc(slices.Clone(grants), func(p string) bool { return !strings.Contains(p, "[secrets.") })
	if len(grants) != 2 || len(with) != 1 {
		t.Errorf("%d boxes, %d with a secret; want 2 and 1", len(grants), len(with))
	}
}

// A word that arrives after it was looked for is an escape all the same.
func TestLookBack(t *testing.T) {
	p := Probe{ID: "gate.x", Severity: Boundary, Scene: sceneGate, Judge: reached}
	r := &run{results: []Result{{Probe: p, Status: Held}, {Probe: p, Status: Held}}}
	h := &host{access: accessGate}
	book := &listener{fd: -1}
	late, never := &Case{host: h, Probe: p, Nonce: "nonce-1", hears: book}, &Case{host: h, Probe: p, Nonce: "nonce-2", hears: book}
	book.note([]byte("GET /nonce-1"))
	(&stage{run: r, host: h, cases: []*Case{late, never}, indices: []int{0, 1}}).lookBack()
	if r.results[0].Status != Escaped || r.results[1].Status != Held {
		t.Errorf("%s, %s", r.results[0].Status, r.results[1].Status)
	}
}
