package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	fileName = "trust.json"
	lockName = "trust.lock"
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

func (s *Store) read() (map[string]Entry, error) {
	if err := checkDir(s.dir); err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, fileName)
	file, err := openPlain(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]Entry{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxStore+1))
	if err != nil {
		return nil, fmt.Errorf("read trust store: %w", err)
	}
	return parse(path, raw)
}

// replaced says that a file's name was given to another file between two looks.
const replaced = "it was replaced while it was opened"

// openTries is how often a store is looked at anew when another writer replaces
// it meanwhile. A hundred writers at once do not need more.
const openTries = 100

// openPlain opens a regular file that is no link and that only its owner may
// write.
func openPlain(path string) (*os.File, error) {
	for try := 1; ; try++ {
		file, err := openOnce(path)
		if e, ok := err.(*Error); !ok || e.Problem != replaced || try == openTries {
			return file, err
		}
	}
}

func openOnce(path string) (*os.File, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read trust store: %w", err)
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, &Error{path, "it is a symbolic link", "remove it and trust your files again"}
	}
	if !before.Mode().IsRegular() {
		return nil, &Error{path, "not a regular file", "remove it and trust your files again"}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read trust store: %w", err)
	}
	// The name may have been given to another file since.
	info, err := file.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = &Error{path, replaced, "try again"}
	}
	if err == nil {
		err = checkWriters(path, info)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// parse understands a store fully or not at all.
func parse(path string, raw []byte) (map[string]Entry, error) {
	corrupt := func(problem string) (map[string]Entry, error) {
		return nil, &Error{path, problem, "nothing in it counts; remove it and trust your files again"}
	}
	if len(raw) > maxStore {
		return corrupt(fmt.Sprintf("larger than %d bytes", maxStore))
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var c content
	if err := dec.Decode(&c); err != nil {
		return corrupt("cannot be understood: " + err.Error())
	}
	if _, err := dec.Token(); err != io.EOF {
		return corrupt("holds more than one value")
	}
	if c.Version != version {
		return corrupt(fmt.Sprintf("has version %d, not %d", c.Version, version))
	}
	entries := make(map[string]Entry, len(c.Entries))
	for _, e := range c.Entries {
		if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path || !isDigest(e.SHA256) {
			return corrupt(fmt.Sprintf("has a broken entry for %q", e.Path))
		}
		if _, twice := entries[e.Path]; twice {
			return corrupt(fmt.Sprintf("has two entries for %q", e.Path))
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

// write replaces the store in one step: a reader sees the old or the new one.
func (s *Store) write(entries map[string]Entry) (err error) {
	c := content{Version: version, Entries: (&Store{entries: entries}).List()}
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write trust store: %w", err)
	}
	if len(raw) >= maxStore {
		return fmt.Errorf("write trust store: it would be larger than %d bytes; withdraw approvals that are no longer needed", maxStore)
	}
	file, err := os.CreateTemp(s.dir, fileName+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write trust store: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
			err = fmt.Errorf("write trust store: %w", err)
		}
	}()
	if _, err = file.Write(append(raw, '\n')); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), filepath.Join(s.dir, fileName))
}
