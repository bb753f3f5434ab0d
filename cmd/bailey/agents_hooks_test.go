//go:build agents && linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The published agents outside of a box, with the hook that bailey agent install
// writes. Here nothing but this test keeps an agent from the network, so each has a
// network namespace of its own with a loopback and nothing else.

// alone runs the test once more where there is no network, and reports false; there
// it reports true.
func alone(t *testing.T) bool {
	t.Helper()
	const there = "BAILEY_TEST_ALONE"
	if os.Getenv(there) != "" {
		lo, err := unix.NewIfreq("lo")
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
			t.Fatal(err)
		}
		// What was needed for that is nothing that an agent has.
		if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); errno != 0 {
			t.Fatal(errno)
		}
		list, err := net.Interfaces()
		if err != nil || len(list) != 1 {
			t.Fatalf("not alone: %v, %v", list, err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), there+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
		GidMappingsEnableSetgroups: os.Getuid() == 0,
		AmbientCaps:                []uintptr{unix.CAP_NET_ADMIN},
		Setsid:                     true, // nobody is asked on a terminal
	}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("in a network namespace of its own: %v", err)
	}
	return false
}

// outside is how an agent is run without a box and without a person.
func (a *realAgent) outside() []string {
	switch a.name {
	case "claude":
		if os.Getuid() == 0 { // which it refuses to trust that far
			return []string{"-p", "go on", "--allowedTools", "Bash"}
		}
		return a.args
	case "codex":
		args := append([]string{"--dangerously-bypass-approvals-and-sandbox", "--dangerously-bypass-hook-trust"}, a.args...)
		return args
	}
	return a.args
}

// bare runs an agent as a person would who has never heard of a box.
func (w *agentWorld) bare(t *testing.T, a *realAgent) string {
	t.Helper()
	var args []string
	for _, x := range a.outside() {
		args = append(args, strings.ReplaceAll(x, "BASE", w.base+a.path))
	}
	cmd := exec.Command(filepath.Join(agentsBin(t, a.name), a.name), args...)
	cmd.Dir, cmd.Env = w.work, w.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(agentTime, func() { cmd.Process.Kill() })
	defer timer.Stop()
	cmd.Wait()
	return fmt.Sprintf("exit code %d\n%s", cmd.ProcessState.ExitCode(), &out)
}

func TestRealHooks(t *testing.T) {
	for _, a := range realAgents() {
		t.Run(a.name, func(t *testing.T) {
			if !alone(t) {
				return
			}
			w := newAgentWorld(t)
			server := httptest.NewServer(w.model)
			defer server.Close()
			w.base = server.URL
			w.env = []string{"HOME=" + w.home, "PATH=" + agentsBin(t, a.name) + ":" + filepath.Dir(program(t)) + ":/usr/local/bin:/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8", a.key + "=" + w.key,
				"XDG_STATE_HOME=" + w.dir + "/xdg/state", "XDG_CONFIG_HOME=" + w.home + "/.config", "XDG_CACHE_HOME=" + w.dir + "/xdg/cache"}
			if a.base != "" {
				w.env = append(w.env, a.base+"="+w.base+a.path)
			}
			if a.setup != nil {
				a.setup(t, w)
			}
			put(t, filepath.Join(w.home, a.own), a.settings)
			put(t, w.home+"/.config/bailey/config.toml", "[permissions]\nallow = [\"Bash\"]\ndeny = [\"Bash(touch denied*)\"]\nask = [\"Bash(touch asked*)\"]\n")
			put(t, w.work+"/script", "touch denied-deep; touch asked-deep; echo script-$?\n")
			port := w.listener.Addr().(*net.TCPAddr).Port
			reading := "cat ~/.ssh/id_ed25519 " + w.home + "/.ssh/id_ed25519 " + w.home + "/other/.env"
			put(t, w.work+"/reach", fmt.Sprintf("timeout 5 bash -c ': < /dev/tcp/127.0.0.1/%d' && echo reached_it | tr _ -\n", port))
			put(t, w.home+"/.npmrc", "fetch-retries=0\n") // OpenCode asks npm for something, in vain
			const reaching = "bash ./reach"               // as text it would be asked about

			// Without the hook the same agent does all of it, so what follows shows something.
			w.model.Commands = []string{reading, reaching, "touch asked-before"}
			out := w.bare(t, &a)
			if r := strings.Join(w.model.Results(), "\n"); !strings.Contains(r, w.canary) || !strings.Contains(r, "reached-it") {
				t.Fatalf("without a hook it does not work: %s\n%q", out, r)
			}
			if _, err := os.Stat(w.work + "/asked-before"); err != nil {
				t.Fatalf("without a hook it does not work: %v", err)
			}
			<-w.hit

			install := exec.Command(program(t), "agent", "install", a.name, "--yes")
			install.Dir, install.Env = w.work, w.env
			if out, err := install.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			w.model.Reset()
			w.model.Commands = []string{
				"expr 40 + 2 | sed s/^/made-/ | tee made-by-agent; cat /proc/sys/kernel/hostname",
				reading + "; echo read-tried",
				reaching + "; echo net-tried",
				"echo evil > ~/" + a.own + "; mkdir -p " + a.named + " && echo evil > " + a.named + "/settings.json; echo settings-tried",
				"touch denied; echo denied_ran | tr _ -",
				"touch asked; echo asked_ran | tr _ -",
				"sh ./script; touch after-script",
			}
			out = w.bare(t, &a)
			results := w.model.Results()
			t.Logf("%s\nresults: %q", out, results)
			if len(results) != len(w.model.Commands) {
				for _, r := range w.model.Requests() {
					t.Logf("%s %s %.300s", r.Method, r.Path, r.Body)
				}
				t.Fatalf("%d commands came back of %d", len(results), len(w.model.Commands))
			}
			for i, want := range []string{"made-42\nbailey", "read-tried", "net-tried", "settings-tried"} {
				if !strings.Contains(results[i], want) {
					t.Errorf("command %d did not run in a box: %s", i, results[i])
				}
			}
			if made, _ := os.ReadFile(w.work + "/made-by-agent"); string(made) != "made-42\n" {
				t.Errorf("what the agent made is not there: %q", made)
			}
			if strings.Contains(strings.Join(results, "\n")+out, w.canary) {
				t.Error("a planted key was read")
			}
			select {
			case <-w.hit:
				t.Error("a port of the host was reached")
			default:
			}
			for _, name := range []string{"denied", "asked", "denied-deep", "asked-deep", a.named} {
				if _, err := os.Lstat(filepath.Join(w.work, name)); err == nil && name != filepath.Dir(a.own) {
					t.Errorf("%s was made", name)
				}
			}
			if strings.Contains(results[4], "denied-ran") || !strings.Contains(results[4], "Bash(touch denied*)") {
				t.Errorf("a deny rule did not hold, or is not said: %s", results[4])
			}
			if strings.Contains(results[5], "asked-ran") {
				t.Errorf("an ask rule did not hold: %s", results[5])
			}
			if _, err := os.Stat(w.work + "/after-script"); err != nil {
				t.Errorf("the script did not run: %s", results[6])
			}
			// The agent itself may write there; what it ran may not.
			if now, err := os.ReadFile(filepath.Join(w.home, a.own)); err != nil || bytes.Contains(now, []byte("evil")) {
				t.Errorf("the person's settings were changed: %s, %v", now, err)
			}
		})
	}
}
