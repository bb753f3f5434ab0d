//go:build linux

package probe

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where bailey keeps what counts for all boxes of a person, below the home
// directory.
const (
	stateHome     = ".local/state/bailey"
	configHome    = ".config/bailey"
	sessionsHome  = stateHome + "/sessions"  // sockets of running boxes, which take answers
	approversHome = stateHome + "/approvers" // sockets of those who answer
)

// approvalProbes answer in place of a person, or change what a person has said.
func approvalProbes() []Probe {
	all := concat(answerProbes(), approverProbes(), keptProbes(), askProbes(), ownProbes())
	for i := range all {
		all[i].OwnBox = true
	}
	return all
}

// asks marks a probe that asks for something: it must be a person who answers.
func (p Probe) asks() Probe { p.Asks = true; return p }

// private makes a directory of the scratch home as bailey itself makes it.
func (c *Case) private(name string) (string, error) {
	dir := filepath.Join(c.Home, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("plant: %w", err)
	}
	return dir, nil
}

// answerProbes reach for the sockets by which a person's answers come to a box.
func answerProbes() []Probe {
	const (
		why  = "who speaks to a box's socket outside can answer the box's own questions"
		wall = "the directory is not mounted, and both sides look at who is on the other"
	)
	p := func(id, title string, attack func(in *Inside, dir, name string) error) Probe {
		return Probe{ID: "approvals." + id, Severity: Boundary, Title: title, Why: why, Wall: wall, Fix: "take ~/.local/state out of the policy",
			Plant: (*Case).session, Attack: func(in *Inside) error {
				return attack(in, filepath.Dir(in.Args["address"]), filepath.Base(in.Args["address"]))
			}, Judge: heard}
	}
	// from says the nonce from a directory, whose path may be too long for a socket.
	from := func(in *Inside, dir, name string) error {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return dialTo(in, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
	}
	found := func(in *Inside, mine func(name string) bool) error {
		text, err := os.ReadFile("/proc/net/unix")
		if err != nil {
			return err
		}
		err = errHeld
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if name := f[len(f)-1]; mine(name) && dialTo(in, "unix", name) == nil {
				err = nil
			}
		}
		return err
	}
	abstract := p("session-abstract", "answer through an abstract socket that is found in /proc/net/unix", func(in *Inside, _, _ string) error {
		return found(in, func(name string) bool { return strings.HasPrefix(name, "@bailey-prove-") })
	})
	abstract.Plant, abstract.Wall, abstract.Fix = listenOn("abstract"), "a network namespace of its own, Landlock scope", fixFull
	return []Probe{
		p("session", "answer through the socket of a running box", from),
		p("session-link", "answer through a link in the workspace to the socket's directory", func(in *Inside, dir, name string) error {
			link := filepath.Join(in.WS, "sessions-"+in.Nonce[:12])
			if err := os.Symlink(dir, link); err != nil {
				return err
			}
			defer os.Remove(link)
			return from(in, link, name)
		}),
		p("session-any-root", "answer through the root of any process", func(in *Inside, dir, name string) error {
			all, err := filepath.Glob("/proc/[0-9]*/root")
			if err != nil || len(all) == 0 {
				return errHeld
			}
			err = errHeld
			for _, root := range all {
				if e := from(in, root+dir, name); e == nil {
					return nil
				}
			}
			return err
		}),
		p("session-cwd", "answer through the directory of any process", func(in *Inside, dir, name string) error {
			all, _ := filepath.Glob("/proc/[0-9]*/cwd")
			for _, cwd := range all {
				if from(in, cwd+"/"+up(in.WS, dir), name) == nil {
					return nil
				}
			}
			return errHeld
		}),
		p("session-found", "answer through a socket that is found in /proc/net/unix", func(in *Inside, _, _ string) error {
			return found(in, func(name string) bool { return strings.HasPrefix(name, in.Base+"/") })
		}),
		abstract,
		{ID: "approvals.session-descriptor", Severity: Boundary, Scene: sceneFDs, Title: "answer through an inherited descriptor of the sockets' directory", Why: why, Wall: "descriptors above 2 are closed", Fix: "start the sandbox without it",
			Plant: func(c *Case) error {
				if err := c.session(); err != nil {
					return err
				}
				f, err := os.Open(filepath.Dir(c.Args["address"]))
				if err == nil {
					c.inherit(f)
				}
				return err
			}, Attack: func(in *Inside) error {
				return dialTo(in, "unix", "/proc/self/fd/"+in.Args["fd"]+"/"+filepath.Base(in.Args["address"]))
			}, Judge: heard},
		(Probe{ID: "approvals.answer-own", Severity: Boundary, Scene: sceneAsk, Title: "ask for a file and answer while a person is waited for", Why: "a question that the asker can answer is none", Wall: wall, Fix: "take ~/.local/state out of the policy",
			Plant: func(c *Case) error {
				if err := c.attend(); err != nil {
					return err
				}
				return c.Secret(c.own(c.Out))
			}, Attack: answerOwn, Judge: cameOut}).asks(),
	}
}

// session plants a socket like that of a running box.
func (c *Case) session() error {
	if _, err := c.private(sessionsHome); err != nil {
		return err
	}
	return c.Listen("home/" + sessionsHome + "/prove.sock")
}

// attend plants somebody who would answer questions and says nothing: a box waits for
// that as long as the connection is open.
func (c *Case) attend() error {
	dir, err := c.private(approversHome)
	if err != nil {
		return err
	}
	if _, err := c.private(sessionsHome); err != nil {
		return err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "1.sock"))
	if err != nil {
		return fmt.Errorf("plant an approver: %w", err)
	}
	go func() {
		<-c.ended
		l.Close()
	}()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				<-c.ended
				conn.Close()
			}()
		}
	}()
	return nil
}

// answerOwn asks for a file, and while the question waits says yes by every socket of
// boxes that there is. Then it reads the file.
func answerOwn(in *Inside) error {
	path := in.Args["path"]
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		in.request("read", path, time.Second)
	}()
	for asked := false; !asked; {
		dirs, _ := filepath.Glob("/proc/[0-9]*/root")
		for _, root := range append(dirs, "") {
			sockets, _ := filepath.Glob(root + filepath.Join(in.Home, sessionsHome) + "/*.sock")
			for _, s := range sockets {
				answerAll(s)
			}
		}
		select {
		case <-answered:
			asked = true
		case <-time.After(50 * time.Millisecond):
		}
	}
	return lootFile(in, path)
}

// answerAll says yes to every question of the box behind a socket.
func answerAll(socket string) {
	dir, err := unix.Open(filepath.Dir(socket), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	say := func(line string) (reply []byte) {
		// Its whole path is too long for a socket's.
		c, err := net.DialTimeout("unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(socket)), time.Second)
		if err != nil {
			return nil
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		fmt.Fprintln(c, line)
		reply, _ = bufio.NewReader(io.LimitReader(c, 64<<10)).ReadBytes('\n')
		return reply
	}
	var list struct{ Questions []struct{ ID string } }
	json.Unmarshal(say(`{"op":"questions"}`), &list)
	for _, q := range list.Questions {
		say(fmt.Sprintf(`{"op":"answer","id":%q,"allow":true,"scope":"session"}`, q.ID))
	}
}

// approverProbes pretend to be a person who answers.
func approverProbes() []Probe {
	p := func(id, title string, attack func(in *Inside, dir, name string) error) Probe {
		return Probe{ID: "approvals." + id, Severity: Boundary, Title: title, Why: "a box waits for whoever has a socket there, and takes that for a person", Wall: "the directory is not mounted", Fix: "take ~/.local/state out of the policy",
			Plant: func(c *Case) error {
				dir, err := c.private(approversHome)
				if err != nil {
					return err
				}
				return c.Absent(filepath.Join(dir, "4711.sock"))
			},
			Attack: func(in *Inside) error {
				dir, name := filepath.Split(in.Args["path"])
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
				return attack(in, dir, name)
			}, Judge: touched, Undo: func(c *Case) { os.Remove(c.Args["path"]) }}
	}
	// elsewhere makes the socket in the workspace and moves it.
	elsewhere := func(move func(from, to string) error) func(in *Inside, dir, name string) error {
		return func(in *Inside, dir, name string) error {
			from := "s-" + in.Nonce[:12]
			if err := bindIn(in.WS, from); err != nil {
				return err
			}
			defer os.Remove(filepath.Join(in.WS, from))
			return move(filepath.Join(in.WS, from), filepath.Join(dir, name))
		}
	}
	return []Probe{
		p("approver", "listen where approvers do", func(_ *Inside, dir, name string) error { return bindIn(dir, name) }),
		p("approver-link", "listen where approvers do, through a link in the workspace", func(in *Inside, dir, name string) error {
			link := filepath.Join(in.WS, "approvers-"+in.Nonce[:12])
			if err := os.Symlink(dir, link); err != nil {
				return err
			}
			defer os.Remove(link)
			return bindIn(link, name)
		}),
		p("approver-moved", "move a socket to where approvers have theirs", elsewhere(os.Rename)),
		p("approver-linked", "link a socket to where approvers have theirs", elsewhere(os.Link)),
		p("approver-root", "listen where approvers do, through the root of a process outside", func(in *Inside, dir, name string) error {
			return bindIn(fmt.Sprintf("/proc/%d/root%s", victimPID(in), dir), name)
		}).withVictim(),
	}
}

// bindIn makes a socket in a directory, whose path may be too long for one.
func bindIn(dir, name string) error {
	d, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(d)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", d, name)})
}

// keptProbes change what a person has said: answers, trusted files, bailey's own
// configuration.
func keptProbes() []Probe {
	const (
		grants = stateHome + "/grants.json"
		text   = `{"version":1,"grants":[]}` + "\n"
	)
	p := func(id, file, title string, attack func(in *Inside, path, from string) error) Probe {
		return Probe{ID: "approvals." + id, Severity: Boundary, Title: title, Why: "the next box is opened by what lies there", Wall: "bailey's own directories are not mounted, and none may be writable", Fix: "take the directory out of files.write",
			Plant: func(c *Case) error {
				if _, err := c.private(stateHome); err != nil {
					return err
				}
				return c.Absent(filepath.Join(c.Home, file))
			},
			Attack: func(in *Inside) error {
				from := filepath.Join(in.WS, "kept-"+in.Nonce[:12])
				if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
					return err
				}
				defer os.Remove(from)
				if err := os.MkdirAll(filepath.Dir(in.Args["path"]), 0o700); err != nil {
					return err
				}
				return attack(in, in.Args["path"], from)
			}, Judge: touched, Undo: func(c *Case) { os.Remove(c.Args["path"]) }}
	}
	write := func(_ *Inside, path, _ string) error { return os.WriteFile(path, []byte(text), 0o600) }
	through := p("grants-through", grants, "write grants through a link in the workspace", func(_ *Inside, path, from string) error {
		if err := os.Remove(from); err != nil {
			return err
		}
		if err := os.Symlink(path, from); err != nil {
			return err
		}
		return os.WriteFile(from, []byte(text), 0o600)
	})
	directory := p("state-moved", stateHome+"/agents/prove", "put another directory in the place of bailey's own", func(_ *Inside, path, from string) error {
		state := filepath.Dir(filepath.Dir(path))
		if err := os.Rename(state, from+".old"); err != nil {
			return err
		}
		defer os.Rename(from+".old", state)
		return os.WriteFile(filepath.Join(from+".old", "agents/prove"), []byte(text), 0o600)
	})
	preset := p("preset", configHome+"/agents/prove.toml", "write a preset of an agent", func(_ *Inside, path, _ string) error {
		return os.WriteFile(path, []byte("[agent]\ndescription = \"prove\"\n"), 0o600)
	})
	config := p("config", configHome+"/config.toml", "change bailey's own configuration", func(_ *Inside, path, _ string) error {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("# prove\n")
		return err
	})
	config.Undo = func(c *Case) {
		if c.watched[0].was == "absent" {
			os.Remove(c.Args["path"])
		}
	}
	trusted := p("trust", stateHome+"/trust.json", "write the store of trusted files", func(_ *Inside, path, _ string) error {
		return os.WriteFile(path, []byte(`{"version":1,"approvals":[]}`+"\n"), 0o600)
	})
	trusted.Undo = config.Undo
	return []Probe{
		p("grants", grants, "write grants", write),
		p("grants-renamed", grants, "move a file over the grants", func(_ *Inside, path, from string) error { return os.Rename(from, path) }),
		p("grants-linked", grants, "link a file of the workspace to where the grants are", func(_ *Inside, path, from string) error { return os.Link(from, path) }),
		through,
		p("grants-symlink", grants, "leave a link in the place of the grants", func(_ *Inside, path, from string) error { return os.Symlink(from, path) }),
		p("grants-root", grants, "write grants through the root of a process outside", func(in *Inside, path, _ string) error {
			return os.WriteFile(fmt.Sprintf("/proc/%d/root%s", victimPID(in), path), []byte(text), 0o600)
		}).withVictim(),
		directory, trusted, config, preset,
		{ID: "approvals.grants-left", Severity: Boundary, Scene: sceneSecond, Title: "leave grants for the next run", Why: "the next box is opened by what lies there", Wall: "HOME is new for each run, and none of its directories is bailey's own", Fix: "take the directory out of files.write",
			Plant: func(c *Case) error { return c.Secret(c.own(c.Out)) },
			Attack: func(in *Inside) error {
				path := filepath.Join(in.Home, grants)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					return err
				}
				return os.WriteFile(path, fmt.Appendf(nil, `{"version":1,"grants":[{"id":"g0123abcd","kind":"read","subject":%q,"allow":true,"scope":"always","made":"2026-01-01T00:00:00Z","by":"terminal","uses":0}]}`+"\n", in.Args["path"]), 0o600)
			}, Again: readPath, Judge: cameOut},
	}
}
