package bailey

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/bailey-run/bailey/internal/linux"
)

// direct is the backend without walls, for mode danger-full-access: plain
// processes, killed when the box is closed as far as they can be found.
type direct struct {
	mu     sync.Mutex // guards what follows
	procs  map[*directProcess]struct{}
	closed bool
}

type directProcess struct {
	*os.Process
	d *direct
}

func (p *directProcess) pid() int           { return p.Pid }
func (p *directProcess) terminal() *os.File { return nil }

// signalGroup reaches the process only: its group is this process's own.
func (p *directProcess) signalGroup(s os.Signal) error { return p.Signal(s) }

func (p *directProcess) Wait() (*os.ProcessState, error) {
	st, err := p.Process.Wait()
	p.d.mu.Lock()
	delete(p.d.procs, p)
	p.d.mu.Unlock()
	return st, err
}

func (d *direct) Start(c *linux.Command) (process, error) {
	path, err := lookPath(c)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, ErrClosed
	}
	files := []*os.File{c.Stdin, c.Stdout, c.Stderr}
	for i, f := range files {
		if f == nil {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return nil, err
			}
			defer null.Close()
			files[i] = null
		}
	}
	proc, err := os.StartProcess(path, c.Args, &os.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files})
	if err != nil {
		errno := syscall.EINVAL
		if e, ok := err.(*os.PathError); ok {
			errno, _ = e.Err.(syscall.Errno)
		}
		return nil, &linux.ExecError{Path: path, Errno: errno}
	}
	p := &directProcess{Process: proc, d: d}
	d.procs[p] = struct{}{}
	return p, nil
}

func (d *direct) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for p := range d.procs {
		p.Kill()
	}
	return nil
}

func (d *direct) Report() linux.Report { return linux.Report{Tier: string(TierNone)} }

// lookPath finds the program as the launcher does inside a box: in PATH of the
// command's own environment.
func lookPath(c *linux.Command) (string, error) {
	if strings.Contains(c.Path, "/") {
		if filepath.IsAbs(c.Path) {
			return c.Path, nil
		}
		return filepath.Join(c.Dir, c.Path), nil
	}
	var path string
	for _, kv := range c.Env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	errno := syscall.ENOENT
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue // as package os/exec: a program of the working directory is never meant
		}
		p := filepath.Join(dir, c.Path)
		if st, err := os.Stat(p); err == nil && !st.IsDir() {
			if st.Mode()&0o111 != 0 {
				return p, nil
			}
			errno = syscall.EACCES
		}
	}
	return "", &linux.ExecError{Path: c.Path, Errno: errno}
}
