//go:build linux

package probe

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// leftoverProbes try to outlive the sandbox.
func leftoverProbes() []Probe {
	daemon := func(id, scene, title string) Probe {
		return Probe{ID: "leftovers." + id, Severity: Boundary, Scene: scene, Title: title, Why: "what lives on is outside of every limit, and nobody sees it", Wall: "the pid namespace ends with the launcher", Fix: "find and end the process",
			Plant: func(c *Case) error { c.Args["beat"] = c.own(c.WS); return nil }, Attack: linger, Judge: beats}
	}
	return []Probe{
		daemon("sigkill-daemon", sceneKill, "outlive a SIGKILL of the launcher as a daemon"),
		daemon("exit-daemon", sceneEnd, "outlive the command as a daemon"),
	}
}

// linger starts a process that has left its session, ignores signals and writes a
// heartbeat.
func linger(in *Inside) error {
	c := exec.Command(in.Self, verbLinger, in.Args["beat"])
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	for range 200 {
		if _, err := os.Stat(in.Args["beat"]); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil // in mode read-only there is no heartbeat: the process itself is looked for
}

// beats: something of the scenario is alive, seen as a process or by its heartbeat.
func beats(c *Case, _ *Report) (bool, string) {
	for _, pid := range processesOf(c.Base) {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if containsWord(b, c.Args["beat"]) {
			return true, "process " + strconv.Itoa(pid) + " lives on"
		}
	}
	was, _ := os.ReadFile(c.Args["beat"])
	if len(was) == 0 {
		return false, ""
	}
	time.Sleep(3 * beatTime)
	if now, _ := os.ReadFile(c.Args["beat"]); len(now) > len(was) {
		return true, "its heartbeat goes on: " + filepath.Base(c.Args["beat"])
	}
	return false, ""
}
