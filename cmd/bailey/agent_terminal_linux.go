package main

import (
	"bytes"
	"os"
	"strconv"
)

// maxShells is how many shells may stand between a hook and its agent.
const maxShells = 8

// agentTerminal reports whether the agent that started this hook has a terminal, so
// that it can show a person something. The hook itself may have none: some agents
// start theirs in a session of its own.
func agentTerminal() bool {
	pid := os.Getppid()
	for range maxShells {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if err != nil || open < 0 || end < open {
			return false
		}
		// state, parent, process group, session, terminal
		fields := bytes.Fields(stat[end+1:])
		if len(fields) < 5 {
			return false
		}
		switch string(stat[open+1 : end]) {
		case "sh", "bash", "dash", "zsh", "ash", "busybox":
		default:
			return string(fields[4]) != "0"
		}
		if pid, err = strconv.Atoi(string(fields[1])); err != nil || pid <= 1 {
			return false
		}
	}
	return false
}
