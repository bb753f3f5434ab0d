//go:build linux

package main

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// A progress line runs along while it works and is gone in the end; Ctrl-C ends it
// with the code of a signal.
func TestProveOnTerminal(t *testing.T) {
	s := onTerminal(t, "exec bailey prove --only files,kernel")
	s.expect("\r\x1b[K1/")
	s.expect("controls ok")
	all := s.shown()
	if rest := all[strings.LastIndex(all, "\r\x1b[K")+len("\r\x1b[K"):]; rest == "" || rest[0] >= '0' && rest[0] <= '9' {
		t.Errorf("the progress line is not erased: %q", rest)
	}
	if err := s.ended(); err != nil {
		t.Errorf("ended with %v", err)
	}
	s = onTerminal(t, "exec bailey prove")
	s.expect("\r\x1b[K1/")
	s.typed("\x03")
	var exit *exec.ExitError
	if err := s.ended(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("ended with %v", err)
	}
}
