package inspect

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/secret"
)

func someEnv() map[string]string {
	return map[string]string{
		"T": "ghp_1zr7Q0nT9sVbKx3LmW8yHd2CfGjPa5eRuIo4",
		"Q": "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
		"B": "p4ssw0rd/with+signs&more=yes",
		"E": "elsewhere-8c1f2a7b9d3e4f50",
	}
}

func someSecrets() []plan.NetSecret {
	from := policy.Source{File: "bailey.toml", Line: 20}
	return []plan.NetSecret{
		{Name: "T", Source: "env:T", Hosts: []string{host}, Header: "authorization", Format: "Bearer {}", From: from},
		{Name: "Q", Source: "env:Q", Hosts: []string{"**.test"}, Query: "key", From: from},
		{Name: "B", Source: "env:B", Hosts: []string{host}, Basic: "git", From: from},
		{Name: "E", Source: "env:E", Hosts: []string{"elsewhere.test"}, Header: "X-Key", From: from},
	}
}

// placeholder is what the box has of a secret.
func (w *world) placeholder(name string) string {
	w.t.Helper()
	specs := someSecrets()
	for i := range specs {
		specs[i].Env = specs[i].Name
	}
	if err := w.inspector.secrets.Update(context.Background(), specs); err != nil {
		w.t.Fatal(err)
	}
	env, _ := w.inspector.secrets.Inside()
	return env[name]
}

// echo answers with everything it got, and hides nothing.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	for k, v := range r.Header {
		w.Header()["X-Echo-"+k] = v
	}
	fmt.Fprintf(w, "%s %s\nauthorization=%q\nbody=%s\n", r.Method, r.RequestURI, r.Header.Get("Authorization"), b)
}

func TestPlaced(t *testing.T) {
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		var got *http.Request
		w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			got = r
			echo(w, r)
		})
		env := someEnv()
		for name, c := range map[string]struct {
			change func(r *http.Request)
			want   func(r *http.Request) bool
		}{
			"header": {
				func(r *http.Request) { r.Header.Set("Authorization", "bearer "+w.placeholder("T")) },
				func(r *http.Request) bool { return r.Header.Get("Authorization") == "bearer "+env["T"] },
			},
			"query": {
				func(r *http.Request) { r.URL.RawQuery = "a=1&key=" + w.placeholder("Q") + "&b=%2F;" },
				func(r *http.Request) bool { return r.URL.RawQuery == "a=1&key="+env["Q"]+"&b=%2F;" },
			},
			"basic": {
				func(r *http.Request) { r.SetBasicAuth("git", w.placeholder("B")) },
				func(r *http.Request) bool {
					u, p, _ := r.BasicAuth()
					return u == "git" && p == env["B"]
				},
			},
			"pieces are not given": {
				func(r *http.Request) {
					r.Header.Set("Authorization", "Bearer "+w.placeholder("T"))
					r.Header.Set("Range", "bytes=0-9")
				},
				func(r *http.Request) bool {
					return r.Header.Get("Range") == "" && r.Header.Get("Authorization") == "Bearer "+env["T"]
				},
			},
		} {
			r := request(t, "POST", w.url("/x"), strings.NewReader("body"))
			c.change(r)
			status, body, header := get(t, w.client(h2), r)
			if status != 200 || !c.want(got) {
				t.Errorf("%s: %d, the server got %v %v", name, status, got.URL, got.Header)
			}
			all := body + fmt.Sprint(header)
			for _, v := range env {
				if strings.Contains(all, v) || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte("git:"+v))) {
					t.Errorf("%s: the echo holds the value: %s", name, all)
				}
			}
			if name == "header" && !strings.Contains(body, w.placeholder("T")) {
				t.Errorf("the echo is masked as %s", body)
			}
			if name == "basic" {
				// All but the first character, which shares its bits with the colon.
				_, back, _ := strings.Cut(body, `"Basic `)
				back, _, _ = strings.Cut(back, `"`)
				raw, err := base64.StdEncoding.DecodeString(back)
				if want := "git:" + w.placeholder("B"); err != nil || len(raw) != len(want) || string(raw[5:]) != want[5:] {
					t.Errorf("the echo is masked as %q, want %q", raw, want)
				}
			}
			if d := w.told(); len(d) != 0 {
				t.Errorf("%s: told %+v", name, d)
			}
		}
	})
}

// TestLeaks: a secret or a placeholder anywhere but in its place is blocked, told
// of, and no answer or event holds it.
func TestLeaks(t *testing.T) {
	gz := func(s string) io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, strings.Repeat("padding ", 1000)+s)
		z.Close()
		return &b
	}
	type attempt func(r *http.Request, secret string)
	body := func(f func(s string) io.Reader) attempt {
		return func(r *http.Request, s string) { r.Body, r.ContentLength = io.NopCloser(f(s)), -1 }
	}
	text := func(f func(s string) string) attempt {
		return body(func(s string) io.Reader { return strings.NewReader("before " + f(s) + " after") })
	}
	attempts := map[string]attempt{
		"other header":      func(r *http.Request, s string) { r.Header.Set("X-Other", s) },
		"header twice":      func(r *http.Request, s string) { r.Header["X-Other"] = []string{"a", "b" + s} },
		"header name":       func(r *http.Request, s string) { r.Header["X-"+strings.Trim(s, "/+&=")+"-y"] = []string{"a"} },
		"another format":    func(r *http.Request, s string) { r.Header.Set("Authorization", "Token x "+s) },
		"base64 header":     func(r *http.Request, s string) { r.Header.Set("X", base64.StdEncoding.EncodeToString([]byte("ab"+s))) },
		"basic, other user": func(r *http.Request, s string) { r.SetBasicAuth("somebody", s) },
		"basic user":        func(r *http.Request, s string) { r.SetBasicAuth(s, "x") },
		"cookie":            func(r *http.Request, s string) { r.Header.Set("Cookie", "a=b; c="+s) },
		"path":              func(r *http.Request, s string) { r.URL.Path = "/a/" + s },
		"path, twice": func(r *http.Request, s string) {
			r.URL.Opaque = "//api.test/a/" + strings.ReplaceAll(allPercent(s), "%", "%25")
		},
		"query":          func(r *http.Request, s string) { r.URL.RawQuery = "a=" + url.QueryEscape(s) },
		"query key":      func(r *http.Request, s string) { r.URL.RawQuery = url.QueryEscape(s) + "=a" },
		"query, percent": func(r *http.Request, s string) { r.URL.RawQuery = "a=" + allPercent(s) },
		"query, base64": func(r *http.Request, s string) {
			r.URL.RawQuery = "a=" + base64.RawURLEncoding.EncodeToString([]byte("x"+s))
		},
		"query in place, twice": func(r *http.Request, s string) { r.URL.RawQuery = "key=x" + s },
		"body":                  text(func(s string) string { return s }),
		"body, base64":          text(func(s string) string { return base64.StdEncoding.EncodeToString([]byte("xy" + s)) }),
		"body, hex":             text(func(s string) string { return hex.EncodeToString([]byte(s)) }),
		"body, percent":         text(allPercent),
		"body, JSON":            text(func(s string) string { return fmt.Sprintf("{%q: %q}", "a", s) }),
		"body, far":             text(func(s string) string { return strings.Repeat("x", 3<<20) + s }),
		"body, in pieces":       body(func(s string) io.Reader { return &slow{[]byte("a" + s + "b")} }),
		"body, gzip": func(r *http.Request, s string) {
			r.Header.Set("Content-Encoding", "gzip")
			r.Body, r.ContentLength = io.NopCloser(gz(s)), -1
		},
		"trailer": func(r *http.Request, s string) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), -1
			r.Trailer = http.Header{"X-Late": {s}}
		},
	}
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		var mu sync.Mutex
		var arrived strings.Builder
		w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			_, err := io.Copy(&b, r.Body)
			mu.Lock()
			fmt.Fprintln(&arrived, r.RequestURI, r.Header, b.String(), r.Trailer, err)
			mu.Unlock()
		})
		for name, try := range attempts {
			for _, secret := range []string{w.placeholder("T"), someEnv()["T"], w.placeholder("E"), someEnv()["E"], w.placeholder("Q")} {
				if name == "query in place, twice" && secret != w.placeholder("Q") {
					continue
				}
				r := request(t, "POST", w.url("/x"), nil)
				try(r, secret)
				status, answer := 0, ""
				if res, err := w.client(h2).Do(r); err == nil {
					b, _ := io.ReadAll(res.Body)
					res.Body.Close()
					status, answer = res.StatusCode, string(b)+fmt.Sprint(res.Header)
				}
				if status != 403 && !(strings.HasPrefix(name, "body, far") || name == "trailer") {
					t.Errorf("%s: %d %s", name, status, answer)
				}
				d := w.told()
				if len(d) != 1 || d[0].Op != "secret" || !strings.HasPrefix(d[0].Rule, "secrets.") || d[0].From.Line != 20 || !strings.HasPrefix(d[0].Target, "POST https://api.test/") {
					t.Errorf("%s: told %+v", name, d)
				}
				if strings.Contains(answer+fmt.Sprint(d), secret) {
					t.Errorf("%s: the answer or the event holds it: %s %+v", name, answer, d)
				}
				mu.Lock()
				if strings.Contains(arrived.String(), secret) || strings.Contains(arrived.String(), hex.EncodeToString([]byte(secret))) {
					t.Errorf("%s: it has arrived: %s", name, &arrived)
				}
				if name != "body, far" && name != "body" && strings.Contains(arrived.String(), "<nil>\n") {
					t.Errorf("%s: the server takes the request for whole: %s", name, &arrived)
				}
				arrived.Reset()
				mu.Unlock()
			}
		}
	})
}

func allPercent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// slow gives one byte at a time, so that each is a chunk of its own.
type slow struct{ b []byte }

func (s *slow) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	p[0] = s.b[0]
	s.b = s.b[1:]
	return 1, nil
}

// TestElsewhere: towards a host that is not a secret's, and without TLS, its
// placeholder is blocked even in its place.
func TestElsewhere(t *testing.T) {
	w := newWorld(t, setup{secrets: someSecrets(), env: someEnv()}, echo)
	r := request(t, "GET", w.url("/"), nil)
	r.Header.Set("X-Key", w.placeholder("E"))
	if status, body, _ := get(t, w.client(true), r); status != 403 || !strings.Contains(body, "secrets.E") || !strings.Contains(body, "bailey.toml") {
		t.Errorf("%d %s", status, body)
	}
	w = newWorld(t, setup{plain: true, secrets: someSecrets(), env: someEnv()}, echo)
	r = request(t, "GET", w.url("/"), nil)
	r.Header.Set("Authorization", "Bearer "+w.placeholder("T"))
	if status, body, _ := get(t, w.client(false), r); status != 403 {
		t.Errorf("without TLS: %d %s", status, body)
	}
	// After the rules: a denied request causes no look at the source.
	w = newWorld(t, setup{allow: []plan.NetRule{{Host: host, Methods: []string{"GET"}}}, secrets: someSecrets(), env: someEnv()}, echo)
	r = request(t, "POST", w.url("/"), nil)
	r.Header.Set("Authorization", "Bearer "+w.placeholder("T"))
	if status, _, _ := get(t, w.client(true), r); status != 403 || w.dials != 0 {
		t.Errorf("a denied request: %d, %d connections", status, w.dials)
	}
}

// TestEchoes: what comes back is masked wherever it stands, at the length it had.
func TestEchoes(t *testing.T) {
	env := someEnv()
	value := env["T"]
	forms := map[string]string{"plain": value, "base64": base64.StdEncoding.EncodeToString([]byte("x:" + value)), "hex": hex.EncodeToString([]byte(value)), "JSON": fmt.Sprintf("%q", env["B"]), "query": url.QueryEscape(env["B"])}
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		for how, form := range forms {
			text := strings.Repeat("before "+form+" after\n", 3000)
			w := newWorld(t, setup{h1: server1, secrets: someSecrets(), env: env}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Echo", form)
				w.Header().Set("Trailer", "X-Late")
				switch r.URL.Path {
				case "/length":
					w.Header().Del("Trailer")
					w.Header().Set("Content-Length", fmt.Sprint(len(text)))
				case "/gzip": // although it was asked not to
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					io.WriteString(z, text)
					z.Close()
					return
				case "/other":
					w.Header().Set("Content-Encoding", "br")
				}
				for i := 0; i < len(text); i += 1000 { // in pieces that cut through it
					io.WriteString(w, text[i:min(i+1000, len(text))])
					w.(http.Flusher).Flush()
				}
				w.Header().Set("X-Late", form)
			})
			for _, path := range []string{"/length", "/chunks", "/gzip", "/other"} {
				r := request(t, "GET", w.url(path), nil)
				r.Header.Set("Accept-Encoding", "gzip, br")
				res, err := w.client(h2).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				all := string(b) + fmt.Sprint(res.Header, res.Trailer)
				if strings.Contains(all, form) || strings.Contains(all, value) {
					t.Errorf("%s %s: it comes back", how, path)
				}
				switch {
				case path == "/other":
					if res.StatusCode != http.StatusBadGateway {
						t.Errorf("%s: %d", path, res.StatusCode)
					}
				case err != nil || len(b) != len(text) || res.Header.Get("Content-Encoding") != "":
					t.Errorf("%s %s: %d of %d bytes, %v, %v", how, path, len(b), len(text), err, res.Header)
				case path == "/length" && res.ContentLength != int64(len(text)):
					t.Errorf("%s %s: the length is %d", how, path, res.ContentLength)
				case path == "/chunks" && len(res.Trailer.Get("X-Late")) != len(form):
					t.Errorf("%s %s: the trailer is %v", how, path, res.Trailer)
				}
			}
		}
	})
}

// TestUnknownCoding: a body that cannot be looked into is refused while there are
// secrets, and passes when there are none.
func TestUnknownCoding(t *testing.T) {
	send := func(w *world, coding string, body io.Reader) int {
		r := request(t, "POST", w.url("/"), body)
		r.Header.Set("Content-Encoding", coding)
		status, _, _ := get(t, w.client(true), r)
		return status
	}
	bomb := func() io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.Copy(z, &zeros{maxInflate + 1<<20})
		z.Close()
		return &b
	}
	good := func() io.Reader {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, "harmless")
		z.Close()
		return &b
	}
	w := newWorld(t, setup{secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		if b, err := io.ReadAll(z); err != nil || string(b) != "harmless" {
			t.Errorf("%q %v", b, err)
		}
	})
	for name, c := range map[string]struct {
		coding string
		body   io.Reader
		want   int
	}{
		"good": {"gzip", good(), 200}, "br": {"br", strings.NewReader("x"), 403}, "twice": {"gzip, gzip", good(), 403}, "damaged": {"gzip", strings.NewReader("nothing of the kind"), 403},
		"long": {"gzip", &zeros{maxPacked + 1}, 403}, "bomb": {"gzip", bomb(), 403},
	} {
		if got := send(w, c.coding, c.body); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	w = newWorld(t, setup{}, func(http.ResponseWriter, *http.Request) {})
	if got := send(w, "br", strings.NewReader("x")); got != 200 {
		t.Errorf("without secrets: %d", got)
	}
}

// newFuzzSet is the set of someSecrets.
func newFuzzSet(t testing.TB) *secret.Set {
	t.Helper()
	env := someEnv()
	s, err := secret.Open(context.Background(), someSecrets(), secret.Options{Lookup: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestBodyPass: where the policy says so the placeholder stands in bodies as it is,
// and nothing else does.
func TestBodyPass(t *testing.T) {
	specs := someSecrets()
	for i := range specs {
		specs[i].Env = specs[i].Name
	}
	eachProtocol(t, func(t *testing.T, h2, server1 bool) {
		for _, pass := range []bool{false, true} {
			specs[0].Body = map[bool]string{true: "pass"}[pass]
			w := newWorld(t, setup{h1: server1, secrets: specs, env: someEnv()}, echo)
			inside, _ := w.inspector.secrets.Inside()
			c := w.client(h2)
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			io.WriteString(z, "conversation: "+inside["T"])
			z.Close()
			send := func(body, coding, header string) (int, string) {
				r := request(t, "POST", w.url("/"), strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+inside["T"])
				if coding != "" {
					r.Header.Set("Content-Encoding", coding)
				}
				if header != "" {
					r.Header.Set("X-Note", header)
				}
				status, text, _ := get(t, c, r)
				return status, text
			}
			want := map[bool]int{true: 200, false: 403}[pass]
			if status, text := send("conversation: "+inside["T"], "", ""); status != want || pass && !strings.Contains(text, "body=conversation: "+inside["T"]) {
				t.Errorf("pass %v: %d %s", pass, status, text)
			}
			if status, _ := send(packed.String(), "gzip", ""); status != want {
				t.Errorf("pass %v, gzip: %d", pass, status)
			}
			for what, bad := range map[string][2]string{
				"the value":           {"x " + someEnv()["T"], ""},
				"the value in base64": {base64.StdEncoding.EncodeToString([]byte(someEnv()["T"])), ""},
				"another placeholder": {inside["E"], ""},
				"in a header":         {"", inside["T"]},
			} {
				if status, text := send(bad[0], "", bad[1]); status != 403 {
					t.Errorf("pass %v, %s: %d %s", pass, what, status, text)
				}
			}
		}
	})
}
