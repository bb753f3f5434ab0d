//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestServersAreNotQuoted: a server that says more than it was asked, with a
// secret in it, does not come to bailey's own output.
func TestServersAreNotQuoted(t *testing.T) {
	if !walls() {
		t.Skip("no user namespaces")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	said := make(chan struct{}, 8)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			bufio.NewReader(c).ReadString('\n')
			const answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n"
			io.WriteString(c, answer)
			io.WriteString(c, "HTTP/1.1 200 VERY-SECRET\r\n\r\n")
			io.Copy(io.Discard, c)
			c.Close()
			said <- struct{}{}
		}
	}()
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "bailey")
	if err := os.Symlink(exe, bin); err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	const get = `exec 3<>/dev/tcp/example.test/PORT; printf 'GET / HTTP/1.1\r\nHost: example.test:PORT\r\n\r\n' >&3; head -1 <&3; sleep 0.3`
	cmd := exec.Command(bin, "run", "-q", "--resolve", "example.test=127.0.0.1", "--allow-net", "example.test:"+port+" inspect", "--", "bash", "-c", strings.ReplaceAll(get, "PORT", port))
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+dir+"/state", "XDG_CONFIG_HOME="+dir+"/config")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "200 OK") {
		t.Fatalf("%v: %s", err, out)
	}
	<-said
	if strings.Contains(string(out), "VERY-SECRET") {
		t.Errorf("it prints %s", out)
	}
}
