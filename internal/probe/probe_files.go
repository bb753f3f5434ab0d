//go:build linux

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What holds files, and what to do when it does not.
const (
	wallHidden   = "files outside are not mounted"
	wallReadOnly = "mounts are read-only, Landlock refuses writes"
	fixRead      = "take the path out of files.read and files.write"
	fixWrite     = "take the path out of files.write"
)

// filesProbes read and write what lies outside.
func filesProbes() []Probe {
	return concat(secretProbes(), hiddenProbes(), changeProbes(), startProbes(), setIDProbes())
}

func concat(lists ...[]Probe) []Probe {
	var all []Probe
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// secretProbes read what programs keep for a person, each where it really lies.
func secretProbes() []Probe {
	read := func(id, title, where, name, why string) Probe {
		return Probe{ID: "files." + id, Severity: Boundary, Title: title, Why: why, Wall: wallHidden, Fix: fixRead, Plant: secretAt(where, name), Attack: readPath, Judge: cameOut}
	}
	const account = "whoever has them has the account"
	return []Probe{
		read("ssh-key", "read a private key in ~/.ssh", "home", ".ssh/id_ed25519", "a key that is read once is lost for good"),
		read("gpg-key", "read a private key of GnuPG", "home", ".gnupg/private-keys-v1.d/0123.key", "it signs what others believe to be yours"),
		read("password-store", "read the password store", "home", ".password-store/bank.gpg", "one pass phrase is all that is left between an attacker and all passwords"),
		read("keyring", "read the desktop's keyring", "home", ".local/share/keyrings/login.keyring", "it can be opened at leisure elsewhere"),
		read("aws-credentials", "read ~/.aws/credentials", "home", ".aws/credentials", account),
		read("gcloud-credentials", "read the credentials of gcloud", "home", ".config/gcloud/application_default_credentials.json", account),
		read("azure-tokens", "read the tokens of az", "home", ".azure/msal_token_cache.json", account),
		read("kube-config", "read ~/.kube/config", "home", ".kube/config", "it opens the clusters you administer"),
		read("docker-config", "read ~/.docker/config.json", "home", ".docker/config.json", "it can push images under your name"),
		read("terraform-token", "read the tokens of terraform", "home", ".terraform.d/credentials.tfrc.json", account),
		read("netrc", "read ~/.netrc", "home", ".netrc", "it holds passwords in plain text"),
		read("git-credentials", "read ~/.git-credentials", "home", ".git-credentials", "it pushes to all your repositories"),
		read("gh-token", "read the token of gh", "home", ".config/gh/hosts.yml", "it pushes to all your repositories"),
		read("npm-token", "read the token in ~/.npmrc", "home", ".npmrc", "it publishes packages under your name"),
		read("pypi-token", "read the token in ~/.pypirc", "home", ".pypirc", "it publishes packages under your name"),
		read("cargo-token", "read the token of cargo", "home", ".cargo/credentials.toml", "it publishes packages under your name"),
		read("agent-token", "read the token of a coding agent", "home", ".claude/.credentials.json", "the agent's account is not the project's"),
		read("shell-history", "read the shell's history", "home", ".bash_history", "people type passwords into command lines"),
		read("database-history", "read the history of a database client", "home", ".psql_history", "people type passwords into command lines"),
		read("browser-cookies", "read a browser's cookies", "home", ".mozilla/firefox/prove.default/cookies.sqlite", "a session cookie is a login without a password"),
		read("browser-logins", "read a browser's stored passwords", "home", ".config/google-chrome/Default/Login Data", "they open everything else"),
		read("mail", "read mail", "home", ".thunderbird/prove.default/Mail/Inbox", "password resets come by mail"),
		read("sibling-env", "read .env of another project", "sibling", ".env", "other projects have other secrets"),
		read("sibling-git", "read a token in another project's git configuration", "sibling", ".git/config", "other projects have other secrets"),
		read("outside", "read a file by its full path", "out", "plain", "what the policy does not name is not the box's to read"),
		{ID: "files.host-tmp", Severity: Boundary, Title: "read a file in the host's /tmp", Why: "programs leave sockets, dumps and drafts there", Wall: "a /tmp of its own", Fix: fixRead,
			Plant: (*Case).HostTmp, Attack: readPath, Judge: cameOut},
	}
}

// hiddenProbes look at what is not a plain file in a known place.
func hiddenProbes() []Probe {
	p := func(id, title, why string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "files." + id, Severity: Boundary, Title: title, Why: why, Wall: wallHidden, Fix: fixRead, Plant: plant, Attack: attack, Judge: cameOut}
	}
	list := func(dir func(*Case) string) func(*Case) error {
		return func(c *Case) error {
			c.Args["dir"] = dir(c)
			return c.write(filepath.Join(dir(c), c.Token), "")
		}
	}
	root := func(p Probe) Probe { p.NeedsRoot = true; return p }
	size := p("stat", "ask for the size and times of a hidden file", "that a key is there, and how new it is, is worth knowing", func(c *Case) error {
		n, err := strconv.ParseUint(random(2), 16, 32)
		if err != nil {
			return err
		}
		c.Token = fmt.Sprintf("size-%d-", 100_000+n)
		c.Args["path"] = c.own(c.Home)
		return c.write(c.Args["path"], strings.Repeat("x", 100_000+int(n)))
	}, func(in *Inside) error {
		st, err := os.Stat(in.Args["path"])
		if err != nil {
			return err
		}
		in.Loot(fmt.Appendf(nil, "size-%d-", st.Size()))
		return nil
	})
	size.Severity, size.Weaker = Hardening, "exists, its size"
	watch := Probe{ID: "files.inotify", Severity: Hardening, Title: "watch a directory outside for changes", Why: "who sees when files change sees what a person does", Wall: wallHidden, Fix: fixRead, Weaker: "watched",
		Plant: func(c *Case) error {
			c.Args["path"] = c.own(c.Out)
			if err := os.Mkdir(c.Args["path"], 0o755); err != nil {
				return err
			}
			go func() { // somebody works there
				for {
					os.WriteFile(filepath.Join(c.Args["path"], c.Token), nil, 0o644)
					os.Remove(filepath.Join(c.Args["path"], c.Token))
					select {
					case <-c.ended:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			}()
			return nil
		},
		Attack: func(in *Inside) error {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			if err != nil {
				return err
			}
			if _, err := unix.InotifyAddWatch(fd, in.Args["path"], unix.IN_ALL_EVENTS); err != nil {
				return err
			}
			b := make([]byte, 4096)
			n, err := unix.Read(fd, b)
			if err != nil {
				return err
			}
			in.Loot(b[:n])
			return nil
		}, Judge: cameOut}
	return []Probe{
		p("list-home", "list the home directory", "names tell which programs have secrets", list(func(c *Case) string { return c.Home }), listDir),
		p("list-ssh", "list ~/.ssh", "names tell where you have keys", list(func(c *Case) string { return c.Home + "/.ssh" }), listDir),
		p("list-sibling", "list another project", "names tell what you work on", list(func(c *Case) string { return c.Sibling }), listDir),
		size, watch,
		p("victim-root", "read a file through /proc/PID/root of a process outside", "its root is the host's", victimSecret, func(in *Inside) error {
			return lootFile(in, fmt.Sprintf("/proc/%d/root%s", victimPID(in), in.Args["path"]))
		}),
		p("victim-cwd", "read a file through /proc/PID/cwd of a process outside", "its directory is not in the box", victimSecret, func(in *Inside) error {
			return lootFile(in, fmt.Sprintf("/proc/%d/cwd/%s", victimPID(in), filepath.Base(in.Args["path"])))
		}),
		p("any-root", "read a file through any process's root or directory in /proc", "one process outside is enough", victimSecret, func(in *Inside) error {
			entries, err := os.ReadDir("/proc")
			if err != nil {
				return err
			}
			err = errHeld
			for _, e := range entries {
				if e.Name() == "self" || e.Name() == "thread-self" || e.Name() == strconv.Itoa(os.Getpid()) {
					continue
				}
				for _, way := range []string{"root" + in.Args["path"], "cwd/" + filepath.Base(in.Args["path"])} {
					if e := lootFile(in, "/proc/"+e.Name()+"/"+way); e == nil {
						err = nil
					}
				}
			}
			return err
		}),
		rootCan(root(p("init-root", "read a file through /proc/1/root", "process 1 sees the whole machine", secretAt("out", "init"), func(in *Inside) error {
			return lootFile(in, "/proc/1/root"+in.Args["path"])
		})), func(*Case) error { _, err := os.Stat("/proc/1/root/"); return err }),
		root(p("file-handle", "open a file by its handle", "a handle leads to any file of the file system, whatever is mounted", handleOf, func(in *Inside) error {
			kind, _ := strconv.ParseInt(in.Args["kind"], 10, 32)
			dir, err := unix.Open(in.WS, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(dir)
			fd, err := unix.OpenByHandleAt(dir, unix.NewFileHandle(int32(kind), unlatin(in.Args["handle"])), unix.O_RDONLY)
			return lootFD(in, fd, err)
		})),
		root(Probe{ID: "files.shadow", Severity: Boundary, Title: "read /etc/shadow", Why: "it holds the password hashes of the machine", Wall: "files outside are not mounted, host uid 0 is not used", Fix: fixRead,
			Needs: needFile("/etc/shadow"), Attack: func(in *Inside) error { return readOne("/etc/shadow") }}),
		rootCan(root(Probe{ID: "files.disk", Severity: Boundary, Title: "read the disk through a device node of one's own", Why: "under all files lies the disk", Wall: "no capabilities, device nodes are refused", Fix: "run without host root",
			Needs: func(c *Case) string {
				var st unix.Stat_t
				if unix.Stat(c.WS, &st) != nil || unix.Major(st.Dev) == 0 {
					return "the scratch directory is on no disk of its own"
				}
				return ""
			},
			Plant: func(c *Case) error { c.Args["node"] = c.own(c.WS); return nil },
			Attack: func(in *Inside) error {
				return openDisk(in.WS, in.Args["node"])
			}}), func(c *Case) error { return openDisk(c.WS, c.own(c.Out)) }),
		root(Probe{ID: "files.kernel-log", Severity: Hardening, Title: "open the kernel's log through a device node of one's own", Why: "it tells addresses and what others do", Wall: "no capabilities, device nodes are refused", Fix: "run without host root",
			Plant: func(c *Case) error { c.Args["node"] = c.own(c.WS); return nil },
			Attack: func(in *Inside) error {
				if err := unix.Mknod(in.Args["node"], unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))); err != nil {
					return err
				}
				defer os.Remove(in.Args["node"])
				fd, err := unix.Open(in.Args["node"], unix.O_RDONLY|unix.O_NONBLOCK, 0)
				unix.Close(fd)
				return err
			}}),
	}
}

const notEvenRoot = "this machine does not let root do it without walls either: "

// rootCan keeps a probe for machines where root can do without walls what an
// ordinary user cannot: in a container root may not either.
func rootCan(p Probe, do func(*Case) error) Probe {
	needs := p.Needs
	p.Needs = func(c *Case) string {
		if needs != nil {
			if why := needs(c); why != "" {
				return why
			}
		}
		if os.Geteuid() == 0 {
			if err := do(c); err != nil {
				return notEvenRoot + err.Error()
			}
		}
		return ""
	}
	return p
}

// openDisk makes a node for the disk that dir lies on and reads a byte of it.
func openDisk(dir, node string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(st.Dev)); err != nil {
		return err
	}
	defer os.Remove(node)
	return readOne(node)
}

// openDevice opens one of the devices that do nothing when they are opened. Others
// do: a watchdog restarts the machine.
func openDevice() error {
	last := errHeld
	for _, name := range [...]string{"kmsg", "mem", "port", "kvm", "fuse", "net/tun", "loop-control", "loop0", "sda", "vda", "nvme0n1", "hwrng", "input/event0", "uinput", "autofs", "btrfs-control"} {
		fd, err := unix.Open("/dev/"+name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
		if err == nil {
			unix.Close(fd)
			return nil
		}
		if err != unix.ENOENT {
			last = err
		}
	}
	return last
}

// victimSecret starts a victim in Out and plants a secret there.
func victimSecret(c *Case) error {
	if err := c.Victim(); err != nil {
		return err
	}
	return c.Secret(c.own(c.Out))
}

// handleOf plants a secret and its handle, as any program outside could know it.
func handleOf(c *Case) error {
	if err := c.Secret(c.own(c.Out)); err != nil {
		return err
	}
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, c.Args["path"], 0)
	if err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil // the attack fails then, with and without walls
		}
		return fmt.Errorf("plant a handle: %w", err)
	}
	// In a JSON string bytes that are no UTF-8 would not survive.
	c.Args["kind"], c.Args["handle"] = strconv.Itoa(int(h.Type())), string(latin(h.Bytes()))
	return nil
}

// latin makes each byte a character, and unlatin a byte again.
func latin(b []byte) []rune {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return r
}

func unlatin(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// changeProbes try each call that changes a file or directory outside.
func changeProbes() []Probe {
	p := func(id, title string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "files." + id, Severity: Boundary, Title: title, Why: "what is outside is not the box's to change", Wall: wallReadOnly, Fix: fixWrite,
			Plant: plant, Attack: attack, Judge: touched}
	}
	target := func(c *Case) error { return c.Target(c.own(c.Out)) }
	absent := func(c *Case) error { return c.Absent(c.own(c.Out)) }
	// Of a directory that the box cannot see, a file of the workspace is the source.
	source := func(in *Inside) (string, error) {
		from := filepath.Join(in.WS, "from-"+in.Nonce)
		return from, os.WriteFile(from, []byte("evil\n"), 0o644)
	}
	with := func(do func(in *Inside, from, to string) error) func(*Inside) error {
		return func(in *Inside) error {
			from, err := source(in)
			if err != nil {
				return err
			}
			defer os.Remove(from)
			return do(in, from, in.Args["path"])
		}
	}
	root := func(p Probe) Probe { p.NeedsRoot = true; return p }
	open := func(path string) func(*Inside) error {
		return func(*Inside) error {
			fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
			unix.Close(fd)
			return err
		}
	}
	chmod := p("chmod", "change the mode of a file outside", target, func(in *Inside) error { return os.Chmod(in.Args["path"], 0o666) })
	utimes := p("utimes", "change the times of a file outside", target, func(in *Inside) error {
		return os.Chtimes(in.Args["path"], time.Unix(1, 0), time.Unix(1, 0))
	})
	xattr := p("xattr", "set an attribute of a file outside", target, func(in *Inside) error {
		return unix.Setxattr(in.Args["path"], "user.bailey-prove", []byte(in.Nonce), 0)
	})
	xattr.Needs = func(c *Case) string {
		if err := unix.Setxattr(c.Out, "user.bailey-prove", []byte("x"), 0); err != nil {
			return "this file system has no user attributes"
		}
		unix.Removexattr(c.Out, "user.bailey-prove")
		return ""
	}
	return []Probe{
		p("write", "write to a file outside", target, overwrite),
		p("append", "append to a file outside", target, func(in *Inside) error {
			f, err := os.OpenFile(in.Args["path"], os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("more\n")
			return err
		}),
		p("truncate", "truncate a file outside", target, func(in *Inside) error { return unix.Truncate(in.Args["path"], 3) }),
		p("openat2", "open a file outside for writing with openat2", target, func(in *Inside) error {
			fd, err := unix.Openat2(unix.AT_FDCWD, in.Args["path"], &unix.OpenHow{Flags: unix.O_WRONLY | unix.O_TRUNC})
			unix.Close(fd)
			return err
		}),
		p("map-shared", "change a file outside through shared memory", target, func(in *Inside) error {
			f, err := os.OpenFile(in.Args["path"], os.O_RDWR, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			mem, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				return err
			}
			copy(mem, "evil")
			return unix.Munmap(mem)
		}),
		chmod, utimes, xattr,
		root(p("chown", "change the owner of a file outside", target, func(in *Inside) error { return os.Chown(in.Args["path"], 61234, 61234) })),
		p("remove", "remove a file outside", target, func(in *Inside) error { return os.Remove(in.Args["path"]) }),
		p("rename", "rename a file outside", target, func(in *Inside) error { return os.Rename(in.Args["path"], in.Args["path"]+".old") }),
		p("rename-over", "put a file of the workspace over one outside", target, with(func(_ *Inside, from, to string) error { return os.Rename(from, to) })),
		p("exchange", "exchange a file of the workspace with one outside", target, with(func(_ *Inside, from, to string) error {
			return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_EXCHANGE)
		})),
		p("rename-out", "move a file out of the workspace", absent, with(func(_ *Inside, from, to string) error { return os.Rename(from, to) })),
		p("link-out", "link a file of the workspace to a name outside", absent, with(func(_ *Inside, from, to string) error { return os.Link(from, to) })),
		p("create", "make a file outside", absent, create),
		p("mkdir", "make a directory outside", absent, func(in *Inside) error { return os.Mkdir(in.Args["path"], 0o755) }),
		p("symlink", "make a symbolic link outside", absent, func(in *Inside) error { return os.Symlink(in.WS, in.Args["path"]) }),
		p("fifo", "make a pipe with a name outside", absent, func(in *Inside) error { return unix.Mkfifo(in.Args["path"], 0o644) }),
		p("bind-socket", "make a socket outside", absent, func(in *Inside) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: in.Args["path"]})
		}),
		p("tmpfile", "make a file without a name outside, and name it", absent, func(in *Inside) error {
			fd, err := unix.Open(filepath.Dir(in.Args["path"]), unix.O_TMPFILE|unix.O_RDWR, 0o644)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, in.Args["path"], unix.AT_SYMLINK_FOLLOW)
		}),
		p("sibling-write", "write to a file of another project", func(c *Case) error { return c.Target(c.own(c.Sibling)) }, overwrite),
		{ID: "files.make-in-tmp", Severity: Boundary, Title: "make a file in the host's /tmp", Why: "programs outside use names in /tmp that can be guessed", Wall: "a /tmp of its own", Fix: fixWrite,
			Plant: (*Case).NoHostTmp, Attack: create, Judge: touched, Undo: func(c *Case) { os.Remove(c.Args["path"]) }},
		{ID: "files.devices", Severity: Boundary, Title: "open a device of the machine", Why: "devices lead to memory, disks, networks and the kernel's log, past every other wall", Wall: "a /dev of its own with six nodes that lead nowhere", Fix: fixFull,
			Needs: func(*Case) string {
				if err := openDevice(); err != nil {
					return "this machine lets this user open none: " + err.Error()
				}
				return ""
			}, Attack: func(*Inside) error { return openDevice() }},
		root(Probe{ID: "files.device-mode", Severity: Boundary, Title: "change the mode of a device node of the host", Why: "a /dev/null that nobody may write to stops the machine's work", Wall: "device nodes are mounted read-only", Fix: fixWrite,
			Attack: func(*Inside) error {
				const null = "/dev/null"
				var st unix.Stat_t
				if err := unix.Stat(null, &st); err != nil {
					return err
				}
				return unix.Chmod(null, st.Mode&0o7777) // to what it is
			}}),
		root(Probe{ID: "files.passwd", Severity: Boundary, Title: "open /etc/passwd for writing", Why: "a line in it is an account", Wall: wallReadOnly + ", host uid 0 is not used", Fix: fixWrite, Attack: open("/etc/passwd")}),
		root(Probe{ID: "files.usr", Severity: Persistence, Title: "make a file in /usr/bin", Why: "everybody on the machine runs what lies there", Wall: wallReadOnly + ", host uid 0 is not used", Fix: fixWrite,
			Attack: func(*Inside) error { // without a name: it is gone when it is closed
				fd, err := unix.Open("/usr/bin", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
				unix.Close(fd)
				return err
			}}),
	}
}

// startProbes make what runs when a person comes back.
func startProbes() []Probe {
	const why = "it runs outside, with all of your rights, when you come back"
	p := func(id, title string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "files." + id, Severity: Persistence, Title: title, Why: why, Wall: "the home directory inside is another one", Fix: fixWrite, Plant: plant, Attack: attack, Judge: touched}
	}
	add := func(in *Inside) error {
		os.MkdirAll(filepath.Dir(in.Args["path"]), 0o755)
		f, err := os.OpenFile(in.Args["path"], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o755)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("evil\n")
		return err
	}
	cache := func(id, title, name string) Probe {
		q := p(id, title, absentAt("home", name), add)
		q.Why, q.Wall = "builds outside take from it what they believe they made themselves", "caches belong to one project and never to the host"
		return q
	}
	return []Probe{
		p("bashrc", "append to ~/.bashrc", targetAt("home", ".bashrc"), add),
		p("profile", "make ~/.profile", absentAt("home", ".profile"), add),
		p("gitconfig", "append to ~/.gitconfig", func(c *Case) error {
			c.Args["path"] = c.Home + "/.gitconfig"
			if err := c.write(c.Args["path"], "[user]\n\tname = prove\n"); err != nil {
				return err
			}
			c.Watch(c.Args["path"])
			return nil
		}, func(in *Inside) error {
			f, err := os.OpenFile(in.Args["path"], os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("# evil\n")
			return err
		}),
		p("authorized-keys", "add a key to ~/.ssh/authorized_keys", targetAt("home", ".ssh/authorized_keys"), add),
		p("systemd-unit", "make a unit of the user's systemd", absentAt("home", ".config/systemd/user/prove.service"), add),
		p("autostart", "make an autostart entry of the desktop", absentAt("home", ".config/autostart/prove.desktop"), add),
		p("local-bin", "make a program in ~/.local/bin", absentAt("home", ".local/bin/ls"), add),
		p("ssh-config", "make ~/.ssh/config", absentAt("home", ".ssh/config"), add),
		p("trust-store", "write to bailey's own trust store", absentAt("home", ".local/state/bailey/trust/prove"), add),
		p("user-policy", "write bailey's own policy in the home directory", absentAt("home", ".config/bailey/config.toml.new"), add),
		cache("go-cache", "write to the host's build cache of Go", ".cache/go-build/00/prove"),
		cache("go-modules", "write to the host's module cache of Go", "go/pkg/mod/prove@v1.0.0/x.go"),
		cache("npm-cache", "write to the host's cache of npm", ".npm/_cacache/prove"),
		cache("pip-cache", "write to the host's cache of pip", ".cache/pip/prove"),
	}
}

// setIDProbes leave a file that gives whoever runs it its owner's rights.
func setIDProbes() []Probe {
	p := func(id, title string, bit uint32, attack func(*Inside) error) Probe {
		return Probe{ID: "files." + id, Severity: Persistence, Title: title, Why: "it gives other users of the machine your rights", Wall: "the name broker refuses the bits", Fix: "remove the file",
			Plant: func(c *Case) error { c.Args["path"] = c.own(c.WS); return nil }, Attack: attack,
			Judge: func(c *Case, _ *Report) (bool, string) {
				var st unix.Stat_t
				if unix.Lstat(c.Args["path"], &st) == nil && st.Mode&bit != 0 {
					return true, fmt.Sprintf("%s has the mode %o", c.Args["path"], st.Mode&0o7777)
				}
				return false, ""
			},
			Undo: func(c *Case) { os.Remove(c.Args["path"]) }}
	}
	return []Probe{
		p("setuid-chmod", "set the set-user-id bit of a file", unix.S_ISUID, func(in *Inside) error {
			if err := os.WriteFile(in.Args["path"], nil, 0o755); err != nil {
				return err
			}
			return unix.Chmod(in.Args["path"], 0o4755)
		}),
		p("setgid-fchmod", "set the set-group-id bit through a descriptor", unix.S_ISGID, func(in *Inside) error {
			f, err := os.Create(in.Args["path"])
			if err != nil {
				return err
			}
			defer f.Close()
			return unix.Fchmod(int(f.Fd()), 0o2755)
		}),
		p("setuid-open", "make a file with the set-user-id bit", unix.S_ISUID, func(in *Inside) error {
			fd, err := unix.Open(in.Args["path"], unix.O_CREAT|unix.O_WRONLY, 0o4755)
			unix.Close(fd)
			return err
		}),
		p("setuid-mknod", "make a file with the set-user-id bit by mknod", unix.S_ISUID, func(in *Inside) error {
			return unix.Mknod(in.Args["path"], unix.S_IFREG|0o4755, 0)
		}),
		p("setuid-tmpfile", "name a nameless file with the set-user-id bit", unix.S_ISUID, func(in *Inside) error {
			fd, err := unix.Open(in.WS, unix.O_TMPFILE|unix.O_RDWR, 0o4755)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, in.Args["path"], unix.AT_SYMLINK_FOLLOW)
		}),
	}
}

// needFile says that a file is missing on this machine.
func needFile(path string) func(*Case) string {
	return func(*Case) string {
		if _, err := os.Lstat(path); err != nil {
			return "there is no " + path
		}
		return ""
	}
}

// readOne reads one byte and hands nothing on.
func readOne(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.Read(b)
	return err
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
	var names bytes.Buffer
	for _, e := range entries {
		names.WriteString(e.Name() + "\n")
	}
	in.Loot(names.Bytes())
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
