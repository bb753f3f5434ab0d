//go:build linux

package walls

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// makeName tries every way to make arg, a path in the workspace, and says which
// worked. Outside all must: there it fails when one did not.
func makeName(w *world, arg string) error {
	inside := os.Getenv("BAILEY") != ""
	if err := os.Chdir(w.WS); err != nil {
		return err
	}
	os.MkdirAll(filepath.Dir(arg), 0o755)
	dir, base := filepath.Dir(arg), filepath.Base(arg)
	dirfd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		dirfd = -1 // the parent is protected itself and could not be made
	}
	src := fmt.Sprintf("src%d", os.Getpid())
	fresh := func() { os.WriteFile(src, nil, 0o644) }
	gone := func() { os.RemoveAll(src) }
	freshDir := func() { os.Mkdir(src, 0o755); os.WriteFile(src+"/x", nil, 0o644) }
	creat := func(path string) error {
		fd, err := unix.Open(path, unix.O_CREAT|unix.O_WRONLY, 0o644)
		unix.Close(fd)
		return err
	}
	// Of the unknown, the plan's own names may be directories that only hold a
	// protected one: those may be made empty.
	ways := []struct {
		name string
		do   func() error
	}{
		{"open", func() error { return creat(arg) }},
		{"openat", func() error {
			fd, err := unix.Openat(dirfd, base, unix.O_CREAT|unix.O_RDWR|unix.O_EXCL, 0o644)
			unix.Close(fd)
			return err
		}},
		{"read-only create", func() error {
			fd, err := unix.Open(arg, unix.O_CREAT|unix.O_RDONLY, 0o644)
			unix.Close(fd)
			return err
		}},
		{"mknod", func() error { return unix.Mknod(arg, unix.S_IFREG|0o644, 0) }},
		{"fifo", func() error { return unix.Mkfifo(arg, 0o644) }},
		{"symlink", func() error { return os.Symlink("/etc/passwd", arg) }},
		{"symlinkat", func() error { return unix.Symlinkat("x", dirfd, base) }},
		{"link", func() error { fresh(); return os.Link(src, arg) }},
		{"linkat", func() error { fresh(); return unix.Linkat(unix.AT_FDCWD, src, dirfd, base, 0) }},
		{"rename", func() error { fresh(); return syscall.Rename(src, arg) }},
		{"rename directory", func() error { freshDir(); return syscall.Rename(src, arg) }},
		{"renameat2", func() error {
			fresh()
			return unix.Renameat2(unix.AT_FDCWD, src, dirfd, base, unix.RENAME_NOREPLACE)
		}},
		{"tmpfile", func() error {
			fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_RDWR, 0o644)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, arg, unix.AT_SYMLINK_FOLLOW)
		}},
		{"proc cwd", func() error { return creat("/proc/self/cwd/" + arg) }},
		{"proc root", func() error { return creat("/proc/self/root" + w.WS + "/" + arg) }},
		{"proc pid", func() error { return creat(fmt.Sprintf("/proc/%d/cwd/%s", os.Getpid(), arg)) }},
		{"dev fd", func() error { return creat(fmt.Sprintf("/dev/fd/%d/%s", dirfd, base)) }},
		{"proc fd", func() error { return creat(fmt.Sprintf("/proc/thread-self/fd/%d/./%s", dirfd, base)) }},
		{"dots", func() error { return creat("./some/../" + arg) }},
		{"slashes", func() error { return creat(w.WS + "//" + dir + "///./" + base) }},
		{"long", func() error { return creat(strings.Repeat("./", 1000) + arg) }},
		{"via link", func() error {
			if err := os.Symlink(w.WS+"/"+arg, src); err != nil {
				return err
			}
			return creat(src)
		}},
		{"via two links", func() error {
			defer os.Remove(src + "d")
			if err := os.Symlink(dir, src+"d"); err != nil {
				return err
			}
			if err := os.Symlink(src+"d/"+base, src); err != nil {
				return err
			}
			return creat(src)
		}},
		{"chdir", func() error {
			if err := os.Chdir(dir); err != nil {
				return err
			}
			defer os.Chdir(w.WS)
			return creat(base)
		}},
	}
	var worked, failed []string
	for _, way := range ways {
		err := way.do()
		gone()
		if err == nil {
			worked = append(worked, way.name)
			os.RemoveAll(arg)
		} else {
			failed = append(failed, way.name+": "+err.Error())
		}
	}
	if dirfd >= 0 {
		unix.Close(dirfd)
	}
	if inside && len(worked) > 0 || !inside && len(failed) == 0 {
		fmt.Print(worked)
		return nil
	}
	return fmt.Errorf("%q", failed)
}

var changesOf = []string{"write", "append", "read-write", "truncate", "open truncate", "unlink", "rename away", "rename over", "exchange", "link away", "reopen", "o_path", "move parent", "chmod +x", "setxattr", "swap parent", "via child"}

// changeName changes arg, which exists, in one way: "how|path".
func changeName(w *world, arg string) error {
	how, path, _ := strings.Cut(arg, "|")
	if err := os.Chdir(w.WS); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil // it is gone
	}
	restore := func() { os.MkdirAll(filepath.Dir(path), 0o755); os.Remove(path); os.WriteFile(path, old, 0o644) }
	defer func() {
		if os.Getenv("BAILEY") == "" {
			restore()
		}
	}()
	tmp := fmt.Sprintf("tmp%d", os.Getpid())
	defer os.RemoveAll(tmp)
	put := func(p string, flags int) error {
		f, err := os.OpenFile(p, flags, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("evil\n")
		return err
	}
	switch how {
	case "write":
		return put(path, os.O_WRONLY)
	case "append":
		return put(path, os.O_WRONLY|os.O_APPEND)
	case "read-write":
		return put(path, os.O_RDWR|os.O_CREATE)
	case "truncate":
		return unix.Truncate(path, 1)
	case "open truncate":
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_TRUNC, 0)
		unix.Close(fd)
		return err
	case "unlink":
		return os.Remove(path)
	case "rename away":
		return syscall.Rename(path, tmp)
	case "rename over":
		if err := os.WriteFile(tmp, []byte("[core]\n\tfsmonitor = evil\n"), 0o644); err != nil {
			return err
		}
		return syscall.Rename(tmp, path)
	case "exchange":
		if err := os.WriteFile(tmp, []byte("evil"), 0o644); err != nil {
			return err
		}
		return unix.Renameat2(unix.AT_FDCWD, tmp, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	case "link away":
		if err := os.Link(path, tmp); err != nil {
			return err
		}
		return put(tmp, os.O_WRONLY)
	case "reopen":
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return put(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY)
	case "o_path":
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return put(fmt.Sprintf("/dev/fd/%d", fd), os.O_WRONLY|os.O_CREATE)
	case "via child":
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := os.Chdir("/proc/self/fd"); err != nil {
			return err
		}
		defer os.Chdir(w.WS)
		return put(fmt.Sprint(f.Fd()), os.O_WRONLY)
	case "move parent":
		top, rest, ok := strings.Cut(path, "/")
		if !ok {
			return put(path, os.O_WRONLY)
		}
		if err := syscall.Rename(top, tmp); err != nil {
			return err
		}
		defer syscall.Rename(tmp, top)
		return put(tmp+"/"+rest, os.O_WRONLY)
	case "swap parent":
		dir := filepath.Dir(path)
		if dir == "." {
			return put(path, os.O_WRONLY)
		}
		if err := os.Mkdir(tmp, 0o755); err != nil {
			return err
		}
		if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, tmp, unix.RENAME_EXCHANGE); err != nil {
			return err
		}
		defer unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, tmp, unix.RENAME_EXCHANGE)
		// Directories above it may move; the file must be held wherever it is.
		return put(tmp+"/"+filepath.Base(path), os.O_WRONLY)
	case "chmod +x":
		return os.Chmod(path, 0o755)
	case "setxattr":
		return unix.Setxattr(path, "user.walls", []byte("x"), 0)
	}
	return errors.New("no such attack: " + how)
}

// raceFor is how long each race runs. The window of a check that looks first and
// acts later is a few microseconds: a broken one loses within milliseconds.
const raceFor = 600 * time.Millisecond

// race runs one thread that names things and another that changes what the names
// mean, and says whether a protected name or a file outside was ever reached.
func race(w *world, how string) error {
	if err := os.Chdir(w.WS); err != nil {
		return err
	}
	dir := fmt.Sprintf("race%d", os.Getpid())
	if err := os.MkdirAll(dir+"/a/b", 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chdir(dir); err != nil {
		return err
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	loop := func(f func(i int)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; !stop.Load(); i++ {
				f(i)
			}
		}()
	}
	var lost error = errHeld
	bad := func() bool {
		for _, p := range []string{".envrc", "a/.envrc", "a/b/.envrc", ".git", "a/.git"} {
			if _, err := os.Lstat(p); err == nil {
				return true
			}
		}
		return false
	}
	switch how {
	case "buffer":
		var buf [16]byte
		p := (*uint64)(unsafe.Pointer(&buf[0]))
		good, evil := word("fine.x"), word(".envrc")
		loop(func(i int) { atomic.StoreUint64(p, good); atomic.StoreUint64(p, evil) })
		loop(func(i int) {
			fd, _, e := unix.Syscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(p)), unix.O_CREAT|unix.O_WRONLY, 0o644, 0, 0)
			if e == 0 {
				unix.Close(int(fd))
			}
			unix.Unlink("fine.x")
		})
	case "symlink":
		loop(func(i int) {
			os.Remove("l")
			os.Symlink([]string{"a", w.Out, "../../.vscode", "../.git/hooks"}[i%4], "l")
		})
		loop(func(i int) {
			if f, err := os.OpenFile("l/file", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644); err == nil {
				f.Close()
			}
			os.Mkdir("l/evil", 0o755)
			os.WriteFile("l/settings.json", []byte("evil"), 0o644)
		})
	case "directory":
		loop(func(i int) { syscall.Rename("a/b", "c"); syscall.Rename("c", "a/b") })
		loop(func(i int) {
			os.WriteFile("a/b/../.envrc", nil, 0o644)
			os.WriteFile("c/../../../.envrc.x/../.envrc", nil, 0o644)
			os.Mkdir("a/b/.git", 0o755)
			syscall.Rename("a/b", ".git")
		})
		loop(func(i int) { os.WriteFile("a/b/../../../../../../../../out/evil", nil, 0o644) })
	case "descriptor":
		inside, err := unix.Open("a", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil
		}
		hooks, err := unix.Open("../.git/hooks", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil
		}
		const fd = 200
		loop(func(i int) { unix.Dup2(inside, fd); unix.Dup2(hooks, fd) })
		loop(func(i int) {
			if f, err := unix.Openat(fd, "post-commit", unix.O_CREAT|unix.O_WRONLY, 0o755); err == nil {
				unix.Close(f)
			}
		})
		defer func() {
			if _, err := os.Lstat("../.git/hooks/post-commit"); err == nil {
				lost = nil
			}
		}()
	}
	for end := time.Now().Add(raceFor); time.Now().Before(end); {
		if bad() {
			lost = nil
		}
	}
	stop.Store(true)
	wg.Wait()
	return lost
}

func word(s string) uint64 {
	var b [8]byte
	copy(b[:], s)
	return *(*uint64)(unsafe.Pointer(&b))
}

// denied reads what a deny pattern hides: "how|path". What is read must hold the
// canary.
func denied(w *world, arg string) error {
	how, path, _ := strings.Cut(arg, "|")
	if err := os.Chdir(w.WS); err != nil {
		return err
	}
	tmp := fmt.Sprintf("tmp%d", os.Getpid())
	defer os.RemoveAll(tmp)
	from := func(fd int, err error) error {
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		b := make([]byte, 64)
		n, err := unix.Read(fd, b)
		if err != nil {
			return err
		}
		return holds(b[:n])
	}
	top, rest, _ := strings.Cut(path, "/")
	switch how {
	case "open":
		return from(unix.Open(path, unix.O_RDONLY, 0))
	case "read-write":
		return from(unix.Open(path, unix.O_RDWR, 0))
	case "nonblock":
		return from(unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME, 0))
	case "openat":
		dir, err := unix.Open(filepath.Dir(path), unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return from(unix.Openat(dir, filepath.Base(path), unix.O_RDONLY, 0))
	case "openat2":
		return from(unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{}))
	case "proc cwd":
		return from(unix.Open("/proc/self/cwd/"+path, unix.O_RDONLY, 0))
	case "o_path":
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return from(unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0))
	case "o_path task":
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return from(unix.Open(fmt.Sprintf("/proc/%d/task/%d/../../fd/%d", os.Getpid(), unix.Gettid(), fd), unix.O_RDONLY, 0))
	case "o_path chdir":
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		if err := os.Chdir("/proc/self/fd"); err != nil {
			return err
		}
		return from(unix.Open(fmt.Sprint(fd), unix.O_RDONLY, 0))
	case "o_path empty":
		fd, err := unix.Open(path, unix.O_PATH, 0)
		if err != nil {
			return err
		}
		return from(unix.Openat2(fd, "", &unix.OpenHow{}))
	case "symlink":
		if err := os.Symlink(w.WS+"/"+path, tmp); err != nil {
			return err
		}
		return from(unix.Open(tmp, unix.O_RDONLY, 0))
	case "hard link":
		if err := os.Link(path, tmp); err != nil {
			return err
		}
		return from(unix.Open(tmp, unix.O_RDONLY, 0))
	case "rename":
		if err := syscall.Rename(path, tmp); err != nil {
			return err
		}
		defer syscall.Rename(tmp, path)
		return from(unix.Open(tmp, unix.O_RDONLY, 0))
	case "parent":
		if rest == "" {
			return denied(w, "open|"+path)
		}
		if err := syscall.Rename(top, tmp); err != nil {
			return err
		}
		defer syscall.Rename(tmp, top)
		return from(unix.Open(tmp+"/"+rest, unix.O_RDONLY, 0))
	case "exec":
		// An interpreter is given the file's name and opens it itself.
		out, err := exec.Command("sh", path).CombinedOutput()
		if e := holds(out); e == nil {
			return nil
		}
		return fmt.Errorf("%q: %w", out, errors.Join(err, errHeld))
	case "copy":
		out, err := exec.Command("cp", path, tmp).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return from(unix.Open(tmp, unix.O_RDONLY, 0))
	case "made inside":
		// A name that is hidden cannot be made either, then filled and read.
		p := filepath.Join(filepath.Dir(path), "new", filepath.Base(path))
		os.MkdirAll(filepath.Dir(p), 0o755)
		defer os.RemoveAll(filepath.Dir(p))
		if err := os.WriteFile(p, []byte(canary), 0o644); err != nil {
			return err
		}
		return from(unix.Open(p, unix.O_RDONLY, 0))
	}
	return errors.New("no such attack: " + how)
}
