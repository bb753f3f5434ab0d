package layers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	os.WriteFile(at("good"), []byte("x = 1\n"), 0o644)
	os.WriteFile(at("large"), []byte(strings.Repeat("#\n", maxFile)), 0o644)
	os.Mkdir(at("dir"), 0o755)
	os.Symlink("good", at("link"))
	os.Symlink("gone", at("dangling"))
	os.Symlink("dir", at("linked"))
	if err := syscall.Mkfifo(at("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"good", "link"} {
		if b, err := Read(at(name)); err != nil || string(b) != "x = 1\n" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	for _, name := range []string{"missing", "good/below", "missing/below", "linked/missing"} {
		if _, err := Read(at(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	begin := time.Now()
	for _, name := range []string{"large", "dir", "pipe", "dangling", "dangling/config.toml"} {
		if _, err := Read(at(name)); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read("/dev/zero"); err == nil {
		t.Error("a device was read")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("waited %v", took)
	}
}

func TestLookRefuses(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "missing"), "a\x00b", "/dev/null"} {
		if _, err := Look(dir, ""); err == nil {
			t.Errorf("%q was accepted", dir)
		}
	}
}
