package attempt

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// harmless is the mode of files that may be opened without a thought. Opening a
// pipe, a socket or a device can act on whoever is at the other end.
func harmless(name string, mode fs.FileMode) bool {
	switch name {
	case "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom":
		return true
	}
	return mode.IsRegular() || mode.IsDir()
}

// Opening does not wait, for a file that was changed meanwhile either, and takes
// no terminal.
const careful = syscall.O_NONBLOCK | syscall.O_NOCTTY | syscall.O_CLOEXEC

func failed(step string, err error) Answer {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return Answer{Step: step, Skip: err.Error()}
	}
	switch errno {
	case syscall.ETXTBSY:
		return Answer{Done: true, Step: step} // it is being executed; it would be allowed
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EIO, syscall.EINTR, syscall.ENAMETOOLONG, syscall.ENXIO, syscall.ESTALE:
		return Answer{Step: step, Skip: step + ": " + errno.Error()}
	}
	return Answer{Step: step, Errno: int(errno)}
}

// read opens a file and reads one byte, or lists a directory.
func read(name string) Answer {
	info, err := os.Stat(name)
	if err == nil && !harmless(name, info.Mode()) {
		return Answer{Skip: "opening a " + kind(info.Mode()) + " can act on the other end"}
	}
	f, err := os.OpenFile(name, os.O_RDONLY|careful, 0)
	if err != nil {
		return failed("open", err)
	}
	defer f.Close()
	a := identify(f)
	if info, err := f.Stat(); err == nil && info.IsDir() {
		if _, err := f.Readdirnames(1); err != nil && err != io.EOF {
			return failed("list", err)
		}
		a.Step = "list"
		return a
	}
	if strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/sys/") {
		a.Step = "open" // to read from some files there takes what somebody else waits for
		return a
	}
	if _, err := f.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return failed("read", err)
	}
	a.Step = "read"
	return a
}

// write opens a file that is there for writing, and changes nothing. One that is
// not there, and one in a directory that is named, is made and removed again.
func write(name string) Answer {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return create(filepath.Join(name, "bailey-test-"+strconv.FormatUint(rand.Uint64(), 16)))
	case err == nil && !harmless(name, info.Mode()):
		return Answer{Skip: "opening a " + kind(info.Mode()) + " can act on the other end"}
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(name); err == nil {
			return Answer{Skip: "it is a symbolic link to nothing"}
		}
		if _, err := os.Stat(filepath.Dir(name)); errors.Is(err, fs.ErrNotExist) {
			return failed("look at the directory", err)
		}
		return create(name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|careful, 0)
	if err != nil {
		return failed("open for writing", err)
	}
	defer f.Close()
	a := identify(f)
	a.Step = "open for writing"
	return a
}

// create makes a file where none is, and removes it. The directory gets its time
// back, as far as the box may set it: builds go by it.
func create(name string) Answer {
	if dir, err := os.Stat(filepath.Dir(name)); err == nil {
		defer os.Chtimes(filepath.Dir(name), time.Time{}, dir.ModTime())
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|careful, 0o600)
	if err != nil {
		return failed("create", err)
	}
	defer f.Close()
	a := Answer{Done: true, Step: "create"}
	if removed := remove(name, f); !removed {
		a.Left = name
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		in := identify(dir)
		a.Dev, a.Ino = in.Dev, in.Ino
		dir.Close()
	}
	return a
}

// remove removes the file that was just made, and not another one that has taken
// its name since.
func remove(name string, f *os.File) bool {
	made, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(name)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(made, there) && os.Remove(name) == nil
}

func identify(f *os.File) Answer {
	a := Answer{Done: true}
	if info, err := f.Stat(); err == nil {
		a.Dev, a.Ino = Identity(info)
	}
	return a
}

// Identity is the device and inode number of a file.
func Identity(info fs.FileInfo) (dev, ino uint64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(st.Dev), st.Ino
}

func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// env looks at a variable.
func env(name string) Answer {
	if _, ok := os.LookupEnv(name); ok {
		return Answer{Done: true, Step: "look at the environment"}
	}
	return Answer{Step: "look at the environment", Errno: int(syscall.ENOENT)}
}
