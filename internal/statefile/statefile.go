// Package statefile keeps the small files in which bailey remembers what a person
// decided. A file that somebody else could have written is an error, never empty;
// it is replaced in one step, by one process at a time.
package statefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is one such file in bailey's own state directory.
type File struct {
	Dir  string // absolute; made when something is written
	Name string
	What string // what it is called in messages, as in "trust store"
	Lost string // what a person does when it is gone, as in "trust your files again"
	Max  int    // the greatest size that is read or written, in bytes
}

// Error says why a file is refused. Nothing in a refused file counts.
type Error struct {
	What    string
	Path    string
	Problem string
	Hint    string
}

// Error prints the path, the problem and what to do.
func (e *Error) Error() string {
	return e.What + " " + e.Path + ": " + e.Problem + "; " + e.Hint
}

// Path is where the file is.
func (f *File) Path() string { return filepath.Join(f.Dir, f.Name) }

// Broken is the error for content that cannot be understood.
func (f *File) Broken(problem string) error {
	return &Error{f.What, f.Path(), problem, "nothing in it counts; remove it and " + f.Lost}
}

// Read returns the content; nil when there is no file.
func (f *File) Read() ([]byte, error) {
	if !filepath.IsAbs(f.Dir) {
		return nil, fmt.Errorf("open %s: %q is not an absolute path", f.What, f.Dir)
	}
	if err := f.checkDir(); err != nil {
		return nil, err
	}
	file, err := f.open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, int64(f.Max)+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.What, err)
	}
	if len(raw) > f.Max {
		return nil, f.Broken(fmt.Sprintf("larger than %d bytes", f.Max))
	}
	return raw, nil
}

// Change replaces the content by what edit makes of it, with every other bailey
// kept out meanwhile, so that what was taken back does not come back. An error of
// edit changes nothing.
func (f *File) Change(edit func(old []byte) ([]byte, error)) error {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return fmt.Errorf("make %s: %w", f.What, err)
	}
	if err := f.checkDir(); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(f.Dir, lockName(f.Name)))
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.What, err)
	}
	defer unlock()
	old, err := f.Read()
	if err != nil {
		return err
	}
	raw, err := edit(old)
	if err != nil {
		return err
	}
	if len(raw) > f.Max {
		return fmt.Errorf("write %s: it would be larger than %d bytes; take back what is no longer needed", f.What, f.Max)
	}
	return f.write(raw)
}

// lockName is trust.lock for trust.json.
func lockName(name string) string { return name[:len(name)-len(filepath.Ext(name))] + ".lock" }

// write replaces the file in one step: a reader sees the old or the new one.
func (f *File) write(raw []byte) (err error) {
	file, err := os.CreateTemp(f.Dir, f.Name+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", f.What, err)
	}
	defer func() {
		if err != nil {
			file.Close()
			os.Remove(file.Name())
			err = fmt.Errorf("write %s: %w", f.What, err)
		}
	}()
	if _, err = file.Write(raw); err != nil {
		return err
	}
	if err = file.Sync(); err != nil {
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), f.Path())
}

// replaced says that a file's name was given to another file between two looks.
const replaced = "it was replaced while it was opened"

// openTries is how often a file is looked at anew when another writer replaces
// it meanwhile. A hundred writers at once do not need more.
const openTries = 100

// open opens a regular file that is no link and that only its owner may write.
func (f *File) open() (*os.File, error) {
	for try := 1; ; try++ {
		file, err := f.openOnce()
		if e, ok := err.(*Error); !ok || e.Problem != replaced || try == openTries {
			return file, err
		}
	}
}

func (f *File) openOnce() (*os.File, error) {
	path := f.Path()
	before, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.What, err)
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		return nil, &Error{f.What, path, "it is a symbolic link", "remove it and " + f.Lost}
	}
	if !before.Mode().IsRegular() {
		return nil, &Error{f.What, path, "not a regular file", "remove it and " + f.Lost}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.What, err)
	}
	// The name may have been given to another file since.
	info, err := file.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = &Error{f.What, path, replaced, "try again"}
	}
	if err == nil {
		err = f.checkWriters(path, info)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// checkDir refuses a state directory that is not the caller's alone to write.
func (f *File) checkDir() error {
	info, err := os.Lstat(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", f.What, err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return &Error{f.What, f.Dir, "the directory is a symbolic link", "remove the link and make a directory in its place"}
	}
	if !info.IsDir() {
		return &Error{f.What, f.Dir, "not a directory", "move it away"}
	}
	return f.checkWriters(f.Dir, info)
}

// checkWriters refuses a file or directory that anybody but its owner may write,
// or that belongs to somebody else.
func (f *File) checkWriters(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return &Error{f.What, path, fmt.Sprintf("others may write it (mode %04o)", info.Mode().Perm()), "look at what it holds, then: chmod go-w " + path}
	}
	if !ownedByCaller(info) {
		return &Error{f.What, path, "it belongs to another user", "remove it, or run bailey as its owner"}
	}
	return nil
}
