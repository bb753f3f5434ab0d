//go:build linux

package probe

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// approvals runs some of the probes about approvals in boxes of bailey's.
func approvals(t *testing.T, flags []string, prepare func(World) error, only ...string) []Result {
	t.Helper()
	program := baileyProgram(t)
	o := gateOptions(program, func(w World, more ...string) []string {
		return slices.Concat([]string{program, "prove-run", w.Home, "--quiet"}, flags, more, []string{"--"})
	}, nil)
	o.Prepare = prepare
	var err error
	if o.Probes, err = Select(All(), only, []string{"controls", "approvals.request-host"}, nil); err != nil {
		t.Fatal(err)
	}
	results, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// Somebody outside who says yes, by the words that the attack has for it, opens what
// was asked for: so the box does wait, and the attack would be heard.
func TestAnswered(t *testing.T) {
	yes := func(w World) error {
		go func() {
			for t.Context().Err() == nil {
				sockets, _ := filepath.Glob(filepath.Join(w.Home, sessionsHome, "*.sock"))
				for _, s := range sockets {
					answerAll(s)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		return nil
	}
	for _, c := range []struct {
		prepare func(World) error
		flags   []string
		want    Status
	}{{nil, nil, Held}, {yes, nil, Escaped}, {yes, []string{"--approval=never"}, Held}} {
		if r := approvals(t, c.flags, c.prepare, "approvals.answer-own"); r[0].Status != c.want {
			t.Errorf("%v: %s: %s; want %s", c.flags, r[0].Status, r[0].Reason, c.want)
		}
	}
}

// Without walls each of them gets through, but for what is there only in a box.
func TestApprovalsWithoutWalls(t *testing.T) {
	for _, r := range approvals(t, []string{"--mode=danger-full-access"}, nil, "approvals") {
		if want := map[bool]Status{false: Escaped, true: Held}[r.Probe.NeedsBox]; r.Status != want && !r.Probe.NeedsRoot && r.Probe.Scene != sceneFDs {
			t.Errorf("%s: %s: %s; want %s", r.Probe.ID, r.Status, r.Reason, want)
		}
	}
}
