//go:build linux

package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// networkProbes connect to what listens outside. Nothing is sent further than the
// machine's own loopback.
func networkProbes() []Probe {
	const (
		why  = "services on localhost trust whoever reaches them"
		wall = "a network namespace of its own"
	)
	p := func(id, title, kind string, attack func(*Inside) error) Probe {
		return Probe{ID: "network." + id, Severity: Boundary, Title: title, Why: why, Wall: wall, Fix: fixFull,
			Plant: listenOn(kind), Attack: attack, Judge: heard}
	}
	six := func(q Probe) Probe {
		q.Needs = func(c *Case) string {
			if _, err := c.listener("tcp6"); err != nil {
				return "this machine has no IPv6: " + err.Error()
			}
			return ""
		}
		return q
	}
	port := func(in *Inside) string {
		return in.Args["address"][strings.LastIndexByte(in.Args["address"], ':')+1:]
	}
	to := func(kind, host string) func(*Inside) error {
		return func(in *Inside) error { return dialTo(in, kind, host+":"+port(in)) }
	}
	needs := func(q Probe, family, kind, proto int, what string) Probe {
		q.Needs = func(*Case) string {
			if err := makeSocket(family, kind, proto); err != nil {
				return "this machine has no " + what + ": " + err.Error()
			}
			return ""
		}
		return q
	}
	udp := func(in *Inside) (int, unix.Sockaddr, error) { return socketFor("udp4", in.Args["address"]) }
	return []Probe{
		p("tcp4-loopback", "connect to 127.0.0.1", "tcp4", dial),
		six(p("tcp6-loopback", "connect to ::1", "tcp6", dial)),
		p("udp4-loopback", "send a packet to 127.0.0.1", "udp4", dial),
		six(p("udp6-loopback", "send a packet to ::1", "udp6", dial)),
		p("any-address", "connect to 0.0.0.0", "tcp4", to("tcp4", "0.0.0.0")),
		six(p("any-address6", "connect to ::", "tcp6", to("tcp6", "[::]"))),
		p("mapped", "connect to an IPv4 address in an IPv6 one", "tcp4", to("tcp6", "[::ffff:127.0.0.1]")),
		p("nonblocking", "connect without waiting", "tcp4", func(in *Inside) error {
			fd, sa, err := socketFor("tcp4", in.Args["address"])
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			unix.SetNonblock(fd, true)
			if err := unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
				return err
			}
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if _, err := unix.Poll(fds, 1000); err != nil {
				return err
			}
			_, err = unix.Write(fd, []byte(in.Nonce))
			return err
		}),
		needs(p("fast-open", "send data along with the connection (TCP fast open)", "tcp4", func(in *Inside) error {
			fd, sa, err := socketFor("tcp4", in.Args["address"])
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, []byte(in.Nonce), unix.MSG_FASTOPEN, sa)
		}), unix.AF_INET, unix.SOCK_STREAM, 0, "TCP"),
		needs(p("mptcp", "connect by Multipath TCP", "tcp4", func(in *Inside) error {
			ap, err := netip.ParseAddrPort(in.Args["address"])
			if err != nil {
				return err
			}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}); err != nil {
				return err
			}
			_, err = unix.Write(fd, []byte(in.Nonce))
			return err
		}), unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP, "Multipath TCP"),
		p("udp-sendto", "send a packet without connecting", "udp4", func(in *Inside) error {
			fd, sa, err := udp(in)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendto(fd, []byte(in.Nonce), 0, sa)
		}),
		p("udp-sendmsg", "send a packet by sendmsg", "udp4", func(in *Inside) error {
			fd, sa, err := udp(in)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Sendmsg(fd, []byte(in.Nonce), nil, sa, 0)
		}),
		p("dns", "carry data out in a question to a name server", "udp4", func(in *Inside) error {
			fd, sa, err := udp(in)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			q := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, byte(len(in.Nonce))}
			q = append(append(q, in.Nonce...), "\x07example\x07invalid\x00\x00\x10\x00\x01"...)
			return unix.Sendto(fd, q, 0, sa)
		}),
		p("other-domain", "connect from a network namespace of one's own making", "tcp4", func(in *Inside) error {
			// A new namespace has a loopback of its own: nothing is reached. What is tried
			// is the socket from before, which stays where it was made.
			fd, sa, err := socketFor("tcp4", in.Args["address"])
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			unix.Unshare(unix.CLONE_NEWNET)
			if err := unix.Connect(fd, sa); err != nil {
				return err
			}
			_, err = unix.Write(fd, []byte(in.Nonce))
			return err
		}),
		rootCan(p("setns", "enter the network namespace of a process outside", "tcp4", func(in *Inside) error {
			fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", victimPID(in)), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return err
			}
			return dial(in)
		}).withVictim().asRoot(), func(*Case) error { return makeSocket(unix.AF_INET, unix.SOCK_STREAM, 0) }),
		needs(Probe{ID: "network.ping", Severity: Boundary, Title: "ping 127.0.0.1", Why: "who can be pinged can be found", Wall: wall + ", syscall filter on protocols", Fix: fixFull, Attack: ping}, unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, "pings for ordinary users"),
		needs(Probe{ID: "network.sctp", Severity: Hardening, Title: "make a socket for SCTP", Why: "modules that hardly anybody uses hold errors that hardly anybody finds", Wall: "syscall filter on protocols", Fix: fixFull,
			Attack: func(*Inside) error { return makeSocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP) }}, unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, "SCTP"),
		needs(Probe{ID: "network.udplite", Severity: Hardening, Title: "make a socket for UDP-Lite", Why: "a filter of TCP and UDP does not see it", Wall: wall + ", syscall filter on protocols", Fix: fixFull,
			Attack: func(*Inside) error { return makeSocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE) }}, unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE, "UDP-Lite"),
		{ID: "network.listen", Severity: Boundary, Title: "listen where a program outside connects to", Why: "a program outside that looks for its server finds the box", Wall: wall, Fix: fixFull,
			Plant: plantCaller, Attack: serve, Judge: served},
		{ID: "network.connections", Severity: Hardening, Title: "see what the machine is connected to", Why: "names of servers and services tell what you work on", Wall: wall, Fix: fixFull, Plant: func(c *Case) error {
			if err := c.Listen("tcp4"); err != nil {
				return err
			}
			ap, err := netip.ParseAddrPort(c.Args["address"])
			c.Token = fmt.Sprintf("0100007F:%04X", ap.Port())
			return err
		}, Weaker: "connections", Attack: func(in *Inside) error {
			b, err := os.ReadFile("/proc/net/tcp")
			if err != nil {
				return err
			}
			for l := range strings.Lines(string(b)) {
				if f := strings.Fields(l); len(f) > 3 && f[3] == "0A" { // those that listen
					in.Loot([]byte(f[1] + "\n"))
				}
			}
			return errHeld
		}, Judge: cameOut},
		{ID: "network.interfaces", Severity: Hardening, Title: "see the machine's network interfaces", Why: "they tell which networks the machine is in", Wall: wall, Fix: fixFull, Needs: func(c *Case) string {
			if otherInterface() == "" {
				return "this machine has only a loopback device"
			}
			return ""
		}, Plant: func(c *Case) error { c.Token = otherInterface(); return nil }, Weaker: "connections", Attack: func(in *Inside) error { return lootFile(in, "/proc/net/dev") }, Judge: cameOut},
	}
}

// asRoot marks a probe that without walls only root can do.
func (p Probe) asRoot() Probe { p.NeedsRoot = true; return p }

// otherInterface is the name of a network interface that is not the loopback, as
// /proc/net/dev has it.
func otherInterface() string {
	b, _ := os.ReadFile("/proc/net/dev")
	for l := range strings.Lines(string(b)) {
		if name, _, ok := strings.Cut(strings.TrimSpace(l), ":"); ok && name != "lo" {
			return name + ":"
		}
	}
	return ""
}

// ping sends an echo request to the loopback and waits for the answer.
func ping(in *Inside) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := append([]byte{8, 0, 0, 0, 0, 0, 0, 1}, in.Nonce...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000})
	_, _, err = unix.Recvfrom(fd, make([]byte, 256), 0)
	return err
}

// plantCaller finds a free port and lets somebody outside connect to it again and
// again: Args["port"].
func plantCaller(c *Case) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	port := sa.(*unix.SockaddrInet4).Port
	c.Args["port"], c.Args["address"] = strconv.Itoa(port), "127.0.0.1:"+strconv.Itoa(port)
	c.called = make(chan struct{})
	go c.call(unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	return nil
}

// call connects to an address, again and again, until the nonce is said there.
func (c *Case) call(family int, sa unix.Sockaddr) {
	for !said(family, sa, c.Nonce) {
		select {
		case <-c.ended:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	close(c.called)
}

// said connects to an address and says whether a word is what is said there.
func said(family int, sa unix.Sockaddr, word string) bool {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 500_000})
	if unix.Connect(fd, sa) != nil {
		return false
	}
	b := make([]byte, 128)
	n, err := unix.Read(fd, b)
	return err == nil && strings.Contains(string(b[:max(n, 0)]), word)
}

// served: somebody outside connected to the probe.
func served(c *Case, r *Report) (bool, string) {
	for range 20 {
		select {
		case <-c.called:
			return true, "a program outside was served by the probe"
		case <-time.After(5 * time.Millisecond):
		}
		if r == nil || !r.Claimed {
			break
		}
	}
	return false, ""
}

// serve listens for somebody outside and says the nonce.
func serve(in *Inside) error {
	port, err := strconv.Atoi(in.Args["port"])
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(fd, 4); err != nil {
		return err
	}
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 400)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if n == 0 {
		return errHeld
	}
	got, _, err := unix.Accept(fd)
	if err != nil {
		return err
	}
	defer unix.Close(got)
	_, err = unix.Write(got, []byte(in.Nonce))
	return err
}

// realtime asks for the lowest of the real-time priorities.
func realtime() error {
	param := binary.NativeEndian.AppendUint32(nil, 1)
	const fifo = 1 // SCHED_FIFO
	if _, _, e := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&param[0]))); e != 0 {
		return e
	}
	return nil
}
