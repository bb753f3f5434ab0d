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
)

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

// askProbes ask, from inside, for what nobody is there to grant, or nobody may.
func askProbes() []Probe {
	const (
		why  = "what is granted without a person, or by another name, is a hole with a form to fill in"
		wall = "without somebody to ask the answer is no; keys and whole homes are not asked about; what is shown is what was found without links"
		fix  = "bailey grants lists what was granted, and permissions.delegate may answer"
	)
	p := func(id, title string, plant func(*Case) error, attack func(*Inside) error) Probe {
		return Probe{ID: "approvals.request-" + id, Severity: Boundary, Title: title, Why: why, Wall: wall, Fix: fix, Plant: plant, Attack: attack, Judge: cameOut}.asks()
	}
	// ask asks for one thing, and reads the secret.
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
