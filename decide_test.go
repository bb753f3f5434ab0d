//go:build linux

package bailey_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bailey-run/bailey"
)

// tree makes files below a directory: a name that ends in a slash is a directory,
// and NAME -> TARGET a symbolic link.
func tree(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		name, to, link := strings.Cut(name, " -> ")
		p := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		switch {
		case err != nil:
		case link:
			err = os.Symlink(to, p)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte("#!/bin/sh\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestDecide(t *testing.T) {
	top := dir(t)
	work := filepath.Join(top, "work")
	tree(t, top, "outside", "shown/a", "shown/sub/b")
	tree(t, work, "file", "dir/x", ".vscode/tasks.json", "denied", "private/key", "private/tool", "closed", "program",
		"link -> file", "out -> ../outside", "in -> ../shown/a", "deep -> ../shown/sub", "loop -> loop", ".envrc -> file", "dangling -> dir/none", "todenied -> denied")
	os.WriteFile(filepath.Join(work, "foreign"), []byte("#!/no/such/interpreter\n"), 0o755)
	os.WriteFile(filepath.Join(work, "itself"), []byte("#!"+filepath.Join(work, "itself")+"\n"), 0o755)
	for name, mode := range map[string]os.FileMode{"closed": 0, "program": 0o755, "private/tool": 0o755, "dir": 0o555} {
		if err := os.Chmod(filepath.Join(work, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(work, "dir"), 0o755) })
	t.Setenv("PT_LET_IN", "1")
	t.Setenv("PT_PLAIN", "1")
	t.Setenv("PT_TOKEN", "1")
	p, err := bailey.Prepare(bailey.Config{
		Dir: work, Read: []string{filepath.Join(top, "shown")}, Env: []string{"PT_LET_IN", "PT_NOT_SET"},
		Deny: []string{filepath.Join(work, "denied"), "private", filepath.Join(top, "shown/sub")},
	})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		op, target string
		want       bailey.Verdict
		why        string
	}{
		{"read", "file", bailey.Allow, "writable"},
		{"read", "none", bailey.Allow, "writable"},
		{"read", ".", bailey.Allow, "writable"},
		{"read", "denied", bailey.Deny, "denied"},
		{"read", "todenied", bailey.Deny, "leads to"},
		{"read", "private/key", bailey.Deny, "private"},
		{"read", "private", bailey.Deny, "private"},
		{"read", "../outside", bailey.Deny, "not there"},
		{"read", "out", bailey.Deny, "leads to"},
		{"read", "in", bailey.Allow, "leads to"},
		{"read", "deep/b", bailey.Deny, "leads to"},
		{"read", "loop", bailey.Deny, "too many symbolic links"},
		{"read", "closed", bailey.Deny, "file system does not"},
		{"read", "~/.ssh/id_ed25519", bailey.Deny, "not there"},
		{"read", "/etc/passwd", bailey.Allow, ""},
		{"write", "file", bailey.Allow, "writable"},
		{"write", "new", bailey.Allow, "writable"},
		{"write", ".", bailey.Allow, "writable"},
		{"write", "link", bailey.Allow, "leads to"},
		{"write", "dangling", bailey.Deny, "file system does not"}, // dir has mode 0555
		{"write", ".envrc", bailey.Deny, "may not be followed"},
		{"write", "in", bailey.Deny, "read-only"},
		{"write", "dir", bailey.Deny, "file system does not"},
		{"write", "dir/y", bailey.Deny, "file system does not"},
		{"write", "dir/x", bailey.Allow, "writable"},
		{"write", ".vscode", bailey.Deny, "protected"},
		{"write", ".vscode/x", bailey.Deny, "protected"},
		{"write", "bailey.test", bailey.Deny, "protected"},
		{"write", "dir/bailey.test", bailey.Deny, "protected"},
		{"write", "../new", bailey.Deny, "not there"},
		{"write", "~/x", bailey.Deny, "not there"},
		{"write", "/usr/bin/env", bailey.Deny, "read-only"},
		{"exec", "env", bailey.Allow, ""},
		{"exec", "/bin/sh", bailey.Allow, ""},
		{"exec", "./program", bailey.Allow, ""},
		{"exec", "private/tool", bailey.Allow, "not from being started"},
		{"exec", "./file", bailey.Deny, "mode"},
		{"exec", "./foreign", bailey.Deny, "interpreter"},
		{"exec", "./itself", bailey.Deny, "interpreters"},
		{"exec", "./dir", bailey.Deny, "no program"},
		{"exec", "./none", bailey.Deny, "not there"},
		{"exec", "no-such-program", bailey.Deny, "PATH"},
		{"exec", "~/x", bailey.Deny, ""},
		{"connect", "example.org:443", bailey.Deny, "no network"},
		{"env", "PT_LET_IN", bailey.Allow, "passes"},
		{"env", "PT_NOT_SET", bailey.Allow, "the caller has none"},
		{"env", "PT_PLAIN", bailey.Deny, "allow list"},
		{"env", "PT_TOKEN", bailey.Deny, "secret"},
		{"env", "HOME", bailey.Allow, "its own"},
		{"env", "PWD", bailey.Allow, ""},
		{"fly", "file", bailey.Deny, "not understood"},
		{"", "", bailey.Deny, "not understood"},
	} {
		d := p.Decide(tt.op, tt.target)
		if d.Verdict != tt.want || !strings.Contains(d.Why, tt.why) {
			t.Errorf("%s %s: %+v", tt.op, tt.target, d)
		}
		if d.Op != tt.op || d.Target != tt.target {
			t.Errorf("%s %s: the decision is about %s %s", tt.op, tt.target, d.Op, d.Target)
		}
	}
	if d := p.Decide("exec", "env", "-i"); d.Verdict != bailey.Allow || d.Target != "env -i" {
		t.Errorf("%+v", d)
	}
	if d := p.Decide("read", "file", "file"); d.Verdict != bailey.Deny {
		t.Errorf("%+v", d)
	}
	if d := p.Decide("read", "../none"); !d.Absent {
		t.Errorf("%+v", d)
	}
	if d := p.Decide("read", "private/key"); d.Rule != "private" || d.File != "Config.Deny" && d.Where() == "built in" {
		t.Errorf("%+v", d)
	}
}

// Without walls only the file system decides.
func TestDecideDanger(t *testing.T) {
	p, err := bailey.Prepare(bailey.Config{Dir: dir(t), Mode: bailey.DangerFullAccess})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"read", "/etc/hosts"}, {"write", "bailey.test"}, {"exec", "env"}, {"connect", "example.org:443"}, {"env", "PATH"}} {
		if d := p.Decide(c[0], c[1]); d.Verdict != bailey.Allow {
			t.Errorf("%+v", d)
		}
	}
}

// What bailey why says of a path is what is decided about it: of a program with a
// denied name, and of a directory whose own name is held for what it is to hold.
func TestExplainAgreesWithDecide(t *testing.T) {
	work := dir(t)
	tree(t, work, "private/key", "private/tool", "a/x", "open/x")
	if err := os.Chmod(filepath.Join(work, "private/tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := bailey.Prepare(bailey.Config{Dir: work, Deny: []string{"private/*"}, Protect: []string{"a/b"}})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		op, target string
		want       bool
	}{
		{"exec", "private/tool", true}, {"exec", "private/key", false},
		{"write", "a", true}, {"write", "a/b", false}, {"write", "a/x", true}, {"write", "open", true},
		{"read", "private/tool", false}, {"read", "a", true},
	} {
		name := filepath.Join(work, tt.target)
		d, e := p.Decide(tt.op, name), p.Explain(name)
		says := map[string]bool{"read": e.Read, "write": e.Write, "exec": e.Exec}[tt.op]
		if decided := d.Verdict == bailey.Allow; decided != tt.want || says != tt.want {
			t.Errorf("%s %s: decided %v, explained %v, want %v: %+v", tt.op, tt.target, decided, says, tt.want, e)
		}
	}
}
