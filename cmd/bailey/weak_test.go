//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/nouserns"
)

// weak replaces this process by a command that may make no user namespace, as in
// many containers.
func weak(args []string) {
	err := nouserns.Forbid()
	path := ""
	if err == nil {
		path, err = exec.LookPath(args[0])
	}
	if err == nil {
		err = unix.Exec(path, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "weak:", err)
	os.Exit(1)
}
