// Package trust remembers which policy files a person has read and approved: the
// exact content of a file, at its absolute path. A changed file is untrusted again.
package trust

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// Entry is one approval.
type Entry struct {
	Path   string    `json:"path"`   // absolute
	SHA256 string    `json:"sha256"` // of the whole content, in hex
	At     time.Time `json:"at"`     // when the person said so
}

// Store is the set of approvals in one state directory. It holds what Open read:
// a policy is loaded against one state of mind. Add and Remove write through.
type Store struct {
	dir     string
	entries map[string]Entry
}

// Error says why a trust store is refused. Nothing in a refused store counts.
type Error struct {
	Path    string
	Problem string
	Hint    string
}

// Error prints the path, the problem and what to do.
func (e *Error) Error() string {
	return "trust store " + e.Path + ": " + e.Problem + "; " + e.Hint
}

// Open reads the store in dir, which is bailey's own state directory. A store that
// does not exist trusts nothing. One that is a symbolic link, that somebody else
// could have written, or that cannot be understood, is an *Error.
func Open(dir string) (*Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("open trust store: %q is not an absolute path", dir)
	}
	s := &Store{dir: filepath.Clean(dir)}
	var err error
	s.entries, err = s.read()
	return s, err
}

// Trusted reports whether a person approved exactly this content at this path. A
// nil store trusts nothing.
func (s *Store) Trusted(path string, content []byte) bool {
	if s == nil {
		return false
	}
	e, ok := s.entries[filepath.Clean(path)]
	return ok && e.SHA256 == digest(content)
}

// Add approves the content of the file at path, in place of what was approved
// there before.
func (s *Store) Add(path string, content []byte, at time.Time) error {
	path, err := clean(path)
	if err != nil {
		return fmt.Errorf("trust file: %w", err)
	}
	return s.change(func(entries map[string]Entry) {
		entries[path] = Entry{Path: path, SHA256: digest(content), At: at.UTC().Round(0)}
	})
}

// Remove takes the approval of the file at path back. It reports whether there was
// one.
func (s *Store) Remove(path string) (bool, error) {
	path, err := clean(path)
	if err != nil {
		return false, fmt.Errorf("withdraw trust: %w", err)
	}
	had := false
	err = s.change(func(entries map[string]Entry) {
		_, had = entries[path]
		delete(entries, path)
	})
	return had && err == nil, err
}

// List returns every approval, by path.
func (s *Store) List() []Entry {
	list := make([]Entry, 0, len(s.entries))
	for _, e := range s.entries {
		list = append(list, e)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list
}

// change reads the newest state, changes it and writes it back, with every other
// bailey kept out meanwhile, so that a withdrawn approval does not come back.
func (s *Store) change(edit func(map[string]Entry)) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make trust store: %w", err)
	}
	if err := checkDir(s.dir); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(s.dir, lockName))
	if err != nil {
		return fmt.Errorf("lock trust store: %w", err)
	}
	defer unlock()
	entries, err := s.read()
	if err != nil {
		return err
	}
	edit(entries)
	if err := s.write(entries); err != nil {
		return err
	}
	s.entries = entries
	return nil
}

func clean(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%q is not an absolute path", path)
	}
	return filepath.Clean(path), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// checkDir refuses a state directory that is not the caller's alone to write.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read trust store: %w", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return &Error{dir, "the directory is a symbolic link", "remove the link and make a directory in its place"}
	}
	if !info.IsDir() {
		return &Error{dir, "not a directory", "move it away"}
	}
	return checkWriters(dir, info)
}

// checkWriters refuses a file or directory that anybody but its owner may write,
// or that belongs to somebody else.
func checkWriters(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return &Error{path, fmt.Sprintf("others may write it (mode %04o)", info.Mode().Perm()), "look at what it holds, then: chmod go-w " + path}
	}
	if !ownedByCaller(info) {
		return &Error{path, "it belongs to another user", "remove it, or run bailey as its owner"}
	}
	return nil
}
