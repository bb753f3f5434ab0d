//go:build linux

package bailey

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inspected lets the box reach the site with the gate looking inside TLS. The box
// gets no certificate from the test: it trusts what bailey gives it.
func (s *site) inspected(t *testing.T, rules ...string) Config {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(s.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	cfg := Config{Dir: s.dir, roots: pool, Resolve: []string{"example.test=127.0.0.1"}}
	for _, r := range rules {
		cfg.AllowNet = append(cfg.AllowNet, "example.test:"+s.tls+","+s.web+" "+r)
	}
	return cfg
}

// TestInspectedPrograms holds that programs trust the session's authority with
// nothing configured, and that the host's own files are as they were.
func TestInspectedPrograms(t *testing.T) {
	s := newSite(t)
	s.write(t, "fetch.js", []byte(`fetch(process.argv[2]).then(r => r.text()).then(t => process.stdout.write(t)).catch(e => console.log("failed", e.cause?.code ?? e.message))`))
	s.write(t, "Fetch.java", []byte(`import java.net.URI; import java.net.http.*;
class Fetch { public static void main(String[] a) throws Exception { System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), HttpResponse.BodyHandlers.ofString()).body()); } }`))
	goProgram(t, s.dir)
	before, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	for _, p := range []struct{ name, needs, script, want string }{
		{"curl", "curl", "curl -sS https://example.test:$TLS/x", "hello example.test:"},
		{"curl with the system's list", "curl", "env -u SSL_CERT_FILE -u CURL_CA_BUNDLE curl -sS https://example.test:$TLS/x", "hello example.test:"},
		{"openssl", "openssl", "openssl s_client -verify_return_error -brief -connect example.test:$TLS </dev/null 2>&1 | grep -i verif", "OK"},
		{"wget", "wget", "wget -qO- https://example.test:$TLS/x", "hello example.test:"},
		{"node", "node", "node fetch.js https://example.test:$TLS/x", "hello example.test:"},
		{"python", "/usr/bin/python3", `/usr/bin/python3 -c "import urllib.request; print(urllib.request.urlopen('https://example.test:$TLS/x').read().decode())"`, "hello example.test:"},
		{"go", "", "./fetch https://example.test:$TLS/x", "hello example.test:"},
		{"java", "javac", "java Fetch.java https://example.test:$TLS/x", "hello example.test:"},
		{"git", "git", "git clone -q https://example.test:$TLS/git/r.git /tmp/r && git -C /tmp/r log --format=%s", "first"},
	} {
		t.Run(p.name, func(t *testing.T) {
			if p.needs != "" {
				if _, err := exec.LookPath(p.needs); err != nil {
					t.Skip(err)
				}
			}
			if p.name == "java" {
				if _, err := os.Stat("/etc/ssl/certs/java/cacerts"); err != nil {
					t.Skip(err)
				}
			}
			if got, _ := s.run(t, s.inspected(t, "inspect"), p.script); !strings.Contains(got, p.want) {
				t.Errorf("got %s", got)
			}
		})
	}
	if after, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); !bytes.Equal(before, after) {
		t.Error("the host's trust anchors changed")
	}
}

// TestMethodsAndPaths denies by what is asked, with an answer that says why.
func TestMethodsAndPaths(t *testing.T) {
	s := newSite(t)
	cfg := s.inspected(t, "methods=GET paths=/ok/**")
	cfg.DenyNet = []string{"example.test paths=/ok/secret/**"}
	got, c := s.run(t, cfg, `for u in "" "-d x " ; do curl -sS $u https://example.test:$TLS/ok/x; echo; curl -sS $u http://example.test:$WEB/ok/x; echo; done
curl -sS --path-as-is https://example.test:$TLS/ok/../other; echo
curl -sS https://example.test:$TLS/ok/secret/x; echo`)
	lines := strings.Split(got, "\n")
	if strings.Count(got, "hello example.test") != 2 {
		t.Errorf("got %s", got)
	}
	if !strings.HasPrefix(lines[0], "hello example.test:"+s.tls+" /ok/x") {
		t.Errorf("first %s", lines[0])
	}
	if len(c.Denials()) == 0 {
		t.Error("no denial was told")
	}
	t.Log(got, c.Denials())
}

// TestSecretPlaceholder gives a program a placeholder, and its host the secret.
func TestSecretPlaceholder(t *testing.T) {
	const value = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	t.Setenv("BAILEY_TEST_TOKEN", value)
	s := newSite(t)
	s.repo = ""
	config := filepath.Join(t.TempDir(), "config.toml")
	os.WriteFile(config, []byte(`[secrets.forge]
source = "env:BAILEY_TEST_TOKEN"
hosts = ["example.test"]
header = "Authorization"
format = "Bearer {}"
env = "FORGE_TOKEN"
file = "~/.forge-token"
`), 0o600)
	cfg := s.inspected(t, "inspect")
	cfg.PolicyFile = config
	var events bytes.Buffer
	cfg.Events = func(e Event) { json.NewEncoder(&events).Encode(e) }
	got, _ := s.run(t, cfg, `echo "$FORGE_TOKEN"; cat ~/.forge-token; echo; env | grep -c BAILEY_TEST_TOKEN
curl -sS -H "Authorization: Bearer $FORGE_TOKEN" https://example.test:$TLS/auth; echo
curl -sS -H "Authorization: Bearer $FORGE_TOKEN" http://example.test:$WEB/auth; echo
curl -sS -d "$FORGE_TOKEN" https://example.test:$TLS/body; echo`)
	if strings.Contains(got, value) || strings.Contains(events.String(), value) {
		t.Errorf("the secret is in the box or its events:\n%s\n%s", got, events.String())
	}
	lines := strings.Split(got, "\n")
	if len(lines) < 4 || len(lines[0]) < 20 || lines[0] != lines[1] || lines[2] != "0" {
		t.Fatalf("got %s", got)
	}
	if lines[3] != "authorized true" {
		t.Errorf("over TLS: %s", lines[3])
	}
	if strings.Count(got, "authorized true") != 1 || strings.Contains(got, "hello") {
		t.Errorf("elsewhere: %s", got)
	}
}

func authorized(w http.ResponseWriter, r *http.Request) {
	ok := r.Header.Get("Authorization") == "Bearer ghp_0123456789abcdefghijABCDEFGHIJ012345"
	w.Write([]byte("authorized " + map[bool]string{true: "true", false: "false"}[ok]))
}
