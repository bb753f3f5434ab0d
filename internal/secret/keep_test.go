package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeRing is a keyring in memory.
type fakeRing map[string]string

func (r fakeRing) set(_ context.Context, name string, v Value) error {
	r[name] = string(v.Reveal())
	return nil
}

func (r fakeRing) get(_ context.Context, name string) (Value, error) {
	v, ok := r[name]
	if !ok {
		return Value{}, fs.ErrNotExist
	}
	return NewValue([]byte(v)), nil
}

func (r fakeRing) remove(_ context.Context, name string) error {
	if _, ok := r[name]; !ok {
		return fs.ErrNotExist
	}
	delete(r, name)
	return nil
}

// noRing is a machine without a keyring.
type noRing struct{}

func (noRing) set(context.Context, string, Value) error          { return errNoKeyring }
func (noRing) get(context.Context, string) (Value, error)        { return Value{}, errNoKeyring }
func (noRing) remove(_ context.Context, name string) (err error) { return errNoKeyring }

func answer(pass string, asked *int) func(bool) (Value, error) {
	return func(bool) (Value, error) {
		*asked++
		return NewValue([]byte(pass)), nil
	}
}

func TestKeep(t *testing.T) {
	ctx := context.Background()
	asked := 0
	for name, k := range map[string]*Keep{
		"keyring":    {ring: fakeRing{}},
		"passphrase": {ring: noRing{}, Ask: answer("a passphrase", &asked)},
		"key file":   {ring: noRing{}, KeyFile: true},
	} {
		t.Run(name, func(t *testing.T) {
			k.Dir = filepath.Join(t.TempDir(), "bailey")
			if items, err := k.List(); err != nil || len(items) != 0 {
				t.Fatal(items, err)
			}
			if _, err := k.Get(ctx, "a"); err == nil || !strings.Contains(err.Error(), "it is not stored") {
				t.Error(err)
			}
			for name, v := range map[string]string{"a": otherValue, "b": otherValue, "c": tokenValue} {
				if _, err := k.Set(ctx, name, NewValue([]byte(v))); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := k.Set(ctx, "a", NewValue([]byte(tokenValue))); err != nil {
				t.Fatal(err)
			}
			if v, err := k.Get(ctx, "a"); err != nil || string(v.Reveal()) != tokenValue {
				t.Error("not what was set", err)
			}
			if had, err := k.Remove(ctx, "c"); err != nil || !had {
				t.Error(had, err)
			}
			if had, err := k.Remove(ctx, "c"); err != nil || had {
				t.Error(had, err)
			}
			items, err := k.List()
			if err != nil || len(items) != 2 || items[0].Name != "a" || items[1].Name != "b" {
				t.Error(items, err)
			}
			if _, err := k.Set(ctx, "short", NewValue([]byte("abc"))); err == nil {
				t.Error("a short value is stored")
			}
			// No value lies on the disk in any form, and nobody else may read.
			entries, err := os.ReadDir(k.Dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				raw, err := os.ReadFile(filepath.Join(k.Dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range []string{tokenValue, otherValue} {
					for how, form := range disguises(v) {
						if bytes.Contains(raw, []byte(form)) {
							t.Errorf("%s holds a value (%s)", e.Name(), how)
						}
					}
				}
				if info, _ := e.Info(); info.Mode().Perm()&0o077 != 0 {
					t.Errorf("%s has mode %v", e.Name(), info.Mode())
				}
			}
		})
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestMoved: a value that is set anew elsewhere does not stay where it was.
func TestMoved(t *testing.T) {
	ctx := context.Background()
	ring := fakeRing{}
	k := &Keep{Dir: t.TempDir(), ring: ring}
	set := func(want string) {
		t.Helper()
		if where, err := k.Set(ctx, "a", NewValue([]byte(tokenValue))); err != nil || where != want {
			t.Fatal(where, err)
		}
		if v, err := k.Get(ctx, "a"); err != nil || string(v.Reveal()) != tokenValue {
			t.Error("not what was set", err)
		}
	}
	set(InKeyring)
	k.KeyFile = true
	set(InFile)
	if len(ring) != 0 {
		t.Error("the value stays in the keyring")
	}
	k.KeyFile = false
	set(InKeyring)
	if _, err := k.getFile("a"); err == nil {
		t.Error("the value stays in the file")
	}
}

func TestSealed(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	n := 0
	k := &Keep{Dir: dir, ring: noRing{}, Ask: answer("right", &n)}
	if _, err := k.Set(ctx, "a", NewValue([]byte(tokenValue))); err != nil {
		t.Fatal(err)
	}
	get := func(pass string) error {
		k := &Keep{Dir: dir, ring: noRing{}, Ask: answer(pass, &n)}
		_, err := k.Get(ctx, "a")
		return err
	}
	if err := get("right"); err != nil {
		t.Error(err)
	}
	if err := get("wrong"); err == nil || !strings.Contains(err.Error(), "does not open") {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := (&Keep{Dir: dir, ring: noRing{}}).getErr(ctx); err == nil || !strings.Contains(err.Error(), "no terminal") {
		t.Errorf("nobody to ask: %v", err)
	}
	path := filepath.Join(dir, sealedName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(s *sealed){
		"box":     func(s *sealed) { s.Box[3] ^= 1 },
		"nonce":   func(s *sealed) { s.Nonce[3] ^= 1 },
		"salt":    func(s *sealed) { s.Salt[3] ^= 1 },
		"key":     func(s *sealed) { s.Key = "file" },
		"version": func(s *sealed) { s.Version = 2 },
		"weak":    func(s *sealed) { s.N = 2 },
		"work":    func(s *sealed) { s.N = 1 << 30 },
	} {
		var s sealed
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		changed, _ := json.Marshal(s)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := get("right"); err == nil {
			t.Errorf("a changed %s is not noticed", what)
		}
	}
	os.WriteFile(path, raw, 0o600)
	os.Chmod(path, 0o644)
	if err := get("right"); err == nil {
		t.Error("a file that others may read is used")
	}
	os.Rename(path, path+"2")
	os.Symlink(path+"2", path)
	if err := get("right"); err == nil {
		t.Error("a symbolic link is followed")
	}
}

func (k *Keep) getErr(ctx context.Context) error {
	_, err := k.Get(ctx, "a")
	return err
}

func FuzzSealed(f *testing.F) {
	f.Add([]byte(`{"version":1,"key":"scrypt","n":65536,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","nonce":"AAAAAAAAAAAAAAAA","box":"AAAA"}`))
	f.Add([]byte(`{"version":1,"key":"file","nonce":"AAAAAAAAAAAAAAAA","box":""}`))
	dir := f.TempDir()
	os.WriteFile(filepath.Join(dir, keyName), make([]byte, 32), 0o600)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(filepath.Join(dir, sealedName), raw, 0o600); err != nil {
			t.Skip(err)
		}
		k := &Keep{Dir: dir, ring: noRing{}}
		k.getFile("a")
	})
}
