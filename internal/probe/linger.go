//go:build linux

package probe

import (
	"bytes"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// beatTime is between two signs of life.
const beatTime = 40 * time.Millisecond

// lingerTime is how long a process that tries to outlive its box does so, if the
// janitor does not end it before.
const lingerTime = 60 * time.Second

// lingerMain is a process that does not want to end.
func lingerMain(args []string) int {
	if len(args) != 1 {
		return 2
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE)
	for end := time.Now().Add(lingerTime); time.Now().Before(end); time.Sleep(beatTime) {
		if f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
			f.WriteString(".")
			f.Close()
		}
	}
	return 0
}

// containsWord says whether one of the words of a command line is s.
func containsWord(cmdline []byte, s string) bool {
	for _, w := range bytes.Split(cmdline, []byte{0}) {
		if string(w) == s {
			return true
		}
	}
	return false
}
