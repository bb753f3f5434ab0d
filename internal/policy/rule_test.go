package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRules(t *testing.T) {
	p := world{files: map[string]string{
		userFile: `[permissions]
deny = ["Bash(rm *)", {rule = "Bash(git push *)", reason = "people push", match = ["git push"], not-match = ["git pull"]}]
allow = ["Edit(/x)"]
delegate = "~/bin/decide"
`,
		projFile: `[[permissions.deny]]
rule = "Edit(/x)"
[[permissions.deny]]
rule = "Bash(rm *)"
[[permissions.ask]]
rule = "Bash(make)"
reason = "slow"
`}}.load(t)
	got := p.Permissions
	want := Permissions{
		Deny: []Value[Rule]{
			{Rule{Text: "Bash(rm *)", Base: "/home/ann/.config/bailey"}, true, Source{LayerUser, userFile, 2, 9}},
			{Rule{Text: "Bash(git push *)", Reason: "people push", Match: []string{"git push"}, NotMatch: []string{"git pull"}, Base: "/home/ann/.config/bailey"}, true, Source{LayerUser, userFile, 2, 31}},
			{Rule{Text: "Edit(/x)", Base: testRoot}, true, Source{LayerProject, projFile, 2, 8}},
			{Rule{Text: "Bash(rm *)", Base: testRoot}, true, Source{LayerProject, projFile, 4, 8}},
		},
		Ask:      []Value[Rule]{{Rule{Text: "Bash(make)", Reason: "slow", Base: testRoot}, true, Source{LayerProject, projFile, 6, 8}}},
		Allow:    []Value[Rule]{{Rule{Text: "Edit(/x)", Base: "/home/ann/.config/bailey"}, true, Source{LayerUser, userFile, 3, 10}}},
		Delegate: Value[string]{testHome + "/bin/decide", true, Source{LayerUser, userFile, 4, 12}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestUntrustedRules holds that a project file that nobody trusts cannot allow,
// nor name the program that answers.
func TestUntrustedRules(t *testing.T) {
	for _, text := range []string{"permissions.allow = [\"Bash(ls)\"]", "[[permissions.allow]]\nrule = \"Bash(ls)\"", "permissions.delegate = \"/bin/true\""} {
		for _, file := range []string{projFile, locFile} {
			w := world{files: map[string]string{file: text, userFile: "permissions.delegate = \"/bin/false\"\npermissions.allow = [\"Bash(ls)\"]"}}
			wantIn(t, w.fail(t).Error(), "bailey trust")
			w.trusted = true
			w.load(t)
		}
	}
}

func TestManagedRules(t *testing.T) {
	w := world{files: map[string]string{
		mngFile:  "managed.lock = [\"permissions.allow\", \"permissions.delegate\"]\npermissions.delegate = \"/opt/decide\"\npermissions.deny = [\"Bash(x)\"]",
		userFile: "permissions.allow = [\"Bash(ls)\"]",
	}}
	wantIn(t, w.fail(t).Error(), "locked the key")
	w.files[userFile] = "permissions.delegate = \"/home/ann/decide\""
	wantIn(t, w.fail(t).Error(), "locked the key")
	w.files[userFile] = ""
	p := w.load(t)
	if p.Permissions.Delegate.V != "/opt/decide" || len(p.Permissions.Deny) != 1 {
		t.Errorf("%+v", p.Permissions)
	}
	// Without the lock, the owner's program still answers.
	w.files[mngFile] = "permissions.delegate = \"/opt/decide\""
	w.files[userFile] = "permissions.delegate = \"/home/ann/decide\""
	if p := w.load(t); p.Permissions.Delegate.V != "/opt/decide" {
		t.Errorf("%+v", p.Permissions.Delegate)
	}
}

func TestBadRuleTables(t *testing.T) {
	for _, c := range []struct{ text, problem string }{
		{`permissions.deny = [{reason = "x"}]`, "a rule needs its text"},
		{`permissions.deny = [{rule = "Bash", reson = "x"}]`, "did you mean reason?"},
		{`permissions.deny = [{rule = "Bash", match = "x"}]`, "expected a list of strings"},
		{`permissions.deny = [""]`, "not a rule"},
		{`permissions.deny = ["a\u0001"]`, "control character"},
		{`permissions.deny = "Bash"`, "expected a list of rules"},
		{`permissions.deney = ["Bash"]`, "did you mean permissions.deny?"},
		{`permissions.delegate = "decide"`, "not the whole path"},
		{`permissions.delegate = ["x"]`, "expected a string"},
	} {
		wantIn(t, world{files: map[string]string{userFile: c.text}}.fail(t).Error(), c.problem)
	}
}
