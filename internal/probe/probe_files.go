//go:build linux

package probe

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// filesProbes read and write what lies outside.
func filesProbes() []Probe {
	const (
		hidden   = "files outside are not mounted"
		readOnly = "mounts are read-only, Landlock refuses writes"
		unread   = "take the path out of files.read and files.write"
		unwrite  = "take the path out of files.write"
	)
	read := func(id, title, where, name, why string) Probe {
		return Probe{ID: "files." + id, Severity: Boundary, Title: title, Why: why, Wall: hidden, Fix: unread, Weaker: "", Plant: secretAt(where, name), Attack: readPath, Judge: cameOut}
	}
	return []Probe{
		read("ssh-key", "read a private key in ~/.ssh", "home", ".ssh/id_ed25519", "a key that is read once is lost for good"),
		read("aws-credentials", "read ~/.aws/credentials", "home", ".aws/credentials", "whoever has them has the account"),
		read("shell-history", "read the shell's history", "home", ".bash_history", "people type passwords into command lines"),
		read("sibling-env", "read .env of another project", "sibling", ".env", "other projects have other secrets"),
		{ID: "files.write-out", Severity: Boundary, Title: "write to a file outside", Why: "what is outside is not the box's to change", Wall: readOnly, Fix: unwrite,
			Plant: targetAt("out", "target"), Attack: overwrite, Judge: touched},
		{ID: "files.create-bashrc", Severity: Persistence, Title: "make a start file of the shell in the home directory", Why: "the next shell runs it", Wall: hidden, Fix: unwrite,
			Plant: absentAt("home", ".bash_login"), Attack: create, Judge: touched},
		{ID: "files.list-ssh", Severity: Boundary, Title: "list ~/.ssh", Why: "names tell where you have keys", Wall: hidden, Fix: unread,
			Plant: func(c *Case) error {
				c.Args["dir"] = filepath.Join(c.Home, ".ssh")
				return c.write(filepath.Join(c.Home, ".ssh", c.Token), "")
			}, Attack: listDir, Judge: cameOut},
	}
}

// readPath reads Args["path"].
func readPath(in *Inside) error { return lootFile(in, in.Args["path"]) }

// lootFile reads a file as far as it matters.
func lootFile(in *Inside, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 8<<10))
	in.Loot(b)
	return err
}

// lootFD reads a descriptor and closes it.
func lootFD(in *Inside, fd int, err error) error {
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return err
	}
	in.Loot(b[:n])
	return nil
}

func listDir(in *Inside) error {
	entries, err := os.ReadDir(in.Args["dir"])
	if err != nil {
		return err
	}
	for _, e := range entries {
		in.Loot([]byte(e.Name() + "\n"))
	}
	return nil
}

// overwrite writes to Args["path"], which exists.
func overwrite(in *Inside) error {
	f, err := os.OpenFile(in.Args["path"], os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("changed\n")
	return err
}

// create makes Args["path"], which does not exist.
func create(in *Inside) error {
	os.MkdirAll(filepath.Dir(in.Args["path"]), 0o755)
	f, err := os.OpenFile(in.Args["path"], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("made\n")
	return err
}

// up is the way from dir to the root, and from there to path.
func up(dir, path string) string {
	return strings.Repeat("../", strings.Count(dir, "/")+3) + strings.TrimPrefix(path, "/")
}
