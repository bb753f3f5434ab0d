//go:build linux

package probe

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// socketProbes connect to unix sockets outside.
func socketProbes() []Probe {
	const (
		hidden   = "the socket's directory is not mounted, Landlock"
		abstract = "a network namespace of its own, Landlock scope"
	)
	p := func(id, title, kind, wall string, attack func(*Inside) error) Probe {
		return Probe{ID: "sockets." + id, Severity: Boundary, Title: title, Why: "who speaks to an agent or a daemon acts as you", Wall: wall, Fix: "take the directory of the socket out of the policy",
			Plant: listenOn(kind), Attack: attack, Judge: heard}
	}
	// Landlock has no say in connecting by a path before ABI 9, and a filter refuses
	// it in the weaker tier.
	stream := func(in *Inside, path string) error { return dialTo(in, in.Args["kind"], path) }
	return []Probe{
		p("ssh-agent", "connect to an ssh agent", "home/.ssh/agent.sock", hidden, dial),
		p("gpg-agent", "connect to a gpg agent", "home/.gnupg/S.gpg-agent", hidden, dial),
		p("docker", "connect to a container engine", "run/docker.sock", hidden, dial),
		p("bus", "connect to the desktop's bus", "run/user/bus", hidden, dial),
		p("datagram", "send a packet to a socket of a daemon", "run/log-dgram", hidden, dial),
		p("datagram-sendto", "send a packet to a socket without connecting", "run/log-dgram", hidden, func(in *Inside) error {
			fd, sa, err := socketFor(in.Args["kind"], in.Args["address"])
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, []byte(in.Nonce), 0, sa)
		}),
		p("host-tmp", "connect to a socket in the host's /tmp", "tmp:.sock", "a /tmp of its own", dial),
		p("abstract", "connect to an abstract socket", "abstract", abstract, dial),
		p("abstract-dgram", "send a packet to an abstract socket", "abstract-dgram", abstract, dial),
		p("abstract-dgram-sendto", "send a packet to an abstract socket without connecting", "abstract-dgram", abstract, func(in *Inside) error {
			fd, sa, err := socketFor(in.Args["kind"], in.Args["address"])
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendmsg(fd, []byte(in.Nonce), nil, sa, 0)
		}),
		p("abstract-packet", "connect to an abstract socket of whole packets", "abstract-packet", abstract, dial),
		p("symlink", "connect through a symbolic link in the workspace", "run/docker.sock", hidden, func(in *Inside) error {
			link := filepath.Join(in.WS, "sock-"+in.Nonce[:8])
			if err := os.Symlink(in.Args["address"], link); err != nil {
				return err
			}
			defer os.Remove(link)
			return stream(in, link)
		}),
		p("hard-link", "connect through a hard link in the workspace", "run/docker.sock", hidden, func(in *Inside) error {
			link := filepath.Join(in.WS, "sock-"+in.Nonce[:8])
			if err := os.Link(in.Args["address"], link); err != nil {
				return err
			}
			defer os.Remove(link)
			return stream(in, link)
		}),
		p("proc-root", "connect through /proc/self/root", "run/docker.sock", hidden, func(in *Inside) error {
			dir, err := unix.Open("/proc/self/root"+filepath.Dir(in.Args["address"]), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(dir)
			return stream(in, fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(in.Args["address"])))
		}),
		p("chdir", "connect by a relative path from the socket's directory", "run/docker.sock", hidden, func(in *Inside) error {
			if err := os.Chdir(filepath.Dir(in.Args["address"])); err != nil {
				return err
			}
			return stream(in, filepath.Base(in.Args["address"]))
		}),
		p("victim-root", "connect through the root of a process outside", "run/docker.sock", hidden, func(in *Inside) error {
			dir, err := unix.Open(fmt.Sprintf("/proc/%d/root%s", victimPID(in), filepath.Dir(in.Args["address"])), unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				return err
			}
			defer unix.Close(dir)
			return stream(in, fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(in.Args["address"])))
		}).withVictim(),
		{ID: "sockets.squat", Severity: Boundary, Title: "listen on an abstract name that a program outside connects to", Why: "a program outside that looks for its server finds the box", Wall: abstract, Fix: fixFull, Weaker: "abstract unix socket",
			Plant: func(c *Case) error {
				c.Args["name"] = "@bailey-prove-" + random(8)
				c.called = make(chan struct{})
				go c.call(unix.AF_UNIX, &unix.SockaddrUnix{Name: c.Args["name"]})
				return nil
			},
			Attack: func(in *Inside) error {
				fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				if err := unix.Bind(fd, &unix.SockaddrUnix{Name: in.Args["name"]}); err != nil {
					return err
				}
				if err := unix.Listen(fd, 4); err != nil {
					return err
				}
				fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				if n, err := unix.Poll(fds, 300); err != nil || n == 0 {
					return errHeld
				}
				got, _, err := unix.Accept(fd)
				if err != nil {
					return err
				}
				defer unix.Close(got)
				_, err = unix.Write(got, []byte(in.Nonce))
				return err
			},
			Judge: served},
	}
}
