package inspect

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTakenAway: a secret that a reload takes away is not given to a connection
// that was open before.
func TestTakenAway(t *testing.T) {
	w := newWorld(t, setup{secrets: someSecrets(), env: someEnv()}, echo)
	c := w.client(true)
	key := w.placeholder("T")
	send := func() (int, string) {
		r := request(t, "GET", w.url("/"), nil)
		r.Header.Set("Authorization", "Bearer "+key)
		status, body, _ := get(t, c, r)
		return status, body
	}
	if status, body := send(); status != 200 {
		t.Fatal(status, body)
	}
	specs := someSecrets()
	specs[0].Hosts = []string{"elsewhere.test"}
	if err := w.inspector.secrets.Update(context.Background(), specs); err != nil {
		t.Fatal(err)
	}
	if status, body := send(); status != 403 || !strings.Contains(body, "secrets.T") {
		t.Errorf("%d %s", status, body)
	}
}

// TestBrokenEcho: the error about an answer that is none quotes it, without what
// must not come back.
func TestBrokenEcho(t *testing.T) {
	w := newWorld(t, setup{h1: true, secrets: someSecrets(), env: someEnv()}, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprintf(c, "%s is no answer\r\n", r.Header.Get("Authorization"))
		c.Close()
	})
	r := request(t, "GET", w.url("/"), nil)
	r.Header.Set("Authorization", "Bearer "+w.placeholder("T"))
	status, body, _ := get(t, w.client(false), r)
	if status != http.StatusBadGateway || strings.Contains(body+fmt.Sprint(w.told()), someEnv()["T"]) {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(body, "malformed HTTP") || !strings.Contains(body, w.placeholder("T")) {
		t.Errorf("the error does not quote it, and the test shows nothing: %s", body)
	}
}

// TestRotatedInUse: a value that changes while a connection is open is the one
// that is sent next, and both are masked.
func TestRotatedInUse(t *testing.T) {
	old, next := someEnv()["T"], "ghp_NEXTnextNEXTnext0123456789abcdefABCDEF" // longer than the first
	file := filepath.Join(t.TempDir(), "token")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(old)
	specs := someSecrets()[:1]
	specs[0].Source, specs[0].Env = "file:"+file, "T"
	w := newWorld(t, setup{secrets: specs}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%v %v %s %s", r.Header.Get("Authorization") == "Bearer "+old, r.Header.Get("Authorization") == "Bearer "+next, old, next)
	})
	inside, _ := w.inspector.secrets.Inside()
	c := w.client(true)
	send := func() (int, string) {
		r := request(t, "GET", w.url("/"), nil)
		r.Header.Set("Authorization", "Bearer "+inside["T"])
		status, body, _ := get(t, c, r)
		return status, body
	}
	for i, want := range []string{"true false ", "false true "} {
		status, body := send()
		if status != 200 || !strings.HasPrefix(body, want) || strings.Contains(body, old) || i == 1 && strings.Contains(body, next) {
			t.Errorf("%d %s", status, body)
		}
		put(next + "\n")
	}
	// A source that fails is an error, not a request without the secret.
	os.Remove(file)
	if status, body := send(); status != http.StatusBadGateway || !strings.Contains(body, "secret T: it cannot be read") {
		t.Errorf("%d %s", status, body)
	}
	if d := w.told(); len(d) != 1 || d[0].Rule != "secrets.T" {
		t.Errorf("told %+v", d)
	}
}
