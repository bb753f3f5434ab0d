//go:build unix

package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// PathError says why a file cannot hold the log.
type PathError struct {
	Path string
	Why  string
	Hint string
}

func (e *PathError) Error() string { return fmt.Sprintf("log file %s: %s", e.Path, e.Why) }

// OpenFile opens path for appending and makes it with mode 0600 when it is not
// there. It refuses what somebody inside a box could have prepared or could
// change: a path in one of the writable directories (absolute, without symbolic
// links), a symbolic link, a file with a second name, anything but a regular
// file.
func OpenFile(path string, writable []string) (*os.File, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open file for records: %w", err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return nil, fmt.Errorf("open file for records: %w", err)
	}
	real := filepath.Join(dir, filepath.Base(abs))
	for _, w := range writable {
		if within(w, real) {
			return nil, &PathError{path, "is inside " + w + ", which the box may write", "choose a file outside every writable root"}
		}
	}
	f, err := os.OpenFile(real, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open file for records: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open file for records: %w", err)
	}
	why := ""
	if !info.Mode().IsRegular() {
		why = "is not a regular file"
	} else if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink != 1 {
		why = "has a second name (a hard link), which a box might reach"
	}
	if why != "" {
		f.Close()
		return nil, &PathError{path, why, "name a new file"}
	}
	return f, nil
}

// within reports whether path is dir or lies below it.
func within(dir, path string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
