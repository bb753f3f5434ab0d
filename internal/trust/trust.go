// Package trust remembers which policy files a person has read and approved: the
// exact content of a file, at its absolute path. A changed file is untrusted again.
package trust

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"time"

	"github.com/bailey-run/bailey/internal/statefile"
)

// Entry is one approval.
type Entry struct {
	Path   string    `json:"path"`   // absolute
	SHA256 string    `json:"sha256"` // of the whole content, in hex
	At     time.Time `json:"at"`     // when the person said so
}

const (
	fileName = "trust.json"
	version  = 1

	// maxStore is the greatest store that is read, in bytes: some 40,000
	// approvals. A greater one is refused.
	maxStore = 8 << 20
)

// content is the form of the store on disk.
type content struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// Store is the set of approvals in one state directory. It holds what Open read:
// a policy is loaded against one state of mind. Add and Remove write through.
type Store struct {
	file    statefile.File
	entries map[string]Entry
}

// Error says why a trust store is refused. Nothing in a refused store counts.
type Error = statefile.Error

// Open reads the store in dir, which is bailey's own state directory. A store that
// does not exist trusts nothing. One that is a symbolic link, that somebody else
// could have written, or that cannot be understood, is an *Error.
func Open(dir string) (*Store, error) {
	s := &Store{file: statefile.File{Dir: filepath.Clean(dir), Name: fileName, What: "trust store", Lost: "trust your files again", Max: maxStore}}
	raw, err := s.file.Read()
	if err == nil {
		s.entries, err = s.parse(raw)
	}
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

// change edits the newest state.
func (s *Store) change(edit func(map[string]Entry)) error {
	var entries map[string]Entry
	err := s.file.Change(func(old []byte) (raw []byte, err error) {
		if entries, err = s.parse(old); err != nil {
			return nil, err
		}
		edit(entries)
		raw, err = json.MarshalIndent(content{Version: version, Entries: (&Store{entries: entries}).List()}, "", "  ")
		return append(raw, '\n'), err
	})
	if err == nil {
		s.entries = entries
	}
	return err
}

// parse understands a store fully or not at all.
func (s *Store) parse(raw []byte) (map[string]Entry, error) {
	if raw == nil {
		return map[string]Entry{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var c content
	if err := dec.Decode(&c); err != nil {
		return nil, s.file.Broken("cannot be understood: " + err.Error())
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, s.file.Broken("holds more than one value")
	}
	if c.Version != version {
		return nil, s.file.Broken(fmt.Sprintf("has version %d, not %d", c.Version, version))
	}
	entries := make(map[string]Entry, len(c.Entries))
	for _, e := range c.Entries {
		if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path || !isDigest(e.SHA256) {
			return nil, s.file.Broken(fmt.Sprintf("has a broken entry for %q", e.Path))
		}
		if _, twice := entries[e.Path]; twice {
			return nil, s.file.Broken(fmt.Sprintf("has two entries for %q", e.Path))
		}
		entries[e.Path] = e
	}
	return entries, nil
}

func isDigest(text string) bool {
	if len(text) != 64 {
		return false
	}
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
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
