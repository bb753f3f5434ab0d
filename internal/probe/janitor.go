//go:build linux

package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// janitor is a process outside the box that holds the other end of a pipe. When the
// pipe ends, because the run is done or because this process is gone, it ends
// every process of the run and removes everything that was planted.
type janitor struct {
	mu  sync.Mutex
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// inRun is a variable of all processes that a run starts outside of the box. A program
// that embeds this package and forgets to call Hidden would start itself again and
// again.
const inRun = "BAILEY_PROVE_RUN"

func startJanitor(self string) (*janitor, error) {
	c := exec.Command(self, verbJanitor)
	c.Dir = "/"
	c.Env = append(os.Environ(), inRun+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // the terminal's signals are not for it
	in, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start the janitor: %w", err)
	}
	j := &janitor{cmd: c, in: in, out: bufio.NewReader(out)}
	if line, err := j.out.ReadString('\n'); err != nil || line != "ready\n" {
		in.Close()
		c.Wait()
		return nil, errors.New("start the janitor: it does not answer")
	}
	return j, nil
}

// tell tells it what to remove, and waits until it knows.
func (j *janitor) tell(kind, what string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.ContainsAny(what, "\n\x00") {
		return fmt.Errorf("tell the janitor: %q is no name", what)
	}
	if _, err := fmt.Fprintf(j.in, "%s %s\n", kind, what); err != nil {
		return fmt.Errorf("tell the janitor: %w", err)
	}
	if _, err := j.out.ReadString('\n'); err != nil {
		return fmt.Errorf("tell the janitor: %w", err)
	}
	return nil
}

// finish lets it clean up and waits until it has.
func (j *janitor) finish() error {
	j.in.Close()
	rest, _ := io.ReadAll(io.LimitReader(j.out, maxErr))
	if err := j.cmd.Wait(); err != nil {
		return fmt.Errorf("clean up: %w: %s", err, bytes.TrimSpace(rest))
	}
	return nil
}

// janitorMain is that process.
func janitorMain() int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	os.Stdout.WriteString("ready\n")
	in := bufio.NewReader(os.Stdin)
	type thing struct{ kind, what string }
	var list []thing
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break
		}
		kind, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if kind == "dir" && !isScratch(what) {
			fmt.Fprintf(os.Stderr, "%q is no scratch directory\n", what)
			break
		}
		list = append(list, thing{kind, what})
		os.Stdout.WriteString("ok\n")
	}
	failed := 0
	for _, t := range list {
		if t.kind == "dir" {
			endProcesses(t.what)
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		if err := removeThing(list[i].kind, list[i].what); err != nil {
			fmt.Println(err)
			failed = 1
		}
	}
	return failed
}

// removeThing removes one thing. What is gone already is no error.
func removeThing(kind, what string) error {
	id := -1
	switch kind {
	case "shm", "sem", "msg", "shmkey":
		n, err := strconv.Atoi(what)
		if err != nil || n < 0 || kind == "shmkey" && n == 0 {
			return fmt.Errorf("%s %q is not ours", kind, what)
		}
		id = n
	}
	switch kind {
	case "dir":
		if !isScratch(what) {
			return fmt.Errorf("%q is not ours", what)
		}
		unmount(what)
		for end := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			removeAll(what)
			if _, err := os.Lstat(what); err != nil {
				return nil
			}
			if time.Now().After(end) {
				return fmt.Errorf("%s cannot be removed", what)
			}
		}
	case "file":
		if dir, name := filepath.Split(what); dir != "/dev/shm/" && dir != "/tmp/" || !strings.HasPrefix(name, "bailey-prove-") {
			return fmt.Errorf("%q is not ours", what)
		}
		if err := os.Remove(what); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	case "shm":
		unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	case "shmkey": // by the key it would have been made with
		if id, err := unix.SysvShmGet(id, 0, 0); err == nil {
			unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
	case "sem":
		unix.Syscall6(unix.SYS_SEMCTL, uintptr(id), 0, unix.IPC_RMID, 0, 0, 0)
	case "msg":
		unix.Syscall(unix.SYS_MSGCTL, uintptr(id), unix.IPC_RMID, 0)
	case "mq":
		if !strings.HasPrefix(what, "bailey-prove-") {
			return fmt.Errorf("%q is not ours", what)
		}
		if name, err := unix.BytePtrFromString(what); err == nil {
			mqUnlink(name)
		}
	}
	return nil
}

// scratchName begins the name of a scratch directory; 16 hex digits follow.
const scratchName = ".bailey-prove-"

// isScratch says whether a path is that of a scratch directory, or lies below one.
// Whatever ends, removes or unmounts by a path asks first: an empty or a cut one
// would name everything there is.
func isScratch(dir string) bool {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir {
		return false
	}
	for word := range strings.SplitSeq(dir, "/") {
		rest, found := strings.CutPrefix(word, scratchName)
		if found && len(rest) == 16 && strings.Trim(rest, "0123456789abcdef") == "" {
			return true
		}
	}
	return false
}

// endGroup ends the process group that pid leads. Anything but a process that was
// started is refused: 0, 1 and -1 mean others to the kernel.
func endGroup(pid int) error {
	if pid <= 1 || pid == os.Getpid() {
		return fmt.Errorf("end process group %d: not ours", pid)
	}
	return unix.Kill(-pid, unix.SIGKILL)
}

// unmount takes away what an attack has mounted in the scratch.
func unmount(dir string) {
	if !isScratch(dir) {
		return
	}
	b, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}

// processesOf are the processes that carry the scratch directory's name, which has
// 64 random bits, in their command line, environment or working directory.
func processesOf(dir string) []int {
	if !isScratch(dir) {
		return nil
	}
	entries, _ := os.ReadDir("/proc")
	var list []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid > 1 && pid != os.Getpid() && carries(pid, dir) {
			list = append(list, pid)
		}
	}
	return list
}

// carries says whether a process carries the scratch directory's name.
func carries(pid int, dir string) bool {
	for _, f := range [...]string{"/cmdline", "/environ"} {
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + f); err == nil && bytes.Contains(b, []byte(dir)) {
			return true
		}
	}
	return false
}

// endProcess ends a process if it carries the name while its number is held: it
// may have ended, and the number be another's.
func endProcess(pid int, dir string) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return carries(pid, dir) && unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// endProcesses ends them, until there is none.
func endProcesses(dir string) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		live := 0
		for _, pid := range processesOf(dir) {
			if endProcess(pid, dir) {
				live++
			}
		}
		if live == 0 {
			return
		}
	}
}
