//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// way is one way from a client to the server.
type way struct {
	name string
	argv []string // in front of the client
	env  string   // HTTP_PROXY
	host string   // how the client names this machine
}

// network measures the gate beside no wall, user-mode networks and a proxy. Server
// and client are on this machine.
func (b *bench) network() error {
	client := filepath.Join(b.work, "client")
	build := exec.Command("go", "build", "-o", client, "./bench/client")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build client: %w\n%s", err, out)
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	go http.Serve(server, netServer())
	port := strconv.Itoa(server.Addr().(*net.TCPAddr).Port)
	relay, err := plainProxy("127.0.0.1:" + port)
	if err != nil {
		return err
	}
	defer relay.Close()

	gate := func(words string) []string {
		return []string{b.bailey, "run", "--quiet", "--allow-net", "bench.test:" + port + words, "--resolve", "bench.test=127.0.0.1", "--"}
	}
	ways := []way{
		{"direct", nil, "", "127.0.0.1"},
		{"the gate", gate(""), "", "bench.test"},
		{"the gate, looking inside HTTP", gate(" inspect"), "", "bench.test"},
		{"a proxy that decides nothing", nil, "http://" + relay.Addr().String(), "bench.test"},
		{"pasta", []string{"pasta", "-q", "--config-net", "--"}, "", hostAddress()},
		{"slirp4netns", []string{"bash", filepath.Join(b.work, "slirp")}, "", "10.0.2.2"},
	}
	if err := os.WriteFile(filepath.Join(b.work, "slirp"), []byte(slirp), 0o755); err != nil {
		return err
	}
	for _, m := range []struct {
		title, mode, count string
		rounds             int
	}{
		{"download 1 GiB", "down", strconv.Itoa(1 << 30), 3},
		{"upload 1 GiB", "up", strconv.Itoa(1 << 30), 3},
		{"1,000 connections, one after the other", "short", "1000", 5},
		{"a first connection", "short", "1", 20},
		{"500 connections at once", "parallel", "500", 5},
	} {
		var list []candidate
		for _, w := range ways {
			if w.name == "pasta" && !have("pasta") || w.name == "slirp4netns" && !have("slirp4netns") {
				continue
			}
			do := func() (d time.Duration, err error) {
				for range 2 { // an older pasta breaks off some uploads
					if d, err = b.through(&w, client, m.mode, port, m.count); err == nil {
						break
					}
				}
				return d, err
			}
			if _, err := do(); err != nil {
				fmt.Printf("left out: %v\n", err)
				continue
			}
			list = append(list, candidate{name: w.name, do: do})
		}
		if err := b.compare(m.title, m.rounds, list); err != nil {
			return err
		}
	}
	start := func(words ...string) []string {
		return append(append([]string{b.bailey, "run", "--quiet"}, words...), "--", "/bin/true")
	}
	if err := b.compare("start with a gate", 60, []candidate{
		{name: "no network", argv: start()},
		{name: "a gate", argv: start("--allow-net", "bench.test")},
		{name: "a gate that looks inside", argv: start("--allow-net", "bench.test inspect")},
	}); err != nil {
		return err
	}
	return b.netMemory(append(gate(""), client, "parallel", "http://bench.test:"+port, "500"))
}

// stuck is when a way is given up: an older pasta stops in the middle at times.
const stuck = 30 * time.Second

// through runs the client, which times itself: starting the wall does not count.
func (b *bench) through(w *way, client, mode, port, count string) (time.Duration, error) {
	argv := append(append([]string{}, w.argv...), client, mode, "http://"+w.host+":"+port, count)
	ctx, cancel := context.WithTimeout(context.Background(), stuck)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Dir = b.work
	cmd.Env = os.Environ()
	if w.env != "" {
		cmd.Env = append(cmd.Env, "HTTP_PROXY="+w.env)
	}
	out, err := cmd.CombinedOutput()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) == 0 {
		return 0, fmt.Errorf("%s: %w: %s", w.name, err, out)
	}
	n, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	return time.Duration(n), err
}

// netMemory prints the supervisor's largest resident size while argv runs.
func (b *bench) netMemory(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = b.work
	if err := cmd.Start(); err != nil {
		return err
	}
	peak := 0
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			fmt.Printf("\nmemory of the supervisor with 500 connections: %.1f MiB\n", float64(peak)/1024)
			return err
		case <-time.After(time.Millisecond):
		}
		f, err := os.Open(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			continue
		}
		s := bufio.NewScanner(f)
		for s.Scan() {
			if rest, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
				if n, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil {
					peak = max(peak, n)
				}
			}
		}
		f.Close()
	}
}

// slirp runs its arguments in a network namespace with slirp4netns.
const slirp = `d=$(mktemp -d)
mkfifo $d/up $d/ready
unshare -Urn bash -c 'echo $$ >$0/pid; read -r x <$0/up; "$@"; echo $? >$0/rc' $d "$@" &
inner=$!
until [ -s $d/pid ]; do sleep 0.01; done
slirp4netns --configure --mtu=65520 --ready-fd=3 $(cat $d/pid) tap0 3>$d/ready >/dev/null 2>&1 &
outer=$!
read -r -n1 x <$d/ready
echo >$d/up
wait $inner
kill $outer 2>/dev/null
rc=$(cat $d/rc)
rm -r $d
exit $rc
`

// hostAddress is where pasta shows the host's loopback: the default gateway.
func hostAddress() string {
	out, _ := exec.Command("ip", "-4", "route", "show", "default").Output()
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return "127.0.0.1"
	}
	return fields[2]
}

// netServer sends and takes bytes.
func netServer() http.Handler {
	mux := http.NewServeMux()
	block := make([]byte, 1<<20)
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		for n > 0 {
			k, err := w.Write(block[:min(n, int64(len(block)))])
			if err != nil {
				return
			}
			n -= int64(k)
		}
	})
	mux.HandleFunc("/up", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, n)
	})
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{})
	mux.HandleFunc("/together", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		mu.Lock()
		waiting++
		mine := all
		if waiting >= n {
			close(all)
			waiting, all = 0, make(chan struct{})
		}
		mu.Unlock()
		select {
		case <-mine:
		case <-r.Context().Done():
			mu.Lock()
			waiting = max(0, waiting-1)
			mu.Unlock()
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	return mux
}

// plainProxy is a relay to one server. The client asks it for whole URLs, which
// Go's server takes as they are, so no head needs to be read.
func plainProxy(to string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer s.Close()
				go func() {
					io.Copy(s, c)
					s.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(c, s)
			}()
		}
	}()
	return l, nil
}
