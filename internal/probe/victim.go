//go:build linux

package probe

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// victim is a process outside.
type victim struct {
	pid  int
	addr string // where its secret lies in its memory, in hex
	cmd  *exec.Cmd
}

// victimFD is the victim's descriptor of a file with its secret.
const victimFD = 3

// startVictim starts one. It lives until its input ends, which is when this
// process is gone, or until the janitor ends it.
func startVictim(h *host, token string) (*victim, error) {
	c := exec.Command(h.Bin, verbVictim, "word-"+token) // others see its command line
	c.Dir, c.Env = h.Out, append(h.Env, "VICTIM_SECRET="+token)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	held, err := os.OpenFile(filepath.Join(h.Out, "victim-"+random(8)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if _, err := held.WriteString(token + "\n"); err != nil {
		return nil, err
	}
	c.ExtraFiles = []*os.File{held}
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	_ = stdin // kept open by c, and so by this process
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.Process.Kill()
		c.Wait()
		return nil, fmt.Errorf("victim: %w", err)
	}
	return &victim{pid: c.Process.Pid, addr: strings.TrimSpace(addr), cmd: c}, nil
}

// state is the process's state as /proc prints it: S, R, T (stopped), Z, or "gone".
func (v *victim) state() string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(v.pid) + "/stat")
	if err != nil {
		return "gone"
	}
	if i := bytes.LastIndexByte(b, ')'); i >= 0 && i+2 < len(b) {
		return string(b[i+2 : i+3])
	}
	return "gone"
}

// victimMain is such a process.
func victimMain() int {
	// A debugger may attach, whatever the machine's setting: what is probed is the
	// sandbox.
	unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0)
	secret := []byte(os.Getenv("VICTIM_SECRET"))
	fmt.Printf("%x\n", uintptr(unsafe.Pointer(unsafe.SliceData(secret))))
	io.Copy(io.Discard, os.Stdin)
	keepAlive(secret)
	return 0
}

//go:noinline
func keepAlive(b []byte) { _ = len(b) }
