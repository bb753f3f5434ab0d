//go:build linux

package probe

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// terminalProbes reach for the terminal that a person sits at.
func terminalProbes() []Probe {
	const (
		paste   = "what is pasted next is the attacker's"
		answers = "the terminal's answer is typed into the next program, a shell, as a person's input"
		acts    = "terminals open, fetch and store what a sequence tells them to"
	)
	return []Probe{
		sequence("osc52", "set the clipboard (OSC 52)", paste, "\x1b]52;c;%s\x07"),
		sequence("osc52-c1", "set the clipboard with 8-bit controls", paste, "\u009d52;c;%s\u009c"),
		sequence("osc52-split", "set the clipboard in the middle of another sequence", paste, "\x1b[31\x1b]52;c;%s\x1b\\"),
		sequence("osc52-read", "ask for the clipboard", "the answer is its content", "%s\x1b]52;c;?\x07"),
		sequence("kitty-clipboard", "set the clipboard (OSC 5522)", paste, "\x1b]5522;type=write;%s\x1b\\"),
		sequence("passthrough", "set the clipboard through a multiplexer", paste, "\x1bPtmux;\x1b\x1b]52;c;%s\x07\x1b\\"),
		sequence("title-report", "have the title typed (CSI 21 t)", answers, "%s\x1b[21t"),
		sequence("status-report", "have a setting typed (DECRQSS)", answers, "%s\x1bP$q\"p\x1b\\"),
		sequence("answerback", "have the answerback typed (ENQ)", answers, "%s\x05"),
		sequence("font-report", "have the font's name typed (OSC 50)", answers, "%s\x1b]50;?\x07"),
		sequence("file-transfer", "store a file by the terminal (OSC 1337)", acts, "\x1b]1337;File=name=%s:eA==\x07"),
		sequence("graphics", "read a file by the terminal (APC G)", acts, "\x1b_Gt=f;%s\x1b\\"),
		sequence("keys", "give keys new meanings (DECUDK)", "a key that you press types the attacker's text", "\x1bP1;1|17/%s\x1b\\"),
		sequence("media-copy", "print the screen (CSI 5 i)", acts, "%s\x1b[5i"),
		typing("sti", "type into the terminal (TIOCSTI)", unix.TIOCSTI),
		typing("sti-high", "type into the terminal with high bits in the request", unix.TIOCSTI|1<<32),
		ioctlProbe("sti-refused", "ask to type into a terminal (TIOCSTI)", unix.TIOCSTI),
		ioctlProbe("linux-refused", "ask for the console's selection (TIOCLINUX)", 0x541c),
		ioctlProbe("linux-high-refused", "ask for the console's selection with high bits in the request", 0x541c|0xffff<<32),
		ioctlProbe("console-refused", "ask for the console's output (TIOCCONS)", 0x541d),
		otherTerminal(),
		{ID: "terminal.console", Severity: Boundary, NeedsRoot: true, Title: "open the machine's console", Why: "what is written there a person at the machine reads and believes", Wall: "a /dev of its own", Fix: "run without host root",
			Needs: func(*Case) string {
				if os.Geteuid() != 0 {
					return ""
				}
				fd, err := unix.Open("/dev/console", unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
				if err != nil {
					return notEvenRoot + err.Error()
				}
				unix.Close(fd)
				return ""
			},
			Attack: func(*Inside) error {
				fd, err := unix.Open("/dev/console", unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
				unix.Close(fd)
				return err
			}},
	}
}

// sequence writes a control sequence with the nonce in it and looks whether it
// reached the outer terminal.
func sequence(id, title, why, format string) Probe {
	return Probe{ID: "terminal." + id, Severity: Boundary, Scene: sceneTTY, Title: title, Why: why, Wall: "the terminal's output is filtered", Fix: "let the output go to a file or a pipe",
		Plant: func(c *Case) error { c.Args["sequence"] = fmt.Sprintf(format, c.Nonce); return nil },
		Attack: func(in *Inside) error {
			_, err := os.Stderr.WriteString(in.Args["sequence"])
			return err
		},
		Judge: func(c *Case, _ *Report) (bool, string) {
			if c.screen != nil && c.screen.shows([]byte(strings.TrimSuffix(c.Args["sequence"], "\n"))) {
				return true, "the sequence reached the terminal outside"
			}
			return false, ""
		}}
}

// typing puts the nonce into the input of the terminal, and the host looks
// whether it lies there. Since Linux 6.2 only root can, where nothing else holds it.
func typing(id, title string, req uint64) Probe {
	return Probe{ID: "terminal." + id, Severity: Boundary, Scene: sceneTTY, NeedsRoot: true, Title: title, Why: "your shell runs what is typed as soon as the box has ended", Wall: "the box has a terminal of its own, the call is refused", Fix: "sysctl dev.tty.legacy_tiocsti=0",
		Needs: func(*Case) string {
			if b, _ := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); len(b) > 0 && b[0] == '0' && os.Geteuid() == 0 && !capable(unix.CAP_SYS_ADMIN) {
				return "this kernel refuses it to everybody here"
			}
			return ""
		},
		Attack: func(in *Inside) error {
			var last error = errHeld
			for fd := range 3 {
				for i := range len(in.Nonce) {
					b := in.Nonce[i]
					_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(&b)))
					if e != 0 {
						last = e
						break
					}
					last = nil
				}
				if last == nil {
					return nil
				}
			}
			return last
		},
		Judge: func(c *Case, _ *Report) (bool, string) {
			if c.screen != nil && bytes.Contains(c.screen.typed(), []byte(c.Nonce)) {
				return true, "what the probe typed lies in the input of the terminal outside"
			}
			return false, ""
		}}
}

// capable says whether this process has a capability.
func capable(which uint) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	return data[which/32].Effective&(1<<(which%32)) != 0
}

// ioctlProbe makes a request that no terminal is needed for: a filter refuses it
// before the kernel finds that.
func ioctlProbe(id, title string, req uint64) Probe {
	return Probe{ID: "terminal." + id, Severity: Hardening, Title: title, Why: "a terminal that comes into the box by another way must not be typed into either", Wall: "syscall allow list, compared on the low 32 bits", Fix: "run with a tier that filters system calls",
		Attack: func(*Inside) error {
			fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			b := byte('x')
			if _, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(unsafe.Pointer(&b))); e == unix.EPERM || e == unix.EACCES || e == unix.ENOSYS {
				return e
			}
			return nil
		}}
}

// otherTerminal writes to a terminal outside that has nothing to do with the box.
func otherTerminal() Probe {
	return Probe{ID: "terminal.other", Severity: Boundary, Title: "write to another terminal of yours", Why: "what appears there you believe, and sequences act there", Wall: "a /dev/pts of its own, Landlock", Fix: "do not run in mode danger-full-access", Weaker: "terminals of yours",
		Plant: func(c *Case) error {
			m, s, err := openPTY()
			if err != nil {
				return err
			}
			c.peer = m
			c.held = append(c.held, m, s)
			n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
			c.Args["terminal"] = fmt.Sprintf("/dev/pts/%d", n)
			return err
		},
		Attack: func(in *Inside) error {
			fd, err := unix.Open(in.Args["terminal"], unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			_, err = unix.Write(fd, []byte(in.Nonce))
			return err
		}, Judge: arrived}
}
