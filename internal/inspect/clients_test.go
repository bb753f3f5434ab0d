package inspect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// program runs a program on the box's side of w and returns what it printed.
func (w *world) program(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "LC_ALL=C", "PORT=" + fmt.Sprint(w.target.Port), "CA=" + w.caFile(t)}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// curl with the options that lead it to w.
func (w *world) curl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	port := fmt.Sprint(w.target.Port)
	return w.program(t, nil, "curl", append([]string{"-sS", "--max-time", "60", "--cacert", w.caFile(t), "--resolve", "api.test:" + port + ":127.0.0.1"}, args...)...)
}

func (w *world) named(path string) string {
	return fmt.Sprintf("https://api.test:%d%s", w.target.Port, path)
}

func clientServer(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Auth", r.Header.Get("Authorization"))
	fmt.Fprintf(w, "%s %s %s %d bytes, authorization %q\n", r.Proto, r.Method, r.RequestURI, len(b), r.Header.Get("Authorization"))
}

func clientRules() []plan.NetRule {
	return []plan.NetRule{{Host: host, Inspect: true, Methods: []string{"GET", "POST", "PUT"}, Paths: []string{"/ok/**", "/repo.git/info/refs", "/repo.git/git-upload-pack"}, Text: "rule", From: policy.Source{File: "bailey.toml", Line: 4}}}
}

func TestCurl(t *testing.T) {
	w := newWorld(t, setup{named: true, allow: clientRules(), secrets: someSecrets(), env: someEnv()}, clientServer)
	key := w.placeholder("T")
	for _, version := range []string{"--http1.1", "--http2"} {
		out, err := w.curl(t, version, "-H", "Authorization: Bearer "+key, w.named("/ok/x?y=1"))
		if want := fmt.Sprintf("HTTP/2.0 GET /ok/x?y=1 0 bytes, authorization %q\n", "Bearer "+key); err != nil || out != want {
			t.Errorf("%s: %v %q, want %q", version, err, out, want)
		}
		big := filepath.Join(t.TempDir(), "big")
		os.WriteFile(big, make([]byte, 20<<20), 0o600)
		if out, err := w.curl(t, version, "-T", big, w.named("/ok/up")); err != nil || !strings.Contains(out, "PUT /ok/up 20971520 bytes") {
			t.Errorf("%s: %v %q", version, err, out)
		}
		if out, err := w.curl(t, version, "--path-as-is", "-w", "%{http_code}", w.named("/ok/../x")); err != nil || !strings.HasSuffix(out, "403") || !strings.Contains(out, "a segment of dots") {
			t.Errorf("%s: %v %q", version, err, out)
		}
		w.told()
		if out, err := w.curl(t, version, "-w", "%{http_code}", "-d", "here: "+key, w.named("/ok/x")); err != nil || !strings.HasSuffix(out, "403") || !strings.Contains(out, "secrets.T") {
			t.Errorf("%s: %v %q", version, err, out)
		}
		if d := w.told(); len(d) != 1 || d[0].Op != "secret" {
			t.Errorf("%s: told %+v", version, d)
		}
	}
	// A program with a list of authorities of its own.
	if out, err := w.program(t, nil, "curl", "-sS", "--resolve", fmt.Sprintf("api.test:%d:127.0.0.1", w.target.Port), w.named("/ok/x")); err == nil {
		t.Errorf("our certificate is accepted: %q", out)
	}
	if d := w.toldSoon(); len(d) != 1 || d[0].Op != "inspect" || !strings.Contains(d[0].Hint, "unknown certificate authority") {
		t.Errorf("told %+v", d)
	}
}

const nodeProgram = `
const http2 = require('http2'), https = require('https'), tls = require('tls'), fs = require('fs');
const ca = fs.readFileSync(process.env.CA), port = +process.env.PORT, key = process.env.KEY;
const opts = { host: '127.0.0.1', port, servername: 'api.test', ca };
const headers = { authorization: 'Bearer ' + key };
const s = http2.connect('https://api.test:' + port, { createConnection: () => tls.connect({ ...opts, ALPNProtocols: ['h2'] }) });
const q = s.request({ ':path': '/ok/h2', ...headers });
let out = '';
q.on('response', h => out += h[':status'] + ' ' + (h['x-auth'] === headers.authorization) + ' ');
q.on('data', d => out += d);
q.on('end', () => {
  s.close();
  const r = https.request({ ...opts, path: '/ok/h1', method: 'POST', headers: { host: 'api.test:' + port, ...headers } }, res => {
    out += res.statusCode + ' ';
    res.on('data', d => out += d);
    res.on('end', () => console.log(out));
  });
  r.write('one'); setTimeout(() => r.end('two'), 20);
});
q.end();
`

func TestNode(t *testing.T) {
	w := newWorld(t, setup{named: true, allow: clientRules(), secrets: someSecrets(), env: someEnv()}, clientServer)
	out, err := w.program(t, []string{"KEY=" + w.placeholder("T")}, "node", "-e", nodeProgram)
	if err != nil || !strings.Contains(out, "200 true HTTP/2.0 GET /ok/h2 0 bytes") || !strings.Contains(out, "200 HTTP/2.0 POST /ok/h1 6 bytes") {
		t.Errorf("%v %s", err, out)
	}
}

const pythonProgram = `
import http.client, os, socket, ssl
ctx = ssl.create_default_context(cafile=os.environ["CA"])
ctx.verify_flags |= ssl.VERIFY_X509_STRICT
class C(http.client.HTTPSConnection):
    def connect(self):
        self.sock = ctx.wrap_socket(socket.create_connection(("127.0.0.1", self.port)), server_hostname=self.host)
c = C("api.test", int(os.environ["PORT"]))
for i in range(2):
    c.request("POST", "/ok/py", iter([b"a", b"bc"]), {"Authorization": "Bearer " + os.environ["KEY"]}, encode_chunked=True)
    r = c.getresponse()
    print(r.status, r.read().decode())
c.request("DELETE", "/ok/py")
r = c.getresponse()
print(r.status, r.read().decode())
`

func TestPython(t *testing.T) {
	w := newWorld(t, setup{named: true, allow: clientRules(), secrets: someSecrets(), env: someEnv()}, clientServer)
	out, err := w.program(t, []string{"KEY=" + w.placeholder("T")}, "python3", "-c", pythonProgram)
	if err != nil || strings.Count(out, "200 HTTP/2.0 POST /ok/py 3 bytes") != 2 || !strings.Contains(out, `"allow": "api.test:`) {
		t.Errorf("%v %s", err, out)
	}
}

const javaProgram = `
import java.net.*; import java.net.http.*; import javax.net.ssl.*; import java.security.*; import java.security.cert.*; import java.io.*;
public class P {
  public static void main(String[] a) throws Exception {
    KeyStore ks = KeyStore.getInstance("PKCS12"); ks.load(null);
    ks.setCertificateEntry("bailey", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(System.getenv("CA"))));
    TrustManagerFactory f = TrustManagerFactory.getInstance("PKIX"); f.init(ks);
    SSLContext c = SSLContext.getInstance("TLS"); c.init(null, f.getTrustManagers(), null);
    SSLSocket s = (SSLSocket) c.getSocketFactory().createSocket(new Socket("127.0.0.1", Integer.parseInt(System.getenv("PORT"))), "api.test", 443, true);
    SSLParameters p = s.getSSLParameters(); p.setEndpointIdentificationAlgorithm("HTTPS"); s.setSSLParameters(p);
    OutputStream o = s.getOutputStream();
    o.write(("GET /ok/java HTTP/1.1\r\nHost: api.test:" + System.getenv("PORT") + "\r\nConnection: close\r\n\r\n").getBytes()); o.flush();
    BufferedReader r = new BufferedReader(new InputStreamReader(s.getInputStream()));
    for (String l; (l = r.readLine()) != null;) System.out.println(l);
  }
}`

func TestJava(t *testing.T) {
	w := newWorld(t, setup{named: true, allow: clientRules()}, clientServer)
	file := filepath.Join(t.TempDir(), "P.java")
	if err := os.WriteFile(file, []byte(javaProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := w.program(t, nil, "java", file); err != nil || !strings.Contains(out, "GET /ok/java 0 bytes") {
		t.Errorf("%v %s", err, out)
	}
}

// TestGit: a clone is a read, although it posts; a push is not one.
func TestGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	root := t.TempDir()
	git := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+root, "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.test", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.test", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git(root, "init", "-q", "--bare", "-b", "main", "repo.git")
	git(root, "--git-dir", "repo.git", "config", "http.receivepack", "true")
	git(root, "init", "-q", "-b", "main", "work")
	os.WriteFile(filepath.Join(root, "work", "big"), bytes.Repeat([]byte("some content\n"), 200000), 0o644)
	git(root+"/work", "add", ".")
	git(root+"/work", "commit", "-qm", "one")
	git(root+"/work", "push", "-q", "../repo.git", "main")
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x", "HOME=" + root}, InheritEnv: []string{"PATH"}, Logger: quiet()}
	w := newWorld(t, setup{named: true, allow: clientRules(), secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != someEnv()["B"] {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return
		}
		if r.ContentLength < 0 { // CGI needs a length
			b, _ := io.ReadAll(r.Body)
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
		}
		backend.ServeHTTP(w, r)
	})
	port := fmt.Sprint(w.target.Port)
	config := []string{"-c", "http.curloptResolve=api.test:" + port + ":127.0.0.1", "-c", "http.sslCAInfo=" + w.caFile(t),
		"-c", "credential.helper=!f() { echo username=git; echo \"password=$KEY\"; }; f", "-c", "safe.directory=*"}
	env := []string{"KEY=" + w.placeholder("B"), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1"}
	clone := filepath.Join(root, "clone")
	if out, err := w.program(t, env, "git", append(config, "clone", "-q", w.named("/repo.git"), clone)...); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(clone, "big")); err != nil || len(b) != 2600000 {
		t.Errorf("%v, %d bytes", err, len(b))
	}
	if d := w.told(); len(d) != 0 {
		t.Errorf("told %+v", d)
	}
	git(clone, "commit", "-q", "--allow-empty", "-m", "two")
	if out, err := w.program(t, env, "git", append(config, "-C", clone, "push", "-q", "origin", "HEAD:refs/heads/other")...); err == nil || !strings.Contains(out, "403") {
		t.Errorf("a push: %v %s", err, out)
	}
	if d := w.told(); len(d) != 1 || !strings.HasSuffix(d[0].Target, "/repo.git/git-receive-pack") {
		t.Errorf("told %+v", d)
	}
}
