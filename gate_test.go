//go:build linux

package bailey

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/anchor"
)

// site is a set of servers on loopback that all are example.test.
type site struct {
	dir      string // workspace; ca.pem and ca.jks are in it
	web, tls string // ports
	raw      string
	closed   string // a port where nothing listens
	repo     string
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: dir}
	cert, ca := certificates(t)
	s.write(t, "ca.pem", ca)
	s.write(t, "ca.jks", anchor.JavaStore(ca))

	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "hello %s %s %s %d\n", r.Host, r.URL.Path, r.Proto, len(body))
	})
	mux.HandleFunc("/ws", webSocket)
	mux.HandleFunc("/auth", authorized)
	if git, err := exec.LookPath("git"); err == nil {
		s.makeRepo(t)
		mux.Handle("/git/", &cgi.Handler{Path: git, Args: []string{"http-backend"}, Root: "/git", Dir: "/",
			Env: []string{"GIT_PROJECT_ROOT=" + s.repo, "GIT_HTTP_EXPORT_ALL=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}, Stderr: io.Discard})
	}
	plain := httptest.NewServer(mux)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(mux)
	secure.EnableHTTP2 = true
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	s.web, s.tls = port(plain.Listener), port(secure.Listener)

	// A server of the kind of Redis: it answers PING, and names no host.
	raw := listen(t)
	s.raw = port(raw)
	go func() {
		for {
			c, err := raw.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					if strings.Contains(strings.ToUpper(line), "PING") {
						io.WriteString(c, "+PONG\r\n")
					} else if strings.HasPrefix(line, "HELLO") || strings.Contains(line, "COMMAND") {
						io.WriteString(c, "-ERR unknown command\r\n")
					}
				}
			}()
		}
	}()
	gone := listen(t)
	s.closed = port(gone)
	gone.Close()
	return s
}

func (s *site) write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

func certificates(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	make := func(tmpl, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		return key, der
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, caDER := make(ca, ca, nil)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "example.test"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		DNSNames: []string{"example.test", "*.example.test"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafKey, leafDER := make(leaf, ca, key)
	return tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}

// webSocket echoes one frame (RFC 6455).
func webSocket(w http.ResponseWriter, r *http.Request) {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	rw.Flush()
	head := make([]byte, 6)
	if _, err := io.ReadFull(rw, head); err != nil {
		return
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(rw, text); err != nil {
		return
	}
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	rw.Write(append([]byte{0x81, byte(len(text))}, text...))
	rw.Flush()
}

func (s *site) makeRepo(t *testing.T) {
	t.Helper()
	s.repo = filepath.Join(t.TempDir(), "repos")
	work := t.TempDir()
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", work}, {"-C", work, "-c", "user.name=a", "-c", "user.email=a@example.test", "commit", "-q", "--allow-empty", "-m", "first"},
		{"clone", "-q", "--bare", work, filepath.Join(s.repo, "r.git")},
	} {
		cmd := exec.Command("git", args...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

// config lets the box reach the site.
func (s *site) config(perPort bool, more ...string) Config {
	return Config{Dir: s.dir, perPort: perPort, Resolve: []string{"example.test=127.0.0.1", "sub.example.test=127.0.0.1"},
		AllowNet: append([]string{"**.example.test:" + s.web + "," + s.tls + "," + s.closed, "example.test:" + s.raw + "/tcp"}, more...)}
}

// run runs a script in a box of its own and returns what it printed.
func (s *site) run(t *testing.T, cfg Config, script string) (string, *Cmd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := Command(ctx, cfg, "bash", "-c", "WEB="+s.web+" TLS="+s.tls+" RAW="+s.raw+" CLOSED="+s.closed+"\nexport WEB TLS RAW CLOSED\n"+script)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	var exit *ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, &out)
	}
	return strings.TrimSpace(out.String()), c
}

// both runs a test with nf_tables and the names that the policy writes out in /etc/hosts,
// and without both.
func both(t *testing.T, f func(t *testing.T, perPort bool)) {
	t.Run("nftables", func(t *testing.T) { f(t, false) })
	t.Run("ports", func(t *testing.T) { f(t, true) })
}

// TestPrograms lets programs reach the one site they may, with nothing configured.
func TestPrograms(t *testing.T) {
	s := newSite(t)
	s.write(t, "fetch.js", []byte(`for (const u of process.argv.slice(2)) fetch(u).then(r => r.text()).then(t => process.stdout.write(t)).catch(e => console.log("failed", e.cause?.code ?? e.message))`))
	s.write(t, "fetch.py", []byte("import sys, ssl, urllib.request\nfor u in sys.argv[1:]:\n  try: print(urllib.request.urlopen(u, context=ssl.create_default_context(cafile='ca.pem') if u.startswith('https') else None).read().decode(), end='')\n  except Exception as e: print('failed', e)\n"))
	s.write(t, "Fetch.java", []byte(`import java.net.URI; import java.net.http.*;
class Fetch { public static void main(String[] a) throws Exception { for (String u : a) try { System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(u)).build(), HttpResponse.BodyHandlers.ofString()).body()); } catch (Exception e) { System.out.println("failed " + e); } } }`))
	s.write(t, "ws.py", []byte(`import os, socket, ssl, base64
c = socket.create_connection(("example.test", int(os.environ["TLS"])))
c = ssl.create_default_context(cafile="ca.pem").wrap_socket(c, server_hostname="example.test")
c.sendall(b"GET /ws HTTP/1.1\r\nHost: example.test:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n" % os.environ["TLS"].encode())
f = c.makefile("rb")
print(f.readline().decode().strip())
while f.readline().strip(): pass
c.sendall(b"\x81\x84\x01\x02\x03\x04" + bytes(x ^ y for x, y in zip(b"echo", b"\x01\x02\x03\x04")))
print(f.read(6)[2:].decode())
`))
	goProgram(t, s.dir)
	for _, p := range []struct{ name, needs, script, want string }{
		{"curl", "curl", "curl -sS http://example.test:$WEB/a && curl -sS --cacert ca.pem https://example.test:$TLS/b", "hello example.test:$WEB /a HTTP/1.1 0\nhello example.test:$TLS /b HTTP/2.0 0"},
		{"curl over IPv4", "curl", "curl -4 -sS http://example.test:$WEB/a", "hello example.test:$WEB /a HTTP/1.1 0"},
		{"curl over IPv6", "curl", "curl -6 -sS http://example.test:$WEB/a", "hello example.test:$WEB /a HTTP/1.1 0"},
		{"curl a subdomain", "curl", "curl -sS --cacert ca.pem https://sub.example.test:$TLS/", "hello sub.example.test:$TLS / HTTP/2.0 0"},
		{"curl http/1.1", "curl", "curl --http1.1 -sS --cacert ca.pem https://example.test:$TLS/b", "hello example.test:$TLS /b HTTP/1.1 0"},
		{"an upload", "curl", "head -c 3000000 /dev/zero | curl -sS --cacert ca.pem -T - https://example.test:$TLS/up", "hello example.test:$TLS /up HTTP/2.0 3000000"},
		{"http proxy", "curl", "curl -sS -x http://198.18.0.1:81 --cacert ca.pem https://example.test:$TLS/b", "hello example.test:$TLS /b HTTP/2.0 0"},
		{"socks proxy", "curl", "curl -sS -x socks5h://198.18.0.1:81 http://example.test:$WEB/b", "hello example.test:$WEB /b HTTP/1.1 0"},
		{"node", "node", "NODE_EXTRA_CA_CERTS=ca.pem node fetch.js http://example.test:$WEB/n; NODE_EXTRA_CA_CERTS=ca.pem node fetch.js https://example.test:$TLS/n", "hello example.test:$WEB /n HTTP/1.1 0\nhello example.test:$TLS /n HTTP/1.1 0"},
		{"python", "/usr/bin/python3", "/usr/bin/python3 fetch.py http://example.test:$WEB/p https://example.test:$TLS/p", "hello example.test:$WEB /p HTTP/1.1 0\nhello example.test:$TLS /p HTTP/1.1 0"},
		{"go", "", "SSL_CERT_FILE=ca.pem ./fetch http://example.test:$WEB/g https://example.test:$TLS/g", "hello example.test:$WEB /g HTTP/1.1 0\nhello example.test:$TLS /g HTTP/2.0 0"},
		{"java", "javac", "java -Djavax.net.ssl.trustStore=ca.jks Fetch.java http://example.test:$WEB/j https://example.test:$TLS/j", "hello example.test:$WEB /j HTTP/1.1 0\nhello example.test:$TLS /j HTTP/2.0 0"},
		{"git", "git", "git -c http.sslCAInfo=$PWD/ca.pem clone -q https://example.test:$TLS/git/r.git /tmp/r && git -C /tmp/r log --format=%s", "first"},
		{"websocket", "/usr/bin/python3", "/usr/bin/python3 ws.py", "HTTP/1.1 101 Switching Protocols\necho"},
		{"raw tcp", "", `exec 3<>/dev/tcp/example.test/$RAW; printf 'PING\r\n' >&3; head -n1 <&3 | tr -d '\r'`, "+PONG"},
		{"redis-cli", "redis-cli", `redis-cli -h example.test -p $RAW ping`, "PONG"},
	} {
		t.Run(p.name, func(t *testing.T) {
			if p.needs != "" {
				if _, err := exec.LookPath(p.needs); err != nil {
					t.Skip(err)
				}
			}
			both(t, func(t *testing.T, perPort bool) {
				got, _ := s.run(t, s.config(perPort), p.script)
				if want := strings.NewReplacer("$WEB", s.web, "$TLS", s.tls).Replace(p.want); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		})
	}
}

// goProgram builds a program that fetches its arguments.
func goProgram(t *testing.T, dir string) {
	t.Helper()
	src := filepath.Join(t.TempDir(), "fetch.go")
	os.WriteFile(src, []byte(`package main
import ("fmt"; "io"; "net/http"; "os")
func main() { for _, u := range os.Args[1:] { r, err := http.Get(u); if err != nil { fmt.Println("failed", err); continue }; io.Copy(os.Stdout, r.Body) } }
`), 0o644)
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "fetch"), src)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// TestProgramsRefused holds that what is not allowed fails at once, in each
// program's own words, and never hangs (timeout ends with 124).
func TestProgramsRefused(t *testing.T) {
	s := newSite(t)
	s.write(t, "fetch.js", []byte(`fetch(process.argv[2]).then(r => console.log("reached")).catch(e => console.log("failed", e.cause?.code ?? e.message))`))
	goProgram(t, s.dir)
	host := listen(t) // on the host's loopback, granted to nobody
	for _, p := range []struct{ name, needs, script, want string }{
		{"curl: name", "curl", "curl -sS http://other.test/", "Could not resolve host"},
		{"curl: subdomain of none", "curl", "curl -sS http://exampleXtest/ ; curl -sS http://xexample.test/", "Could not resolve host"},
		{"curl: port", "curl", "curl -sS http://example.test:80/", "Failed to connect"},
		{"curl: address", "curl", "curl -sS http://192.0.2.1/", "Failed to connect"},
		{"curl: address over IPv6", "curl", "curl -sS http://[2001:db8::1]/", "Failed to connect"},
		{"curl: metadata", "curl", "curl -sS http://169.254.169.254/", "Failed to connect"},
		{"curl: the host's loopback", "curl", "curl -sS http://127.0.0.1:" + port(host) + "/ http://198.18.0.2:" + port(host) + "/", "Failed to connect"},
		{"curl: nothing listens", "curl", "curl -sS http://example.test:$CLOSED/", "curl:"},
		{"curl: proxied name", "curl", "curl -sS -x http://198.18.0.1:81 https://other.test/", "403"},
		{"curl: proxied address", "curl", "curl -sS -x http://198.18.0.1:81 https://127.0.0.1:" + port(host) + "/", "403"},
		{"another name at the address", "curl", `a=$(getent ahostsv4 example.test | head -1 | cut -d' ' -f1); curl -sS --cacert ca.pem --resolve other.test:$TLS:$a https://other.test:$TLS/`, "curl:"},
		{"another Host header", "curl", `curl -sS -o /dev/null -w '%{http_code}\n' -H 'Host: other.test' http://example.test:$WEB/; true`, ""},
		{"no TLS where it must be seen", "", `exec 3<>/dev/tcp/example.test/$WEB; printf 'SSH-2.0-x\r\n' >&3; timeout 15 cat <&3; echo end`, "end"},
		{"udp", "", `exec 3<>/dev/udp/198.18.0.9/53 && echo x >&3; sleep 0.1; echo y >&3`, "Connection refused"},
		{"udp outside", "", `echo x >/dev/udp/192.0.2.1/53`, "Network is unreachable"},
		{"node: name", "node", "node fetch.js http://other.test/", "failed ENOTFOUND"},
		{"node: port", "node", "node fetch.js http://example.test:80/", "failed ECONNREFUSED"},
		{"go: name", "", "./fetch http://other.test/", "no such host"},
		{"go: port", "", "./fetch http://example.test:81/", "refused"},
		{"git: name", "git", "git ls-remote https://other.test/r.git", "Could not resolve host"},
		{"a txt question", "dig", "dig +short +tries=1 TXT secret.example.test @198.18.0.1; echo end", "end"},
	} {
		t.Run(p.name, func(t *testing.T) {
			if p.needs != "" {
				if _, err := exec.LookPath(p.needs); err != nil {
					t.Skip(err)
				}
			}
			both(t, func(t *testing.T, perPort bool) {
				got, _ := s.run(t, s.config(perPort), "run() { "+p.script+"\n}; export -f run; timeout 20 bash -c run; [ $? != 124 ] || echo HANGS")
				if !strings.Contains(got, p.want) || strings.Contains(got, "HANGS") || strings.Contains(got, "hello") || strings.Contains(got, "reached") || strings.Contains(got, "SSH-2.0-x") {
					t.Errorf("got %s; want %s", got, p.want)
				}
			})
		})
	}
}

// TestWrittenNames: what the policy writes out, and the gate would answer for, has its
// addresses in /etc/hosts; a pattern's names and denied ones are the name server's.
func TestWrittenNames(t *testing.T) {
	s := newSite(t)
	cfg := s.config(false, "written.test", "*.wild.test", "denied.test")
	cfg.DenyNet = []string{"denied.test"}
	got, _ := s.run(t, cfg, `for n in example.test written.test denied.test x.wild.test; do getent -s hosts:files ahosts $n >/dev/null && echo $n; done
[ "$(getent -s hosts:files ahosts written.test)" = "$(getent -s hosts:dns ahosts written.test)" ] && echo same
getent ahosts x.wild.test >/dev/null && echo asked
curl -sS http://example.test:$WEB/a; grep -c localhost /etc/hosts`)
	if want := "example.test\nwritten.test\nsame\nasked\nhello example.test:" + s.web + " /a HTTP/1.1 0\n2"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	// Without redirection a name is found when its listeners stand.
	if got, _ := s.run(t, s.config(true), "grep -c test /etc/hosts; curl -sS http://example.test:$WEB/a"); got != "0\nhello example.test:"+s.web+" /a HTTP/1.1 0" {
		t.Errorf("without nf_tables: %q", got)
	}
}

// TestListenersAreEnough: without nf_tables a name has listeners for its own ports
// alone, so that a wide rule for one host leaves the others theirs; and when there can
// be no more, that is told.
func TestListenersAreEnough(t *testing.T) {
	s := newSite(t)
	cfg := Config{Dir: s.dir, perPort: true, AllowNet: []string{"wide.test:20000-20199"}, Resolve: []string{"wide.test=127.0.0.1"}}
	for i := range 10 {
		name := fmt.Sprintf("n%d.test", i)
		cfg.AllowNet, cfg.Resolve = append(cfg.AllowNet, name+":"+s.web), append(cfg.Resolve, name+"=127.0.0.1")
	}
	got, c := s.run(t, cfg, "curl -4 -sS http://n9.test:$WEB/; curl -6 -sS http://n9.test:$WEB/")
	if strings.Count(got, "hello n9.test") != 2 || len(c.Denials()) != 0 {
		t.Errorf("got %s, %+v", got, c.Denials())
	}
	cfg.AllowNet[0] = "wide.test:20000-21999"
	_, c = s.run(t, cfg, "true")
	if d := c.Denials(); len(d) != 1 || d[0].Rule != "limit of listeners" {
		t.Errorf("denials %+v", d)
	}
}

// TestLoopbackIsFree holds that the box's own servers may listen on any port, also
// one that the policy allows outwards.
func TestLoopbackIsFree(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	s.write(t, "serve.py", []byte(`import os, socket, sys, threading, urllib.request
for family, addr in ((socket.AF_INET, sys.argv[1]), (socket.AF_INET6, sys.argv[2])):
  l = socket.socket(family); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  if family == socket.AF_INET6: l.setsockopt(41, 26, 1)
  l.bind((addr, int(os.environ["WEB"]))); l.listen()
  def serve(l=l):
    while True:
      c, _ = l.accept(); c.recv(999); c.sendall(b"HTTP/1.0 200 OK\r\n\r\nmine\n"); c.close()
  threading.Thread(target=serve, daemon=True).start()
for host in "127.0.0.1", "[::1]", "localhost", "example.test":
  print(urllib.request.urlopen("http://%s:%s/" % (host, os.environ["WEB"])).read().decode(), end="")
`))
	const want = "mine\nmine\nmine\nhello example.test"
	both(t, func(t *testing.T, perPort bool) {
		got, _ := s.run(t, s.config(perPort), "/usr/bin/python3 serve.py 127.0.0.1 ::1")
		if !strings.HasPrefix(got, want) {
			t.Errorf("on loopback: %s", got)
		}
	})
	// Without nf_tables a listener has each port at the addresses of names.
	got, _ := s.run(t, s.config(false), "/usr/bin/python3 serve.py 0.0.0.0 ::")
	if !strings.HasPrefix(got, want) {
		t.Errorf("on every address: %s", got)
	}
}

// TestSSH runs git over ssh against a server on loopback.
func TestSSH(t *testing.T) {
	sshd := "/usr/sbin/sshd"
	for _, p := range []string{sshd, "/usr/bin/ssh", "/usr/bin/ssh-keygen"} {
		if _, err := os.Stat(p); err != nil {
			t.Skip(err)
		}
	}
	if os.Getuid() == 0 {
		if _, err := os.Stat("/run/sshd"); err != nil {
			t.Skip("sshd, started by root, needs /run/sshd")
		}
	}
	s := newSite(t)
	dir := t.TempDir()
	for _, k := range []string{filepath.Join(dir, "host"), filepath.Join(s.dir, "key")} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", k).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	l := listen(t)
	p := port(l)
	l.Close()
	os.WriteFile(filepath.Join(dir, "config"), []byte(fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/key.pub\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\nSetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n", p, dir, s.dir)), 0o600)
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))
	var log lockedBuffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 1200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+p); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("GIT_SSH_COMMAND='ssh -F none -i %s/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR' git clone -q ssh://%s@example.test:%s%s/r.git /tmp/r && git -C /tmp/r log --format=%%s", s.dir, me.Username, p, s.repo)
	both(t, func(t *testing.T, perPort bool) {
		if got, _ := s.run(t, s.config(perPort, "example.test:"+p+"/tcp"), script); got != "first" {
			t.Errorf("got %s\n%s", got, log.String())
		}
		if got, _ := s.run(t, s.config(perPort), script); !strings.Contains(got, "onnection refused") {
			t.Errorf("without a rule: %s", got)
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestLocalhost grants one port of the host's loopback.
func TestLocalhost(t *testing.T) {
	s := newSite(t)
	both(t, func(t *testing.T, perPort bool) {
		cfg := Config{Dir: s.dir, Localhost: []string{s.web}, perPort: perPort}
		got, _ := s.run(t, cfg, "curl -sS http://host.bailey.internal:$WEB/x; curl -sS http://host.bailey.internal:$TLS/; curl -sS http://127.0.0.1:$WEB/; curl -sS http://example.test:$WEB/")
		if !strings.HasPrefix(got, "hello host.bailey.internal:"+s.web+" /x") || strings.Count(got, "hello") != 1 || strings.Count(got, "curl: (7)") != 2 || strings.Count(got, "curl: (6)") != 1 {
			t.Errorf("got %s", got)
		}
	})
}

// TestPublish reaches a server inside, on loopback there, from the host.
func TestPublish(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	l := listen(t)
	p := port(l)
	l.Close()
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "page"), []byte("from inside"), 0o644)
	var mu sync.Mutex
	var events []Event
	b, err := Open(t.Context(), Config{Dir: dir, Publish: []string{p}, Events: func(e Event) { mu.Lock(); events = append(events, e); mu.Unlock() }})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if c, err := net.Dial("tcp", "127.0.0.1:"+p); err == nil { // nothing listens inside yet
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read %v; want a reset", err)
		}
		c.Close()
	}
	if _, err := Open(t.Context(), Config{Dir: dir, Publish: []string{p}}); err == nil {
		t.Error("two boxes publish one port")
	}
	c := b.Command(t.Context(), "/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", p)
	c.Stderr = io.Discard
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		var got []byte
		for range 1200 {
			r, err := client.Get("http://" + host + ":" + p + "/page")
			if err == nil {
				got, _ = io.ReadAll(r.Body)
				r.Body.Close()
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		if string(got) != "from inside" {
			t.Errorf("%s: got %q", host, got)
		}
	}
	b.Close()
	if c, err := net.Dial("tcp", "127.0.0.1:"+p); err == nil {
		c.Close()
		t.Error("the port is published after the box's end")
	}
	told := false
	for _, e := range events {
		raw, _ := json.Marshal(e)
		told = told || strings.Contains(string(raw), `"via":"publish"`) && strings.Contains(string(raw), `"addr":"127.0.0.1:`+p)
	}
	if !told {
		t.Errorf("no event of a published connection in %d events", len(events))
	}
}

// TestDenialsAreTold names what was refused, and what would allow it.
func TestDenialsAreTold(t *testing.T) {
	s := newSite(t)
	log := filepath.Join(t.TempDir(), "net.log")
	cfg := s.config(false)
	cfg.NetLog = log
	_, c := s.run(t, cfg, "curl -sS http://other.test/; curl -sS --cacert ca.pem https://example.test:$TLS/; curl -sS http://example.test:81/")
	d := c.Denials()
	if len(d) == 0 || d[0].Op != "resolve" || d[0].Target != "other.test" || !strings.Contains(d[0].Hint, "other.test") {
		t.Errorf("denials %+v", d)
	}
	// The box's kernel refuses a port that no rule has before the gate sees it.
	if !slices.ContainsFunc(d, func(d Denial) bool { return d.Op == "connect" && d.Target == "example.test:81" && d.Hint != "" }) {
		t.Errorf("denials %+v", d)
	}
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Box().Report(); r.Network != "nf_tables" {
		t.Errorf("the report says %q", r.Network)
	}
	for _, want := range []string{`"host":"example.test"`, `"port":81,"verdict":"deny"`, `"protocol":"tls"`, `"exe":"/usr/bin/curl"`, `"addr":"127.0.0.1:` + s.tls, `"state":"end"`, `"rule":"**.example.test:`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
}

// TestReload changes the policy's files under a running box.
func TestReload(t *testing.T) {
	s := newSite(t)
	config := filepath.Join(t.TempDir(), "config.toml")
	rules := func(list string) {
		t.Helper()
		if err := os.WriteFile(config, []byte("[network]\nallow = ["+list+"]\n[network.hosts]\n\"example.test\" = \"127.0.0.1\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules(`"example.test:` + s.web + `"`)
	told := make(chan error, 16)
	notes := make(chan string, 16)
	b, err := Open(t.Context(), Config{Dir: s.dir, PolicyFile: config, Reloaded: func(r Reloaded, err error) { notes <- r.Note; told <- err }})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	get := func(url string) string {
		out, _ := b.Command(t.Context(), "curl", "-sS", "--cacert", "ca.pem", url).CombinedOutput()
		return string(out)
	}
	plain, secure := "http://example.test:"+s.web+"/", "https://example.test:"+s.tls+"/"
	if got := get(plain); !strings.HasPrefix(got, "hello") {
		t.Fatal(got)
	}
	if got := get(secure); strings.HasPrefix(got, "hello") {
		t.Fatal(got)
	}
	// A connection that the next generation would not allow is closed.
	held := b.Command(t.Context(), "bash", "-c", "exec 3<>/dev/tcp/example.test/"+s.web+`; printf 'GET / HTTP/1.1\r\nHost: example.test:`+s.web+`\r\n\r\n' >&3; head -n1 <&3 >/dev/null; echo up; cat <&3 >/dev/null; echo closed`)
	out, err := held.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if l, err := lines.ReadString('\n'); l != "up\n" {
		t.Fatal(l, err)
	}
	rules("\n\"more.test\",\n\"example.test:" + s.tls + `"`)
	if err := <-told; err != nil { // the edited file was seen
		t.Fatal(err)
	}
	if note := <-notes; note != "" { // the network alone changed
		t.Errorf("noted %q", note)
	}
	if l, err := lines.ReadString('\n'); l != "closed\n" {
		t.Errorf("%q, %v", l, err)
	}
	if got := get(plain); strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	if got := get(secure); !strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	// What does not load changes nothing, and says so.
	rules(`"*"`)
	if err := <-told; err == nil || !strings.Contains(err.Error(), "too broad") {
		t.Errorf("told %v", err)
	}
	if _, err := ReloadSession(b.Session()); err == nil || !strings.Contains(err.Error(), "too broad") {
		t.Errorf("reload: %v", err)
	}
	if got := get(secure); !strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	// By request.
	list, err := Sessions()
	if err != nil || !strings.Contains(strings.Join(list, " "), b.Session()) {
		t.Errorf("sessions %v, %v", list, err)
	}
	rules("")
	if r, err := ReloadSession(b.Session()); err != nil || r.Session != b.Session() {
		t.Errorf("reload: %+v, %v", r, err)
	}
	if got := get(secure); strings.HasPrefix(got, "hello") {
		t.Error(got)
	}
	b.Close()
	if _, err := ReloadSession(b.Session()); err == nil {
		t.Error("a closed session was reloaded")
	}
}

// TestNoNetworkNoGate holds that a box without a rule has nothing of a gate.
func TestNoNetworkNoGate(t *testing.T) {
	dir := t.TempDir()
	b, err := Open(t.Context(), Config{Dir: dir, DenyNet: []string{"example.test"}})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.network != nil {
		t.Error("there is a gate")
	}
	out, _ := b.Command(t.Context(), "bash", "-c", "cat /proc/net/tcp /proc/net/udp | wc -l; ls /etc/resolv.conf 2>&1 | head -1; echo >/dev/tcp/198.18.0.1/53").CombinedOutput()
	if got := string(out); !strings.HasPrefix(got, "2\n") || !strings.Contains(got, "Network is unreachable") {
		t.Errorf("got %s", got)
	}
}

// outside runs attack.py with no wall at all.
func (s *site) outside(t *testing.T, env ...string) string {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "attack.py")
	cmd.Dir = s.dir
	cmd.Env = append(append(os.Environ(), "WEB="+s.web, "TLS="+s.tls, "RAW="+s.raw, "HOME="+t.TempDir()), env...)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func freePort(t *testing.T) int {
	l := listen(t)
	n := l.Addr().(*net.TCPAddr).Port
	l.Close()
	return n
}

// gateAttack tries ways around the gate from inside a box of tier full. It prints a
// line for each that worked.
const gateAttack = `import os, socket, struct, ctypes
web = int(os.environ["WEB"]); host = int(os.environ["HOSTPORT"])
def attempt(name, f):
  try: print("WORKED", name, f())
  except (OSError, AssertionError) as e: print("refused", name, e)
def get(s, head=b"GET / HTTP/1.0\r\nHost: example.test:%d\r\n\r\n" % web):
  s.settimeout(10); s.sendall(head); r = s.recv(99); assert r.startswith(b"HTTP/1.") and b" 200 " in r, r; return r
def tcp(to, source=None, family=socket.AF_INET):
  s = socket.socket(family); 
  if source: s.bind(source)
  s.settimeout(10); s.connect(to); return s
gate = "198.18.0.1"
attempt("the redirect port itself", lambda: get(tcp((gate, 1))))
attempt("an address that no name has", lambda: get(tcp(("198.18.77.77", web))))
attempt("the host's loopback by its name", lambda: get(tcp(("198.18.0.2", host))))
attempt("an address of the host", lambda: get(tcp((os.environ["HOSTADDR"], host))))
attempt("the gate's address as a source", lambda: get(tcp(("198.18.0.2", host), (gate, 0))))
attempt("v4-mapped", lambda: get(tcp(("::ffff:127.0.0.1", host), family=socket.AF_INET6)))
attempt("scoped", lambda: get(tcp(("fe80::1%lo", host), family=socket.AF_INET6)))
def priv():
  s = socket.socket(); s.bind(("0.0.0.0", 53)); return s.getsockname()
attempt("the name server's port", priv)
def over():
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((gate, 53)); return 1
attempt("the name server's socket", over)
def transparent():
  s = socket.socket(); s.setsockopt(0, 19, 1); return 1
attempt("transparent", transparent)
def mark():
  s = socket.socket(); s.setsockopt(1, 36, 7); return 1
attempt("mark", mark)
attempt("netfilter", lambda: socket.socket(16, socket.SOCK_RAW, 12))
attempt("route", lambda: socket.socket(16, socket.SOCK_RAW, 0))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 6))
attempt("packet", lambda: socket.socket(17, socket.SOCK_RAW, 0))
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("sysctl", lambda: open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w").write("0"))
attempt("another Host", lambda: get(tcp((socket.gethostbyname("example.test"), web)), b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n"))
attempt("two Hosts", lambda: get(tcp((socket.gethostbyname("example.test"), web)), b"GET / HTTP/1.1\r\nHost: example.test:%d\r\nHost: other.test\r\n\r\n" % web))
def second():
  s = tcp((socket.gethostbyname("example.test"), web)); s.sendall(b"GET / HTTP/1.1\r\nHost: example.test:%d\r\n\r\n" % web)
  b = b""
  while b"0\r\n\r\n" not in b and b"hello" not in b: b += s.recv(999)
  return get(s, b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
attempt("another Host in the second request", second)
def resolve(name): return lambda: socket.getaddrinfo(name, 80)
for name in "other.test", "a.b.other.test", "127.0.0.1.nip.io", "secret-data.other.test", "localhost.other.test": attempt("resolve " + name, resolve(name))
def txt(kind):
  q = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x07example\x04test\x00" + struct.pack(">HH", kind, 1)
  s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.sendto(q, (gate, 53)); r = s.recv(999)
  assert struct.unpack(">H", r[6:8])[0] > 0, "no answer: %d" % (r[3] & 15); return r
for kind in 10, 16, 255, 15, 33: attempt("question of type %d" % kind, lambda: txt(kind))
fds = [os.readlink("/proc/self/fd/" + f) for f in os.listdir("/proc/self/fd") if int(f) > 2 and os.path.lexists("/proc/self/fd/" + f)]
attempt("inherited sockets", lambda: [f for f in fds if "socket" in f] or (_ for _ in ()).throw(OSError("none")))
print("reached", get(tcp((socket.gethostbyname("example.test"), web)))[:12])
`

// TestGateAttacks holds that there is no way around the gate.
func TestGateAttacks(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	s.write(t, "attack.py", []byte(gateAttack))
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the host's own") }))
	defer host.Close()
	hostAddr := "192.0.2.2"
	if addrs, err := net.InterfaceAddrs(); err == nil {
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
				hostAddr = ip.IP.String()
			}
		}
	}
	both(t, func(t *testing.T, perPort bool) {
		got, _ := s.run(t, s.config(perPort), "HOSTADDR="+hostAddr+" HOSTPORT="+port(host.Listener)+" timeout 50 /usr/bin/python3 attack.py")
		if strings.Contains(got, "WORKED") || strings.Count(got, "refused ") < 31 || !strings.HasSuffix(got, "reached b'HTTP/1.0 200'") && !strings.HasSuffix(got, "reached b'HTTP/1.1 200'") || strings.Contains(got, "the host's own") {
			t.Errorf("got\n%s", got)
		}
	})
}

type asked struct {
	mu   sync.Mutex
	list []Question
}

func (a *asked) Ask(_ context.Context, q Question) Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, q)
	return Answer{Allow: strings.HasPrefix(q.Subject, "example.test:"), Scope: ScopeSession}
}

// TestAsking holds connections to unknown hosts until there is an answer.
func TestAsking(t *testing.T) {
	s := newSite(t)
	a := &asked{}
	cfg := Config{Dir: s.dir, Resolve: []string{"example.test=127.0.0.1", "other.test=127.0.0.1"}, Set: []Setting{{Key: "network.default", Value: "ask"}}, Ask: a}
	const script = "curl -sS http://example.test:$WEB/; curl -sS http://example.test:$WEB/; curl -sS http://other.test:$WEB/"
	got, _ := s.run(t, cfg, script)
	if strings.Count(got, "hello example.test") != 2 || strings.Contains(got, "hello other.test") {
		t.Errorf("got %s", got)
	}
	if len(a.list) < 2 || a.list[0].Kind != KindNetwork || a.list[0].Subject != "example.test:"+s.web || !strings.HasSuffix(a.list[0].Exe, "/curl") {
		t.Errorf("asked %+v", a.list)
	}
	cfg.Ask = nil
	if got, _ := s.run(t, cfg, script); strings.Contains(got, "hello") {
		t.Errorf("with nobody to ask: %s", got)
	}
}

// TestResolver asks a name server of one's own; what it says is checked.
func TestResolver(t *testing.T) {
	s := newSite(t)
	ns, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	var mu sync.Mutex
	names := map[string]bool{}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := ns.ReadFrom(b)
			if err != nil {
				return
			}
			var p dnsmessage.Parser
			h, err := p.Start(b[:n])
			if err != nil {
				continue
			}
			q, err := p.Question()
			if err != nil {
				continue
			}
			mu.Lock()
			names[q.Name.String()] = true
			mu.Unlock()
			m := dnsmessage.Message{Header: dnsmessage.Header{ID: h.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			}
			raw, err := m.Pack()
			if err == nil {
				ns.WriteTo(raw, from)
			}
		}
	}()
	resolver := Setting{Key: "network.resolver", Value: ns.LocalAddr().String()}
	cfg := Config{Dir: s.dir, AllowNet: []string{"granted.test:" + s.web + " private", "rebound.test:" + s.web}, Set: []Setting{resolver}}
	got, c := s.run(t, cfg, "curl -sS http://granted.test:$WEB/; curl -sS http://rebound.test:$WEB/; curl -sS http://leak.other.test:$WEB/")
	// "private" opens the networks of an office, never the host's loopback.
	if strings.Contains(got, "hello") {
		t.Errorf("got %s", got)
	}
	if mu.Lock(); !names["granted.test."] || !names["rebound.test."] {
		t.Errorf("the name server was asked for %v", names)
	}
	mu.Unlock()
	if mu.Lock(); names["leak.other.test."] {
		t.Error("a name that is not allowed left the host")
	}
	mu.Unlock()
	told := ""
	for _, d := range c.Denials() {
		told += d.Target + " " + d.Rule + "\n"
	}
	if !strings.Contains(told, "rebound.test") || !strings.Contains(told, "leak.other.test") {
		t.Errorf("denials: %s", told)
	}
}
