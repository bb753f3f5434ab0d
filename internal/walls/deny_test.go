//go:build linux

package walls

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// What a deny pattern names is not readable by any way, whoever made it and when.
func TestDeny(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w, other := newWorld(t), newWorld(t)
		files := []string{".env", "deep/er/.env", "keys/server.pem"}
		for _, x := range []*world{w, other} {
			for _, f := range files {
				write(t, filepath.Join(x.WS, f), "echo "+canary+"\n")
			}
		}
		b.other = other
		b.flags = []string{"--deny", "**/.env", "--deny", "**/*.pem"}
		var list []attempt
		for _, f := range files {
			for _, how := range []string{"open", "read-write", "nonblock", "openat", "openat2", "proc cwd", "o_path", "o_path task", "o_path chdir", "o_path empty", "symlink", "hard link", "rename", "parent", "exec", "copy", "made inside"} {
				list = append(list, attempt{kind: "deny", arg: how + "|" + f, control: how != "o_path empty"})
			}
		}
		assault(t, b, w, list)
	})
}

// A file that the host makes during the run is hidden as well.
func TestDenyLater(t *testing.T) {
	tiers(t, func(t *testing.T, b box) {
		w := newWorld(t)
		b.flags = []string{"--deny", "**/.env"}
		ctx, cancel := context.WithTimeout(context.Background(), runLimit)
		defer cancel()
		c := b.command(ctx, w, "sh", "-c", "touch up; while ! test -e go; do sleep 0.02; done; cat a/.env .env; cat seen")
		var out bytes.Buffer
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		appears(t, filepath.Join(w.WS, "up"))
		write(t, filepath.Join(w.WS, "a/.env"), canary)
		write(t, filepath.Join(w.WS, ".env"), canary)
		write(t, filepath.Join(w.WS, "seen"), "seen")
		write(t, filepath.Join(w.WS, "go"), "")
		c.Wait()
		if s := out.String(); strings.Contains(s, canary) || !strings.Contains(s, "seen") {
			t.Errorf("%q", s)
		}
	})
}
