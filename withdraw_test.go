//go:build linux

package bailey

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/approval"
	"github.com/bailey-run/bailey/internal/inside"
)

// answering is a person who gives everybody the same answer.
type answering func(Question) Answer

func (f answering) Ask(_ context.Context, q Question) Answer { return f(q) }

// until waits for a box to print what is wanted.
func (a *asking) until(line, want string) {
	a.t.Helper()
	out := ""
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out = a.do(line); strings.Contains(out, want) {
			return
		}
	}
	a.t.Errorf("%s: %s", line, out)
}

// TestRevokeShown takes back a grant for a path that a running box was shown: it is
// closed there, also to a program that stands in the directory, and what stayed hidden
// is hidden still.
func TestRevokeShown(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir, outer := askingPlace(t)
	data := filepath.Join(outer, "data")
	yes := answering(func(Question) Answer { return Answer{Allow: true, Scope: ScopeProject, By: "test"} })
	a := openAsking(t, Config{Dir: dir, Ask: yes, Deny: []string{filepath.Join(data, "sub")}})
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: data}); !x.Granted || x.Holds != inside.Now {
		t.Fatalf("%+v", x)
	}
	if out := a.do("cd " + data + " && exec 3<a && cat " + data + "/a"); out != "content\n" {
		t.Fatalf("not shown: %s", out)
	}
	list, err := Grants()
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if f, err := FollowGrants(); err != nil || len(f) != 1 || len(f[0].Gone)+len(f[0].Kept) > 0 {
		t.Errorf("before: %+v, %v", f, err)
	}
	if _, err := RevokeGrants(false, list[0].ID); err != nil {
		t.Fatal(err)
	}
	f, err := FollowGrants()
	if err != nil || len(f) != 1 || f[0].Session != a.box.Session() || len(f[0].Gone) != 1 || !strings.Contains(f[0].Gone[0], data) || len(f[0].Kept) > 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if out := a.do("cat " + data + "/a; cat sub/c"); strings.Contains(out, "content") || strings.Contains(out, "secret") {
		t.Errorf("still there: %s", out)
	}
	if out := a.do("cat <&3"); out != "content\n" {
		t.Errorf("what is open: %s", out)
	}
	if x := a.ask(inside.Request{Op: "grants"}); len(x.Grants) != 0 {
		t.Errorf("%+v", x)
	}
	// It can be asked for again.
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: data}); !x.Granted {
		t.Errorf("%+v", x)
	}
	if out := a.do("cat " + data + "/a"); out != "content\n" {
		t.Errorf("again: %s", out)
	}
}

// TestAnswerExpires: what was given for a while ends then, whatever its scope.
func TestAnswerExpires(t *testing.T) {
	for _, scope := range []Scope{ScopeOnce, ScopeSession, ScopeProject} {
		t.Run(string(scope), func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			dir, outer := askingPlace(t)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("reached")) }))
			defer web.Close()
			_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
			host := "a.test:" + port
			user := filepath.Join(outer, "user.toml")
			if err := os.WriteFile(user, []byte("[network]\nallow = [\"b.test\"]\n[network.hosts]\n\"a.test\" = \"127.0.0.1\"\n\"b.test\" = \"127.0.0.1\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var rules []string
			var expires time.Time
			yes := answering(func(q Question) Answer {
				rules, expires = append(rules, q.Rule), time.Now().Add(2*time.Second)
				return Answer{Allow: true, Scope: scope, By: "test", Expires: expires}
			})
			a := openAsking(t, Config{Dir: dir, Ask: yes, PolicyFile: user})
			reach := `bash -c 'exec 3<>/dev/tcp/a.test/` + port + ` && printf "GET / HTTP/1.0\r\nHost: ` + host + `\r\n\r\n" >&3 && tail -n 1 <&3 && echo' 2>/dev/null || echo refused`
			if out := a.do(reach); !strings.Contains(out, "refused") {
				t.Fatalf("before: %s", out)
			}
			file := filepath.Join(outer, "one")
			try, want := map[string]string{"read": "cat " + file, "network": reach}, map[string]string{"read": "one file\n", "network": "reached\n"}
			for kind, subject := range map[string]string{"read": file, "network": host} {
				if x := a.ask(inside.Request{Op: "request", Kind: kind, Subject: subject}); !x.Granted || x.Holds != inside.Now || x.Scope != string(scope) {
					t.Fatalf("%s: %+v", kind, x)
				}
				ends := expires
				if out := a.do(try[kind]); out != want[kind] && time.Now().Before(ends) {
					t.Errorf("%s, while it holds: %s", kind, out)
				}
			}
			for _, r := range rules {
				if r != untilEnd {
					t.Errorf("the person was told %q", r)
				}
			}
			a.until("cat "+file+" 2>&1; "+reach, "refused")
			a.until("cat "+file, "ermission denied")
			if _, ok := a.box.desk.Held(approval.Network, host); ok {
				t.Error("the answer still holds")
			}
		})
	}
}

// TestReviewAtEnd closes a box with an answer that is about to end.
func TestReviewAtEnd(t *testing.T) {
	dir, outer := askingPlace(t)
	yes := answering(func(Question) Answer {
		return Answer{Allow: true, Scope: ScopeSession, By: "test", Expires: time.Now().Add(time.Hour)}
	})
	a := openAsking(t, Config{Dir: dir, Ask: yes})
	if x := a.ask(inside.Request{Op: "request", Kind: "read", Subject: filepath.Join(outer, "one")}); !x.Granted {
		t.Fatalf("%+v", x)
	}
	r := a.box.asks
	a.box.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.clock != nil {
		t.Error("a clock runs on")
	}
}

// TestRevokeHost takes back a grant for a host that was added to a running gate: the
// connection that is open to it is closed, and there is no other.
func TestRevokeHost(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir, outer := askingPlace(t)
	ended := make(chan struct{}, 9)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("reached\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	defer web.Close()
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	user := filepath.Join(outer, "user.toml")
	if err := os.WriteFile(user, []byte("[network]\nallow = [\"b.test\"]\n[network.hosts]\n\"a.test\" = \"127.0.0.1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yes := answering(func(Question) Answer { return Answer{Allow: true, Scope: ScopeProject, By: "test"} })
	a := openAsking(t, Config{Dir: dir, Ask: yes, PolicyFile: user})
	if x := a.ask(inside.Request{Op: "request", Kind: "network", Subject: "a.test:" + port}); !x.Granted || x.Holds != inside.Now {
		t.Fatalf("%+v", x)
	}
	get := `perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("a.test:` + port + `") or print("refused\n"), exit; print $s "GET / HTTP/1.1\r\nHost: a.test:` + port + `\r\n\r\n"; $s->flush; $| = 1; while (<$s>) { print "reached\n" if /reached/ } print "closed\n"' 2>&1`
	a.do("{ " + get + "; } >out & true")
	a.until("cat out", "reached")
	if out := a.do("cat out"); strings.Contains(out, "closed") {
		t.Fatalf("closed before: %s", out)
	}
	// The next box has it from the start.
	b := openAsking(t, Config{Dir: dir, Ask: yes, PolicyFile: user})
	b.do("{ " + get + "; } >later & true")
	b.until("cat later", "reached")
	list, err := Grants()
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := RevokeGrants(true); err != nil {
		t.Fatal(err)
	}
	f, err := FollowGrants()
	if err != nil || len(f) != 2 || len(f[0].Kept)+len(f[1].Kept) > 0 || !slices.Equal(slices.Concat(f[0].Gone, f[1].Gone), []string{"network a.test:" + port}) {
		t.Errorf("%+v, %v", f, err)
	}
	a.until("cat out", "closed")
	b.until("cat later", "closed")
	for range 2 {
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Error("the server has the connection still")
		}
	}
	for _, box := range []*asking{a, b} {
		if out := box.do(get); strings.Contains(out, "reached") {
			t.Errorf("a new connection: %s", out)
		}
	}
}
