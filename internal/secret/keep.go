package secret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Keep is where bailey secret set puts values: the keyring of the operating
// system, or an encrypted file where there is none. An index in the same
// directory lists names, times and places, never values, because a keyring
// cannot be listed.
type Keep struct {
	// Dir is bailey's own directory of the person, made when it is not there.
	Dir string
	// Ask asks for the passphrase of the encrypted file; again says that it will
	// be a new one, to be typed twice. nil: there is nobody to ask.
	Ask func(again bool) (Value, error)
	// KeyFile lets a new encrypted file have a key in a file beside it in place
	// of a passphrase. See docs/secrets.md for what little that protects.
	KeyFile bool
	// File puts values into the encrypted file also where there is a keyring.
	File bool

	ring ring // nil for the operating system's
	file cachedFile
}

// The places where a value is kept.
const (
	InKeyring = "keyring"
	InFile    = "file"
)

// Item is a line of the index.
type Item struct {
	Name  string    `json:"name"`
	Where string    `json:"where"` // InKeyring or InFile
	At    time.Time `json:"at"`    // when the value was set
}

const (
	indexName = "secrets.json"
	lockName  = "secrets.lock"
	// maxIndex is the greatest index or encrypted file that is read, in bytes:
	// 64 times what all secrets of one box can hold. A greater one is refused.
	maxIndex = 32 << 20
)

// index is the form of the index on disk.
type index struct {
	Version int    `json:"version"`
	Items   []Item `json:"secrets"`
}

// Set keeps a value and says where.
func (k *Keep) Set(ctx context.Context, name string, v Value) (where string, err error) {
	if !ValidName(name) {
		return "", &Error{Name: name, Problem: errName.Error(), Hint: "give it another name"}
	}
	if problem, hint := check(v.Reveal()); problem != "" {
		return "", &Error{Name: name, Problem: problem, Hint: hint}
	}
	if _, err := Placeholder(v.Reveal()); err != nil {
		return "", &Error{Name: name, Problem: "its value cannot be replaced", Hint: "use a longer token", Err: err}
	}
	unlock, err := k.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	items, err := k.List()
	if err != nil {
		return "", err
	}
	where, err = InKeyring, errNoKeyring
	if !k.File && !k.KeyFile {
		err = k.keyring().set(ctx, name, v)
	}
	if errors.Is(err, errNoKeyring) {
		where = InFile
		err = k.setFile(name, v)
	}
	if err != nil {
		return "", &Error{Name: name, Problem: "it cannot be stored", Hint: hintOf(err), Err: err}
	}
	was := slices.IndexFunc(items, func(i Item) bool { return i.Name == name })
	if was >= 0 {
		// A value that was put elsewhere before must not stay there.
		if items[was].Where == where {
			err = nil
		} else if where == InKeyring {
			err = k.removeFile(name)
		} else if err = k.keyring().remove(ctx, name); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		if err != nil {
			return "", &Error{Name: name, Problem: "its former value stays in the " + items[was].Where, Hint: hintOf(err), Err: err}
		}
		items = slices.Delete(items, was, was+1)
	}
	return where, k.write(append(items, Item{name, where, time.Now().UTC().Truncate(time.Second)}))
}

// Get reads a value.
func (k *Keep) Get(ctx context.Context, name string) (Value, error) {
	items, err := k.List()
	if err != nil {
		return Value{}, err
	}
	i := slices.IndexFunc(items, func(i Item) bool { return i.Name == name })
	if i < 0 {
		return Value{}, &Error{Name: name, Problem: "it is not stored", Hint: "bailey secret set " + name}
	}
	if items[i].Where == InFile {
		return k.getFile(name)
	}
	return k.keyring().get(ctx, name)
}

// Remove forgets a value, and says whether there was one.
func (k *Keep) Remove(ctx context.Context, name string) (bool, error) {
	unlock, err := k.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	items, err := k.List()
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(items, func(i Item) bool { return i.Name == name })
	if i < 0 {
		return false, nil
	}
	if items[i].Where == InFile {
		err = k.removeFile(name)
	} else if err = k.keyring().remove(ctx, name); errors.Is(err, fs.ErrNotExist) {
		err = nil // somebody was faster, with another program
	}
	if err != nil {
		return false, &Error{Name: name, Problem: "it cannot be removed", Hint: hintOf(err), Err: err}
	}
	return true, k.write(slices.Delete(items, i, i+1))
}

// List is what is stored, by name.
func (k *Keep) List() ([]Item, error) {
	var x index
	raw, err := readPlain(filepath.Join(k.Dir, indexName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read secrets: %w", err)
	}
	if err := strict(raw, &x); err != nil || x.Version != 1 {
		return nil, &Error{Name: "store", Problem: "its index cannot be understood", Hint: "remove " + filepath.Join(k.Dir, indexName) + " and set your secrets again", Err: err}
	}
	for _, i := range x.Items {
		if !ValidName(i.Name) || i.Where != InKeyring && i.Where != InFile {
			return nil, &Error{Name: "store", Problem: "its index has a broken entry", Hint: "remove " + filepath.Join(k.Dir, indexName) + " and set your secrets again"}
		}
	}
	slices.SortFunc(x.Items, func(a, b Item) int { return strings.Compare(a.Name, b.Name) })
	return x.Items, nil
}

func (k *Keep) write(items []Item) error {
	raw, err := json.MarshalIndent(index{1, items}, "", "  ")
	if err != nil {
		return err
	}
	return replace(filepath.Join(k.Dir, indexName), append(raw, '\n'))
}

func (k *Keep) keyring() ring {
	if k.ring != nil {
		return k.ring
	}
	return systemRing{}
}

// lock makes the directory, and waits for other writers.
func (k *Keep) lock() (func(), error) {
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of secrets: %w", err)
	}
	unlock, err := lock(filepath.Join(k.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lock secrets: %w", err)
	}
	return unlock, nil
}

// hintOf is the hint of the error that lies below, if it has one.
func hintOf(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Hint
	}
	return "look at what the error says"
}

// strict decodes one JSON value without unknown fields. Its error quotes nothing.
func strict(raw []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if dec.Decode(into) != nil {
		return errors.New("it is damaged")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows it")
	}
	return nil
}

// readPlain reads a file of the person's that nobody else may write, and that is
// no link.
func readPlain(path string) ([]byte, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 || !owned(info) {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("others than its owner may read or write it, or it is not yours")}
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err == nil && len(raw) > maxIndex {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("larger than %d bytes", maxIndex)}
	}
	return raw, err
}

// replace writes a file in one step: a reader sees the old or the new one.
func replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write secrets: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write secrets: %w", err)
		}
	}()
	if _, err = f.Write(content); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
