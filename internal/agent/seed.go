package agent

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Seed puts the agent's files into its kept directories, which exist. A box writes
// there: nothing is followed out of them, and what lies in the way is replaced. The
// settings are the person's again at each start, whatever an earlier box has made of
// them; session is a name that no other box has.
func (u *Use) Seed(session string) (notes []string, err error) {
	for i := range u.Files {
		note, err := u.seed(&u.Files[i], session)
		if err != nil {
			return nil, fmt.Errorf("put ~/%s into the agent's directory: %w", u.Files[i].Name, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	for _, a := range u.Auth {
		// A place for what the box sees there: the file itself is made for each box.
		if err := u.place(a.Name, session, []byte("{}\n")); err != nil {
			return nil, fmt.Errorf("put ~/%s into the agent's directory: %w", a.Name, err)
		}
	}
	return notes, nil
}

func (u *Use) seed(f *File, session string) (note string, err error) {
	k, _ := u.kept(f.Name)
	root, err := u.open(k.Source)
	if err != nil {
		return "", err
	}
	defer root.Close()
	name := strings.TrimPrefix(f.Name, k.Name+"/")
	var text, own []byte
	if f.Once || f.Copy == "" {
		own = readIn(root, name)
	}
	if f.Copy != "" && own == nil {
		text, err = u.read(f.Copy)
		if err != nil && !missing(err) {
			note = "~/" + f.Copy + " is not copied: " + err.Error()
		}
		if text != nil && f.fields != nil {
			if text, err = only(f.Copy, text, f.fields); err != nil {
				note = "~/" + f.Copy + " is not copied: " + err.Error()
			}
		}
	}
	if own != nil {
		text = own
	}
	if len(f.set) > 0 {
		doc, err := parse(text)
		if err != nil {
			doc = document{}
		}
		for _, w := range f.set {
			doc.set(w.key, jsonValue(w.value))
		}
		text = doc.text()
	}
	if text == nil {
		if f.Once {
			return note, nil
		}
		// The person has none, so the agent starts without one.
		return note, root.RemoveAll(name)
	}
	if own != nil && bytes.Equal(own, text) {
		return note, nil
	}
	return note, u.write(root, name, session, text)
}

// only are the fields of a settings file that are copied: what is not named may run
// programs or hold secrets.
func only(name string, text []byte, fields []string) ([]byte, error) {
	if path.Ext(name) == ".toml" {
		return onlyTOML(text, fields)
	}
	doc, err := parse(text)
	if err != nil {
		return nil, err
	}
	return doc.pick(fields).text(), nil
}

// place makes a regular file where there is none.
func (u *Use) place(name, session string, text []byte) error {
	k, _ := u.kept(name)
	root, err := u.open(k.Source)
	if err != nil {
		return err
	}
	defer root.Close()
	name = strings.TrimPrefix(name, k.Name+"/")
	if info, err := root.Lstat(name); err == nil && info.Mode().IsRegular() {
		return nil
	}
	return u.write(root, name, session, text)
}

// open opens a kept directory, for root without leaving the account's home.
func (u *Use) open(dir string) (*os.Root, error) {
	if !u.foreign {
		return os.OpenRoot(dir)
	}
	home, err := os.OpenRoot(u.home)
	if err != nil {
		return nil, err
	}
	defer home.Close()
	return home.OpenRoot(strings.TrimPrefix(strings.TrimPrefix(dir, u.home), "/"))
}

// readIn reads what an earlier box has left; nil for nothing that counts.
func readIn(root *os.Root, name string) []byte {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := readSmall(f)
	if err != nil {
		return nil
	}
	return b
}

// write replaces a file in one step.
func (u *Use) write(root *os.Root, name, session string, text []byte) error {
	if dir := path.Dir(name); dir != "." {
		if info, err := root.Stat(dir); err != nil || !info.IsDir() {
			for d := dir; d != "."; d = path.Dir(d) {
				if info, err := root.Lstat(d); err == nil && !info.IsDir() {
					root.Remove(d)
				}
			}
			if err := root.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			for d := dir; u.foreign && d != "."; d = path.Dir(d) {
				if err := root.Lchown(d, u.uid, u.gid); err != nil {
					return err
				}
			}
		}
	}
	temp := name + ".bailey-" + session
	root.RemoveAll(temp)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && u.foreign {
		err = f.Chown(u.uid, u.gid)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		if info, statErr := root.Lstat(name); statErr == nil && info.Mode()&fs.ModeType == fs.ModeDir {
			err = root.RemoveAll(name)
		}
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
	}
	return err
}
