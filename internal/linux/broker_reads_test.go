//go:build linux

package linux

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// With denied patterns every open comes here, and all must go on working.
func TestBrokerReads(t *testing.T) {
	needs(t, "git", "python3")
	for _, userns := range []bool{false, true} {
		b := newBrokerBox(t)
		b.userns = userns
		b.profile.Reads = true
		b.rules.Deny = []string{".env", "secret/"}
		b.env = []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}
		gitInit(t, b.dir)
		os.WriteFile(b.dir+"/.env", []byte("hidden"), 0o644)
		os.MkdirAll(b.dir+"/sub/secret", 0o755)
		os.WriteFile(b.dir+"/sub/secret/key", []byte("hidden"), 0o644)
		out := b.sh(`
echo x > f; cat f; ls > /dev/null; ls sub; git status --short > /dev/null; git log --oneline | wc -l; python3 -c 'import json, os; print(json.dumps(len(os.listdir("/proc/self/fd")) > 2))'
cat /proc/self/comm; cat /proc/$$/comm; test "$(sed -n 's/^Pid:\t//p' /proc/self/status)" != "$$" && echo pids; readlink /proc/self/exe > /dev/null; head -c 3 /proc/self/exe | tail -c 2; cat /proc/uptime > /dev/null; cat /proc/self/mountinfo | head -c 1 > /dev/null
cat < /dev/null; echo piped | cat /dev/stdin; cat <<E
here
E
mkfifo p; (echo through > p &); cat p; ln -s f l; cat l; cd sub; cat ../l; cat ../sub/../f; tail -n1 "$PWD/../f"
`)
		for _, want := range []string{"x\nsecret\n", "true\ncat\n", "sh\npids\nEL", "piped\nhere\nthrough\nx\nx\nx\nx\n"} {
			if !strings.Contains(strings.ReplaceAll(out, "dash\n", "sh\n"), want) {
				t.Errorf("userns %v: no %q in\n%s", userns, want, out)
			}
		}
		for _, script := range []string{"cat .env", "cat sub/secret/key", "ls sub/secret", "ln .env e; cat e", "ln -s .env s; cat s", "mv .env e; cat e", "cp .env x", "cd sub/secret && cat key", "mv sub/secret s; cat s/key",
			"mkdir -p q; echo x > q/.env", "python3 -c 'import os; print(os.open(\".env\", os.O_RDWR))'", "cat < .env", "cat sub/../.env", "cat " + b.dir + "/.env", "cat sub/SECRET/key"} {
			if out, err := b.run("sh", "-ec", script); err == nil || strings.Contains(out, "hidden") {
				t.Errorf("%s: %v %s", script, err, out)
			}
		}
		if !b.refused(".env") {
			t.Error("no denial")
		}
	}
}

// /dev/tty is the caller's terminal, not this process's.
func TestBrokerTerminal(t *testing.T) {
	needs(t, "script")
	b := newBrokerBox(t)
	out, err := b.run("script", "-qec", `sh -c 'echo to-tty > /dev/tty; tty; echo to-name > $(tty)'`, "/dev/null")
	if err != nil || !strings.Contains(out, "to-tty") || !strings.Contains(out, "/dev/pts/") || !strings.Contains(out, "to-name") {
		t.Errorf("%v %q", err, out)
	}
	if out, err := b.run("setsid", "sh", "-c", "echo x > /dev/tty"); err == nil {
		t.Errorf("no terminal, but %q", out)
	}
}

// Go's own tests of package os, inside. They come across everything.
func TestBrokerGoOS(t *testing.T) {
	if os.Getenv("BAILEY_TEST_SLOW") == "" {
		t.Skip("BAILEY_TEST_SLOW is not set")
	}
	needs(t, "go")
	bin := filepath.Join(t.TempDir(), "os.test")
	if out, err := exec.Command("go", "test", "-c", "-o", bin, "os").CombinedOutput(); err != nil {
		t.Skip(err, string(out))
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	b := newBrokerBox(t)
	os.Mkdir(b.dir+"/tmp", 0o777)
	b.env = []string{"TMPDIR=" + b.dir + "/tmp"}
	b.sh(fmt.Sprintf("cd '%s/src/os'; '%s' -test.short -test.timeout 100s", strings.TrimSpace(string(root)), bin))
}
