package policy

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// world is a machine for tests: files by path, and which of them are trusted.
type world struct {
	files   map[string]string
	trusted bool
	names   []string
	flags   Overrides
}

const (
	testHome = "/home/ann"
	testRoot = "/home/ann/src/app"
	userFile = "/home/ann/.config/bailey/config.toml"
	projFile = "/home/ann/src/app/bailey.toml"
	locFile  = "/home/ann/src/app/.bailey/local.toml"
	mngFile  = "/etc/bailey/managed.toml"
)

func (w world) input() LoadInput {
	return LoadInput{
		Files: Candidates("/home/ann/.config/bailey", testRoot, []string{"10-a.toml", "20-b.toml"}),
		ReadFile: func(path string) ([]byte, error) {
			text, ok := w.files[path]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
		Trusted: func(path string, content []byte) bool {
			return w.trusted && w.files[path] == string(content)
		},
		Home: testHome, StartDir: testRoot + "/cmd", Workspace: testRoot,
		Private: []string{"/home/ann/.cache/bailey"},
		Names:   w.names, Flags: w.flags,
	}
}

func (w world) load(t *testing.T) *Policy {
	t.Helper()
	p, err := Load(w.input())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return p
}

// fail loads a world that must not load, and returns the first error.
func (w world) fail(t *testing.T) *Error {
	t.Helper()
	p, err := Load(w.input())
	if err == nil {
		t.Fatalf("loaded; want an error")
	}
	if p != nil {
		t.Errorf("a policy came with the error")
	}
	var one *Error
	if !errors.As(err, &one) {
		t.Fatalf("error %T is no *Error: %v", err, err)
	}
	return one
}

func has(list []Value[string], text string) bool { return find(list, text) != nil }

func find(list []Value[string], text string) *Value[string] {
	for i := range list {
		if list[i].V == text {
			return &list[i]
		}
	}
	return nil
}

func wantIn(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("got %q\nwant it to contain %q", got, want)
	}
}
