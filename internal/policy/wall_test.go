package policy

import (
	"slices"
	"testing"
)

// TestAccept holds who may accept a missing wall, and which.
func TestAccept(t *testing.T) {
	p := world{files: map[string]string{userFile: "accept = [\"limits.pids\", \"landlock.scope\"]\n"}, flags: Overrides{Accept: []string{"limits.memory"}}}.load(t)
	for _, id := range []string{"limits.pids", "landlock.scope", "limits.memory"} {
		if !has(p.Accept, id) {
			t.Errorf("%s is not accepted: %+v", id, p.Accept)
		}
	}
	if v := find(p.Accept, "landlock.scope"); v.From.File != userFile || v.From.Line != 1 {
		t.Errorf("%+v", v.From)
	}
	if v := find(p.Accept, "limits.memory"); v.From.Layer != LayerFlag || v.From.File != "--accept" {
		t.Errorf("%+v", v.From)
	}

	grant := "accept = [\"limits.pids\"]\n"
	e := world{files: map[string]string{projFile: grant}}.fail(t)
	if e.File != projFile || e.Line != 1 || e.Key != "accept" {
		t.Errorf("an untrusted project: %+v", e)
	}
	if p := (world{files: map[string]string{projFile: grant}, trusted: true}).load(t); !has(p.Accept, "limits.pids") {
		t.Error("a trusted project may not accept")
	}
	// Saying again what the person says loosens nothing.
	if p := (world{files: map[string]string{userFile: grant, projFile: grant}}).load(t); len(p.Accept) != 1 {
		t.Errorf("%+v", p.Accept)
	}
	lock := "[managed]\nlock = [\"accept\"]\n"
	e = world{files: map[string]string{userFile: grant, mngFile: lock}}.fail(t)
	if e.File != userFile || e.Key != "accept" {
		t.Errorf("locked: %+v", e)
	}
	for text, want := range map[string]string{
		"accept = [\"limits.pid\"]\n":    `"limits.pids"`,
		"accept = [\"landlock.file\"]\n": `"landlock.files"`,
		"accept = [\"network\"]\n":       "danger-full-access",
		"accept = [\"\"]\n":              "limits.memory",
	} {
		e := world{files: map[string]string{userFile: text}}.fail(t)
		if e.Line != 1 {
			t.Errorf("%q: %+v", text, e)
		}
		wantIn(t, e.Hint, want)
	}
	if len(Acceptable()) == 0 || slices.Contains(Acceptable(), WallNetwork) || !slices.Contains(Walls(), WallNetwork) {
		t.Errorf("%v", Acceptable())
	}
}
