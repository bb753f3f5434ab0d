//go:build !linux

package main

import "os"

// agentTerminal reports whether the agent that started this hook has a terminal.
func agentTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	tty.Close()
	return true
}
