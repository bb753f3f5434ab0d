//go:build linux

package bailey

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/layers"
)

// weakPlan plans a box of tier landlock.
func weakPlan(t *testing.T, cfg Config) *Plan {
	t.Helper()
	facts, err := layers.Look(cfg.Dir, cfg.Home)
	if err != nil {
		t.Fatal(err)
	}
	if facts.Kernel.LandlockABI < 6 || !facts.Kernel.SeccompNotify {
		t.Skip("kernel feature missing: Landlock ABI 6 and seccomp user notification")
	}
	facts.Kernel.UserNS, facts.Kernel.UserNSWhy = false, "test"
	cfg.MinTier = TierLandlock
	p, err := prepare(cfg, facts)
	if err != nil {
		t.Fatal(err)
	}
	if p.Tier() != TierLandlock {
		t.Fatal(p.Tier())
	}
	return p
}

// weak runs a script in tier landlock.
func (s *site) weak(t *testing.T, cfg Config, script string) string {
	t.Helper()
	out, _ := s.weakCmd(t, cfg, script)
	return out
}

func (s *site) weakCmd(t *testing.T, cfg Config, script string) (string, *Cmd) {
	t.Helper()
	p := weakPlan(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := p.Command(ctx, "bash", "-c", "export WEB="+s.web+" TLS="+s.tls+" RAW="+s.raw+"\n"+script)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	var exit *ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.TrimSpace(out.String()), c
}

// TestWeakNetwork reaches what the policy allows through the proxy, in tier
// landlock, and nothing around it.
func TestWeakNetwork(t *testing.T) {
	s := newSite(t)
	goProgram(t, s.dir)
	if got := s.weak(t, s.config(false), "curl -sS http://example.test:$WEB/a && curl -sS --cacert ca.pem https://example.test:$TLS/b; curl -sS http://other.test/ | head -c 300; SSL_CERT_FILE=ca.pem ./fetch http://example.test:$WEB/g https://example.test:$TLS/g"); strings.Count(got, "hello example.test") != 4 {
		t.Errorf("got %s", got)
	}
	if got := s.weak(t, s.inspected(t, "methods=GET"), "curl -sS https://example.test:$TLS/b; curl -sS -d x https://example.test:$TLS/b"); strings.Count(got, "hello example.test") != 1 || !strings.Contains(got, "no allow rule") {
		t.Errorf("inspected: %s", got)
	}
	if got := s.weak(t, Config{Dir: s.dir}, "curl -sS http://127.0.0.1:$WEB/ http://example.test:$WEB/; env | grep -i proxy"); strings.Contains(got, "hello") || strings.Contains(got, "127.0.0.1:") && strings.Contains(got, "proxy=") {
		t.Errorf("without a rule: %s", got)
	}
}

// weakAttack tries every way around the proxy that a program has. It prints a line
// for each that worked.
const weakAttack = `import socket, os, struct, ctypes, sys, threading
web = int(os.environ["WEB"]); proxy = int(os.environ["http_proxy"].rsplit(":", 1)[1])
def attempt(name, f):
  try:
    r = f()
    print("WORKED", name, r)
  except OSError as e: print("refused", name, e.errno)
def tcp(family=socket.AF_INET, proto=0): return socket.socket(family, socket.SOCK_STREAM, proto)
attempt("connect", lambda: tcp().connect(("127.0.0.1", web)))
attempt("connect6", lambda: tcp(socket.AF_INET6).connect(("::ffff:127.0.0.1", web)))
attempt("nonblocking", lambda: (lambda s: (s.setblocking(False), s.connect(("127.0.0.1", web))))(tcp()))
attempt("proxy port elsewhere", lambda: tcp().connect(("127.0.0.2", proxy)))
attempt("any address", lambda: tcp().connect(("0.0.0.0", web)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("mptcp", lambda: tcp(proto=262))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 255))
attempt("netlink", lambda: socket.socket(16, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("fast open sendto", lambda: tcp().sendto(b"x", 0x20000000, ("127.0.0.1", web)))
attempt("fast open sendmsg", lambda: tcp().sendmsg([b"x"], [], 0x20000000, ("127.0.0.1", web)))
attempt("sendto", lambda: tcp().sendto(b"x", 0, ("127.0.0.1", web)))
attempt("sendmsg", lambda: tcp().sendmsg([b"x"], [], 0, ("127.0.0.1", web)))
def deferred():
  s = tcp(); s.setsockopt(6, 30, 1); s.connect(("127.0.0.1", web)); s.send(b"GET / HTTP/1.0\r\n\r\n"); return s.recv(99)
attempt("fast open connect", deferred)
def listen():
  s = tcp(); s.listen(1); return s.getsockname()
attempt("listen", listen)
def bound():
  s = tcp(); s.bind(("127.0.0.1", 0)); s.listen(1); return s.getsockname()
attempt("bind and listen", bound)
def again():
  s = tcp(); s.connect(("127.0.0.1", proxy)); libc = ctypes.CDLL(None, use_errno=True)
  if libc.connect(s.fileno(), b"\0" * 16, 16): raise OSError(ctypes.get_errno(), "unspec")
  s.connect(("127.0.0.1", web)); s.send(b"GET / HTTP/1.0\r\n\r\n"); return s.recv(1)
attempt("disconnect and connect", again)
def race():
  # Another thread changes the address while the broker looks at it.
  libc = ctypes.CDLL(None, use_errno=True)
  good = struct.pack("<H", 2) + struct.pack(">H", proxy) + socket.inet_aton("127.0.0.1") + bytes(8)
  bad = struct.pack("<H", 2) + struct.pack(">H", web) + socket.inet_aton("127.0.0.1") + bytes(8)
  buf = ctypes.create_string_buffer(good, 16); stop = []
  def flip():
    while not stop: ctypes.memmove(buf, bad, 16); ctypes.memmove(buf, good, 16)
  th = threading.Thread(target=flip); th.start(); seen = set()
  for _ in range(300):
    s = tcp()
    if libc.connect(s.fileno(), buf, 16) == 0: seen.add(s.getpeername()[1])
    s.close()
  stop.append(1); th.join()
  if web in seen: return "reached the server"
  raise OSError(0, "never")
attempt("race", race)
s = tcp(); s.connect(("127.0.0.1", proxy)); print("proxy reached")
u = socket.socket(socket.AF_UNIX); u.bind("@x" if False else os.environ["HOME"] + "/u"); u.listen(1); print("unix listens")
`

// TestWeakAttacks holds that the attempts work where there is no wall, and fail in
// tier landlock.
func TestWeakAttacks(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	s.write(t, "attack.py", []byte(weakAttack))
	got := s.weak(t, s.config(false), "/usr/bin/python3 attack.py")
	if strings.Contains(got, "WORKED") || !strings.Contains(got, "proxy reached") || !strings.Contains(got, "unix listens") || strings.Count(got, "refused") < 19 {
		t.Errorf("in the box:\n%s", got)
	}
	// Outside, with a proxy that is none: what the list tries is possible at all.
	p := listen(t)
	go func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	out := s.outside(t, "http_proxy=http://127.0.0.1:"+port(p))
	for _, name := range []string{"connect ", "connect6", "proxy port elsewhere", "any address", "udp", "fast open connect", "listen", "bind and listen"} {
		if name == "proxy port elsewhere" {
			continue // nothing listens at 127.0.0.2
		}
		if !strings.Contains(out, "WORKED "+name) {
			t.Errorf("outside, %s does not work:\n%s", name, out)
		}
	}
}

// TestWeakProxyIsTheBoxs holds that others on this machine cannot use the box's
// proxy, which may hold secrets.
func TestWeakProxyIsTheBoxs(t *testing.T) {
	p, err := listenProxy()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	served := make(chan net.Conn, 8)
	go func() {
		for {
			c, err := p.Accept()
			if err != nil {
				close(served)
				return
			}
			served <- c
		}
	}()
	if c, err := net.Dial("tcp", p.addr().String()); err == nil { // the reset may be there already
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d", n)
		}
		c.Close()
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: freePort(t)}}
	p.announce(d.LocalAddr.(*net.TCPAddr).AddrPort())
	c, err := d.Dial("tcp", p.addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case s := <-served:
		s.Close()
	case <-time.After(time.Minute):
		t.Error("an announced connection is not served")
	}
}

// TestWeakProxyForgets: a connection that was announced and not made leaves nothing
// behind by which whoever has its port next would be served.
func TestWeakProxyForgets(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	s.write(t, "again.py", []byte(`import socket, os
s = socket.socket(); at = ("127.0.0.1", int(os.environ["http_proxy"].rsplit(":", 1)[1]))
s.connect(at)
for _ in range(3):
  try: s.connect(at)
  except OSError as e: print(e.errno)
s.send(b"GET http://example.test:%s/ HTTP/1.0\r\nHost: example.test:%s\r\n\r\n" % ((os.environ["WEB"].encode(),) * 2)); print(s.recv(999))
`))
	got, c := s.weakCmd(t, s.config(false), "/usr/bin/python3 again.py")
	if strings.Count(got, "106") != 3 || !strings.Contains(got, "hello") {
		t.Errorf("got %s", got)
	}
	p := c.box.network.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.announced) != 0 {
		t.Errorf("still expected: %v", p.announced)
	}
}
