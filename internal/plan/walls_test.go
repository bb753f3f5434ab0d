package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/policy"
)

func wallOf(t *testing.T, pl *Plan, id string) *Wall {
	t.Helper()
	for i := range pl.Walls {
		if pl.Walls[i].ID == id {
			return &pl.Walls[i]
		}
	}
	t.Fatalf("no wall %s", id)
	return nil
}

// TestWallsAreComplete holds that every plan says something about every wall, in
// the order of policy.Walls.
func TestWallsAreComplete(t *testing.T) {
	for name, scenario := range scenarios() {
		p, f, m := scenario()
		pl := compile(t, p, f, m)
		var ids []string
		for i := range pl.Walls {
			w := &pl.Walls[i]
			ids = append(ids, w.ID)
			if (w.Requested == "") != (w.Status == NotRequested) {
				t.Errorf("%s: %s is %q and %s", name, w.ID, w.Requested, w.Status)
			}
			if w.Status != NotRequested && w.Status != Enforced && w.Detail == "" {
				t.Errorf("%s: %s is %s without a reason", name, w.ID, w.Status)
			}
			for _, mech := range w.Mechanisms {
				if mech.Held && mech.How != HowPredicted || !mech.Held && (mech.How != "" || mech.Detail == "") {
					t.Errorf("%s: %s: %+v", name, w.ID, mech)
				}
			}
		}
		if got, want := strings.Join(ids, " "), strings.Join(policy.Walls(), " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestWallStatus(t *testing.T) {
	full := func(*policy.Policy, *Facts) {}
	weak := func(p *policy.Policy, f *Facts) {
		f.Kernel.UserNS = false
		p.MinTier = val(policy.TierLandlock, policy.LayerUser, "u.toml", 7)
	}
	root := func(_ *policy.Policy, f *Facts) {
		f.UID, f.GID, f.User, f.Home = 0, 0, "root", "/root"
		f.Account = Account{Name: "root", Home: "/root", Shell: "/bin/sh"}
	}
	with := func(list ...func(*policy.Policy, *Facts)) func(*policy.Policy, *Facts) {
		return func(p *policy.Policy, f *Facts) {
			p.Limits.Memory, p.Limits.Pids = val[int64](1<<30, policy.LayerUser, "u.toml", 3), val[int64](100, policy.LayerUser, "u.toml", 4)
			p.Limits.Scratch = val[int64](1<<30, policy.LayerUser, "u.toml", 5)
			for _, change := range list {
				change(p, f)
			}
		}
	}
	kernel := func(release string, abi int) func(*policy.Policy, *Facts) {
		return func(_ *policy.Policy, f *Facts) { f.Kernel.Release, f.Kernel.LandlockABI = release, abi }
	}
	strict := func(p *policy.Policy, _ *Facts) { p.Files.Strict = val(true, policy.LayerUser, "u.toml", 9) }
	accept := func(ids ...string) func(*policy.Policy, *Facts) {
		return func(p *policy.Policy, _ *Facts) { p.Accept = vals(policy.LayerFlag, "--accept", ids...) }
	}
	for _, tt := range []struct {
		name    string
		change  func(*policy.Policy, *Facts)
		id      string
		status  Status
		lacking string // what keeps it from starting
	}{
		{"laptop", with(full), policy.WallMemory, Weakened, ""},
		{"laptop", with(full), policy.WallPids, Enforced, ""},
		{"no landlock", with(kernel("6.1", 0)), policy.WallLandlockFiles, Weakened, ""},
		{"no landlock", with(kernel("6.1", 0)), policy.WallLandlockScope, Weakened, ""},
		{"no landlock", with(kernel("6.1", 0)), policy.WallWrite, Enforced, ""},
		{"strict", with(strict), policy.WallLandlockFiles, Enforced, ""},
		{"strict without landlock", with(strict, kernel("6.1", 0)), policy.WallLandlockFiles, Missing, policy.WallLandlockFiles},
		{"strict without landlock, accepted", with(strict, kernel("6.1", 0), accept(policy.WallLandlockFiles)), policy.WallLandlockFiles, Missing, ""},
		{"root", with(root, kernel("6.14.0-rc1", 7)), policy.WallPids, Enforced, ""},
		{"root, old kernel", with(root, kernel("6.13.9", 7)), policy.WallPids, Weakened, ""},
		{"root, garbage", with(root, kernel("x", 7)), policy.WallPids, Weakened, ""},
		{"weak", with(weak), policy.WallMemory, Missing, ""},
		{"weak", with(weak), policy.WallScratch, Missing, ""},
		{"weak", with(weak), policy.WallPids, Weakened, ""},
		{"weak", with(weak), policy.WallRead, Weakened, ""},
		{"weak", with(weak), policy.WallNetwork, Enforced, ""},
		{"weak root", with(root, weak), policy.WallPids, Missing, ""},
		{"weak root, accepted", with(root, weak, accept(policy.WallPids)), policy.WallPids, Missing, ""},
		{"danger", func(p *policy.Policy, _ *Facts) { p.Mode.V = policy.DangerFullAccess }, policy.WallRead, NotRequested, ""},
	} {
		p, f, m := laptop()
		tt.change(p, f)
		pl := compile(t, p, f, m)
		w := wallOf(t, pl, tt.id)
		if w.Status != tt.status {
			t.Errorf("%s: %s is %s: %s", tt.name, tt.id, w.Status, w.Detail)
		}
		var e *WallError
		if err := Refuse(pl.Walls); (err == nil) != (tt.lacking == "") || err != nil && (!errors.As(err, &e) || e.Walls[0].ID != tt.lacking || !strings.Contains(e.Hint(), "--accept "+tt.lacking)) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.status == Missing && tt.lacking == "" && w.Accepted == nil {
			t.Errorf("%s: %s starts, and nothing says why", tt.name, tt.id)
		}
	}
}

// TestJudge holds that a part of a wall is not the wall.
func TestJudge(t *testing.T) {
	on, off := Mechanism{Name: "a", Held: true, How: HowSelfCheck}, Mechanism{Name: "b", Detail: "why"}
	half := Mechanism{Name: "c", Held: true, How: HowReported, Part: true}
	for _, tt := range []struct {
		ms     []Mechanism
		limit  string
		status Status
		how    string
	}{
		{nil, "", Missing, ""},
		{[]Mechanism{on}, "", Enforced, HowSelfCheck},
		{[]Mechanism{on}, "not all", Weakened, HowSelfCheck},
		{[]Mechanism{off}, "", Missing, ""},
		{[]Mechanism{off, on}, "", Weakened, HowSelfCheck},
		{[]Mechanism{on, off}, "", Enforced, HowSelfCheck},
		{[]Mechanism{off, half}, "", Missing, ""},
		{[]Mechanism{on, half}, "", Enforced, HowSelfCheck},
	} {
		w := Wall{ID: "x", Requested: "y", Mechanisms: tt.ms, limit: tt.limit}
		w.Judge()
		if w.Status != tt.status || w.How != tt.how {
			t.Errorf("%+v: %s, %q", tt.ms, w.Status, w.How)
		}
		w.Requested = ""
		if w.Judge(); w.Status != NotRequested {
			t.Errorf("not requested: %s", w.Status)
		}
	}
}
