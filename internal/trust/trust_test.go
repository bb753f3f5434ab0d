package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func TestTrust(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "bailey")
	s := open(t, dir)
	if s.Trusted("/p/bailey.toml", []byte("a")) {
		t.Error("an empty store trusts")
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("looking made the directory")
	}
	if err := s.Add("/p/bailey.toml", []byte("a"), noon); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, open(t, dir)} {
		for _, c := range []struct {
			path, content string
			want          bool
		}{
			{"/p/bailey.toml", "a", true}, {"/p/./bailey.toml", "a", true}, {"/p/bailey.toml", "b", false}, {"/p/bailey.toml", "", false},
			{"/p/bailey.toml", "a\n", false}, {"/q/bailey.toml", "a", false}, {"bailey.toml", "a", false}, {"", "a", false},
		} {
			if got := s.Trusted(c.path, []byte(c.content)); got != c.want {
				t.Errorf("%s %q: %v", c.path, c.content, got)
			}
		}
		list := s.List()
		if len(list) != 1 || list[0].Path != "/p/bailey.toml" || !list[0].At.Equal(noon) {
			t.Errorf("list %+v", list)
		}
	}
	if err := s.Add("/p/bailey.toml", []byte("b"), noon); err != nil {
		t.Fatal(err)
	}
	if s.Trusted("/p/bailey.toml", []byte("a")) || !s.Trusted("/p/bailey.toml", []byte("b")) {
		t.Error("the old content is still trusted, or the new one is not")
	}
	for _, want := range []bool{true, false} {
		if had, err := s.Remove("/p/bailey.toml"); had != want || err != nil {
			t.Errorf("remove: %v %v, want %v", had, err, want)
		}
	}
	if open(t, dir).Trusted("/p/bailey.toml", []byte("b")) {
		t.Error("a withdrawn approval counts")
	}
	var none *Store
	if none.Trusted("/p", nil) {
		t.Error("a nil store trusts")
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := open(t, dir).Add("/p", nil, noon); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 2 {
		t.Errorf("files %v: a temporary file stayed, or one is missing", names)
	}
	for _, name := range append(names, nil) {
		path, want := dir, os.FileMode(0o700)
		if name != nil {
			path, want = filepath.Join(dir, name.Name()), 0o600
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, error %v", path, info.Mode(), err)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	if _, err := Open("state"); err == nil {
		t.Error("a relative directory was opened")
	}
	s := open(t, t.TempDir())
	if err := s.Add("bailey.toml", nil, noon); err == nil {
		t.Error("a relative path was trusted")
	}
	if _, err := s.Remove("bailey.toml"); err == nil {
		t.Error("a relative path was removed")
	}
}

// Every store that somebody else could have made, or that is not understood, is
// an error and no trust.
func TestRefused(t *testing.T) {
	good := `{"version":1,"entries":[{"path":"/p","sha256":"` + strings.Repeat("0", 64) + `","at":"2026-03-01T12:00:00Z"}]}`
	file := func(text string, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, fileName), text, mode)
		}
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		says string // "" when the store is fine
	}{
		"fine":           {file(good, 0o600), ""},
		"readable":       {file(good, 0o644), ""},
		"group":          {file(good, 0o660), "others may write it"},
		"world":          {file(good, 0o602), "others may write it"},
		"empty":          {file("", 0o600), "cannot be understood"},
		"cut":            {file(good[:len(good)-5], 0o600), "cannot be understood"},
		"more":           {file(good+"{}", 0o600), "more than one value"},
		"unknown field":  {file(`{"version":1,"entries":[],"all":true}`, 0o600), "cannot be understood"},
		"version":        {file(`{"version":2,"entries":[]}`, 0o600), "version 2"},
		"no version":     {file(`{}`, 0o600), "version 0"},
		"relative":       {file(strings.Replace(good, `"/p"`, `"p"`, 1), 0o600), "broken entry"},
		"unclean":        {file(strings.Replace(good, `"/p"`, `"/p/../q"`, 1), 0o600), "broken entry"},
		"short hash":     {file(strings.Replace(good, "00", "0", 1), 0o600), "broken entry"},
		"twice":          {file(`{"version":1,"entries":[`+strings.Repeat(good[len(`{"version":1,"entries":[`):len(good)-2]+",", 1)+good[len(`{"version":1,"entries":[`):len(good)-2]+`]}`, 0o600), "two entries"},
		"huge":           {file(good+strings.Repeat(" ", maxStore), 0o600), "larger than"},
		"directory":      {func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, fileName), 0o700)) }, "not a regular file"},
		"link":           {linkStore(good), "symbolic link"},
		"dangling":       {func(t *testing.T, dir string) { must(t, os.Symlink("nowhere", filepath.Join(dir, fileName))) }, "symbolic link"},
		"open directory": {func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, "others may write it"},
		"linked directory": {func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+"2"))
			must(t, os.Symlink(dir+"2", dir))
		}, "the directory is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			must(t, os.Mkdir(dir, 0o700))
			c.make(t, dir)
			s, err := Open(dir)
			if c.says == "" {
				if err != nil || len(s.List()) != 1 {
					t.Errorf("error %v", err)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if s.Trusted("/p", nil) || len(s.List()) != 0 {
				t.Error("a refused store trusts")
			}
			if err := s.Add("/p", nil, noon); err == nil {
				t.Error("a refused store was written")
			}
		})
	}
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	dir := t.TempDir()
	must(t, open(t, dir).Add("/p", nil, noon))
	must(t, os.Chown(filepath.Join(dir, fileName), 4242, 4242))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("error %v", err)
	}
}

// Stores opened before each other's changes lose none of them.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	must(t, open(t, dir).Add("/withdrawn", nil, noon))
	var wait sync.WaitGroup
	for i := range 16 {
		s := open(t, dir)
		wait.Go(func() {
			if err := s.Add(filepath.Join("/p", string(rune('a'+i))), nil, noon); err != nil {
				t.Error(err)
			}
		})
	}
	s := open(t, dir)
	wait.Go(func() {
		if had, err := s.Remove("/withdrawn"); !had || err != nil {
			t.Errorf("remove: %v %v", had, err)
		}
	})
	wait.Wait()
	if list := open(t, dir).List(); len(list) != 16 {
		t.Errorf("%d approvals, want 16: %v", len(list), list)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"entries":[]}`))
	f.Add([]byte(`{"version":1,"entries":[{"path":"/p","sha256":"` + strings.Repeat("a", 64) + `","at":"2026-03-01T12:00:00Z"}]}`))
	f.Add([]byte(`{"version":1,"entries":[{"path":"p"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := (&Store{}).parse(raw)
		if err != nil && entries != nil {
			t.Error("entries came with an error")
		}
		for path, e := range entries {
			if path != e.Path || !filepath.IsAbs(path) || !isDigest(e.SHA256) {
				t.Errorf("entry %+v", e)
			}
		}
	})
}

func linkStore(text string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		put(t, dir+".json", text, 0o600)
		must(t, os.Symlink(dir+".json", filepath.Join(dir, fileName)))
	}
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	must(t, os.Chmod(path, mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
