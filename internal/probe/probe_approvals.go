//go:build linux

package probe

import (
	"bufio"
	"encoding/json"
	"errors"
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
	all := concat(answerProbes(), approverProbes(), keptProbes(), requestProbesInside(), ownProbes())
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

// request asks for something at the socket of a box and returns the answer: "" where
// there is none to ask at.
func (in *Inside) request(kind, subject string, patience time.Duration) (granted bool, reply string) {
	reply = in.sayInside(fmt.Sprintf(`{"op":"request","kind":%q,"subject":%q,"why":"the proof asks"}`, kind, subject), patience)
	var a struct{ Granted bool }
	json.Unmarshal([]byte(reply), &a)
	return a.Granted, reply
}

// sayInside says a line to that socket.
func (in *Inside) sayInside(line string, patience time.Duration) string {
	c, err := net.DialTimeout("unix", os.Getenv("BAILEY_SOCKET"), time.Second)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, line)
	reply, _ := bufio.NewReader(io.LimitReader(c, 64<<10)).ReadString('\n')
	return reply
}

// requestTime is longer than any attack may take: an answer that nobody gives must
// come by itself, or the probe is unknown.
const requestTime = 10 * time.Second

// requestProbesInside ask for what nobody is there to grant, or nobody may.
func requestProbesInside() []Probe {
	const (
		why  = "what is granted without a person, or by another name, is a hole with a form to fill in"
		wall = "without somebody to ask the answer is no; keys and whole homes are not asked about; what is shown is what was found without links"
		fix  = "bailey grants lists what was granted, and permissions.delegate may answer"
	)
	p := func(id, title string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "approvals.request-" + id, Severity: Boundary, Title: title, Why: why, Wall: wall, Fix: fix, Plant: plant, Attack: attack, Judge: cameOut}.asks()
	}
	// for asks for one thing, and reads the secret.
	ask := func(subject func(*Inside) string) func(*Inside) error {
		return func(in *Inside) error {
			in.request("read", subject(in), requestTime)
			return readPath(in)
		}
	}
	itself := func(in *Inside) string { return in.Args["path"] }
	writes := p("write", "ask for a directory outside to write in, with nobody there", func(c *Case) error { return c.Absent(filepath.Join(c.own(c.Out), "made")) }, func(in *Inside) error {
		in.request("write", filepath.Dir(in.Args["path"]), requestTime)
		return os.WriteFile(in.Args["path"], []byte("made\n"), 0o644)
	})
	writes.Judge = touched
	host := gateProbe("x", "ask for a host, with nobody there", why, wall, func(in *Inside) error {
		in.request("network", siteOther+":"+in.Args["plain"], requestTime)
		c, err := in.reach(siteOther, in.Args["plain"])
		if err != nil {
			return err
		}
		defer c.Close()
		return in.say(c, get(siteOther+":"+in.Args["plain"], "/"+in.Nonce))
	}).asks()
	host.ID = "approvals.request-host"
	// own is about the socket itself, which only a box of bailey's has.
	own := func(id, title string, attack func(*Inside) error) Probe {
		q := p(id, title, nil, attack)
		q.Judge, q.NeedsBox = nil, true
		return q
	}
	return []Probe{
		p("file", "ask for a file outside, with nobody there", func(c *Case) error { return c.Secret(c.own(c.Out)) }, ask(itself)),
		p("key", "ask for a private key", secretAt("home", ".ssh/approvals-key"), ask(itself)),
		p("key-directory", "ask for the directory of keys", secretAt("home", ".gnupg/approvals-key"), ask(func(in *Inside) string { return filepath.Dir(in.Args["path"]) })),
		p("home", "ask for the home directory", secretAt("home", "approvals-home"), ask(func(in *Inside) string { return in.Home })),
		p("root", "ask for everything", secretAt("out", "approvals-root"), ask(func(*Inside) string { return "/" })),
		p("above", "ask for the directory above the home directory", secretAt("out", "approvals-above"), ask(func(in *Inside) string { return in.Base })),
		p("state", "ask for bailey's own directory", secretAt("home", stateHome+"/agents/approvals-state"), ask(func(in *Inside) string { return filepath.Join(in.Home, stateHome) })),
		p("spelling", "ask for a private key by a path of dots", secretAt("home", ".ssh/approvals-dots"), ask(func(in *Inside) string {
			return in.WS + "//src/.././" + up(in.WS, in.Args["path"])
		})),
		p("proc-root", "ask for a private key through /proc/self/root", secretAt("home", ".aws/approvals-proc"), func(in *Inside) error {
			path := "/proc/self/root" + in.Args["path"]
			in.request("read", path, requestTime)
			return errors.Join(lootFile(in, path), readPath(in))
		}),
		p("link", "ask for a link in the workspace that leads to a private key", secretAt("home", ".ssh/approvals-link"), func(in *Inside) error {
			link := filepath.Join(in.WS, "link-"+in.Nonce[:12])
			if err := os.Symlink(in.Args["path"], link); err != nil {
				return err
			}
			defer os.Remove(link)
			// It grants nothing, and neither does it say that there is nothing to grant.
			if granted, reply := in.request("read", link, requestTime); granted {
				in.Loot([]byte(reply))
			}
			return errors.Join(lootFile(in, link), readPath(in))
		}),
		p("swap", "ask for a link that leads to a private key a moment later", secretAt("home", ".ssh/approvals-swap"), func(in *Inside) error {
			return swapped(in, in.Args["path"])
		}),
		p("swap-directory", "ask for a file below a link that leads to a directory of keys a moment later", secretAt("home", ".gnupg/approvals-swap"), func(in *Inside) error {
			return swapped(in, filepath.Dir(in.Args["path"]))
		}),
		writes, host,
		own("exception", "ask for a command without walls", func(in *Inside) error {
			if granted, _ := in.request("exception", "prove", requestTime); !granted {
				return errHeld
			}
			return nil
		}),
		own("control", "answer by the socket that takes requests", func(in *Inside) error {
			for _, line := range []string{`{"op":"questions"}`, `{"op":"answer","id":"q00000000","allow":true,"scope":"always"}`, `{"op":"reload"}`, `{"op":"request","kind":"read","subject":"/","allow":true,"by":"terminal"}`} {
				if reply := in.sayInside(line, requestTime); reply != "" && !strings.Contains(reply, `"error"`) {
					return nil
				}
			}
			return errHeld
		}),
	}
}

// requestControl holds that a box can be asked at all: where it cannot, every probe
// that asks would hold.
func requestControl() []Probe {
	return []Probe{{ID: "controls.request", Control: true, NeedsBox: true, MayLack: true, Title: "ask the box what was granted", Why: "programs inside may ask for more",
		Fix: "tell the makers of the sandbox", Attack: func(in *Inside) error {
			if os.Getenv("BAILEY_SOCKET") == "" {
				return in.Lack("the socket for requests")
			}
			if reply := in.sayInside(`{"op":"grants"}`, requestTime); !strings.Contains(reply, `"granted"`) {
				return fmt.Errorf("it answers %q", reply)
			}
			return nil
		}}}
}

// swapped asks for a link that leads to something open, while it is made to lead to
// what a person would be asked about or nobody may have.
func swapped(in *Inside, to string) error {
	link, fine := filepath.Join(in.WS, "swap-"+in.Nonce[:12]), filepath.Join(in.WS, "src")
	if info, err := os.Stat(to); err == nil && !info.IsDir() {
		fine = filepath.Join(fine, "main.txt")
	}
	lead := func(to string) {
		os.Symlink(to, link+".new")
		os.Rename(link+".new", link)
	}
	lead(fine)
	defer os.Remove(link)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			lead(to)
			lead(fine)
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 3 { // a box may ask thirty times in a minute, and others ask too
		in.request("read", link, requestTime)
	}
	close(stop)
	<-stopped
	lead(to)
	return errors.Join(lootFile(in, link), lootFile(in, filepath.Join(link, filepath.Base(in.Args["path"]))), readPath(in))
}

// ownDir is where a box of bailey's says what it is.
const ownDir = "/run/bailey"

// ownProbes replace what a box is told of itself: the program to ask with, the text for
// agents, the socket. Elsewhere the same is tried with files that stand for them.
func ownProbes() []Probe {
	p := func(id, title string, attack func(in *Inside, dir string) error) Probe {
		return Probe{ID: "approvals.own-" + id, Severity: Hardening, Title: title, Why: "what asks and what is told in the name of the box must be the box's", Wall: "a mount of its own that is read-only", Fix: "tell the makers of the sandbox",
			Plant: func(c *Case) error {
				dir := c.own(c.Out)
				for _, name := range [...]string{"README", "box.json", "socket", "bin/bailey"} {
					if err := c.write(filepath.Join(dir, name), "own\n"); err != nil {
						return err
					}
				}
				c.Args["dir"] = dir
				return nil
			},
			Attack: func(in *Inside) error {
				if os.Getenv("BAILEY_README") != "" {
					return attack(in, ownDir)
				}
				return attack(in, in.Args["dir"])
			}}
	}
	// each does something to every file, until it is not refused.
	each := func(do func(path string) error) func(*Inside, string) error {
		return func(_ *Inside, dir string) error {
			err := errHeld
			for _, name := range [...]string{"README", "box.json", "bin/bailey", "socket"} {
				if err = do(filepath.Join(dir, name)); err == nil {
					return nil
				}
			}
			return err
		}
	}
	// over does it with a file of the workspace.
	over := func(do func(from, path string) error) func(*Inside, string) error {
		return func(in *Inside, dir string) error {
			from := filepath.Join(in.WS, "own-"+in.Nonce[:12])
			if err := os.WriteFile(from, []byte("#!/bin/sh\n"), 0o755); err != nil {
				return err
			}
			defer os.Remove(from)
			return each(func(path string) error { return do(from, path) })(in, dir)
		}
	}
	write := p("write", "open the files of /run/bailey for writing", each(openForWriting))
	write.Severity = Boundary // the program is the host's
	mount := p("mount", "mount something over /run/bailey", func(_ *Inside, dir string) error {
		if err := unix.Mount("prove", dir, "tmpfs", 0, "size=64k"); err != nil {
			return err
		}
		return unix.Unmount(dir, unix.MNT_DETACH)
	})
	mount.NeedsRoot = true
	return []Probe{
		write, mount,
		p("replace", "move a file over one of /run/bailey", over(os.Rename)),
		p("replace-within", "move a file of /run/bailey over another", func(_ *Inside, dir string) error {
			return os.Rename(filepath.Join(dir, "README"), filepath.Join(dir, "box.json"))
		}),
		p("exchange", "exchange two files of /run/bailey", func(_ *Inside, dir string) error {
			return unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "README"), unix.AT_FDCWD, filepath.Join(dir, "box.json"), unix.RENAME_EXCHANGE)
		}),
		p("remove", "remove a file of /run/bailey", each(os.Remove)),
		p("rename", "rename a file of /run/bailey", each(func(path string) error { return os.Rename(path, path+".old") })),
		p("directory", "rename /run/bailey", func(_ *Inside, dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			return os.Rename(dir+".old", dir)
		}),
		p("add", "put a program beside bailey's on PATH", func(_ *Inside, dir string) error {
			return os.Symlink("/bin/sh", filepath.Join(dir, "bin/git"))
		}),
		p("chmod", "change the mode of a file of /run/bailey", each(func(path string) error {
			info, err := os.Lstat(path)
			if err != nil {
				return err
			}
			return os.Chmod(path, info.Mode().Perm()) // as it is: the program is the host's
		})),
		p("socket", "listen in place of the box's socket", func(_ *Inside, dir string) error {
			if err := os.Remove(filepath.Join(dir, "socket")); err != nil {
				return err
			}
			return bindIn(dir, "socket")
		}),
	}
}
