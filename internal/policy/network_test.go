package policy

import (
	"slices"
	"strings"
	"testing"
)

// A rule has one spelling, whichever way it is written.
func TestNetRules(t *testing.T) {
	for text, want := range map[string]string{
		`"Example.ORG."`:                       "example.org",
		`"*.example.org:443,8000-8010"`:        "*.example.org:443,8000-8010",
		`"db.example.org:5432/tcp"`:            "db.example.org:5432/tcp",
		`"time.example.org:123/udp"`:           "time.example.org:123/udp",
		`"10.0.0.5:5432/tcp"`:                  "10.0.0.5:5432/tcp",
		`"10.1.0.0/16:5432/tcp private"`:       "10.1.0.0/16:5432/tcp private",
		`"[2001:db8::1]:443"`:                  "[2001:db8::1]:443",
		`"[2001:db8::/32]:443"`:                "[2001:db8::/32]:443",
		`"[2001:db8::/32]:5432/tcp"`:           "[2001:db8::/32]:5432/tcp",
		`{host = "2001:db8::/32", ports = 80}`: "[2001:db8::/32]:80",
		`"* broad"`:                            "* broad",
		`"a.example methods=GET,HEAD,GET"`:     "a.example methods=GET,HEAD",
		`"a.example paths=/x/**  inspect # y"`: "a.example paths=/x/** # y",
		`"a.example preset=read-only"`:         "a.example methods=GET,HEAD,OPTIONS",
		`"a.example max-upload=1024KiB"`:       "a.example max-upload=1MiB",
		`{host = "A.example"}`:                 "a.example",
		`{host = "2001:db8::1", ports = 443}`:  "[2001:db8::1]:443",
		`{host = "a.example", ports = [443, "8000-8010"], methods = ["GET"], paths = "/x", reason = "docs"}`: "a.example:443,8000-8010 methods=GET paths=/x # docs",
		`{host = "a.example", ports = [22], protocol = "tcp", private = true, max-download = "2GiB"}`:        "a.example:22/tcp private max-download=2GiB",
	} {
		p := world{files: map[string]string{userFile: "[network]\nallow = [" + text + "]"}}.load(t)
		if len(p.Network.Allow) != 1 || p.Network.Allow[0].V != want {
			t.Errorf("%s: %v, want %s", text, p.Network.Allow, want)
			continue
		}
		r, problem, _ := ParseNetRule(want)
		if problem != "" || r.String() != want {
			t.Errorf("%s reads back as %s, %s", want, r.String(), problem)
		}
		if f := p.Network.Allow[0].From; f.Line != 2 || f.File != userFile {
			t.Errorf("%s: from %v", text, f)
		}
	}
}

func TestWrongNetRules(t *testing.T) {
	for text, want := range map[string]string{
		`allow = ["*"]`:                                                  "too broad",
		`allow = ["*.com"]`:                                              "too broad",
		`allow = ["*.co.uk"]`:                                            "too broad",
		`allow = ["*.github.io"]`:                                        "too broad",
		`allow = ["0.0.0.0/0:443"]`:                                      "too broad",
		`allow = ["https://example.org/x"]`:                              "URL",
		`allow = ["example.org:5432/tcp paths=/x"]`:                      "only HTTP",
		`allow = ["example.org/tcp"]`:                                    "needs its port",
		`allow = ["example.org:1-2/udp"]`:                                "one port",
		`allow = ["*.example.org:5/udp"]`:                                "one host",
		`allow = ["127.1"]`:                                              "unusual spelling",
		`allow = ["0x7f000001"]`:                                         "unusual spelling",
		`allow = ["a_b.example"]`:                                        "letters, digits",
		`allow = ["a.example\tx"]`:                                       "control characters",
		`allow = ["a.example:0"]`:                                        "1 to 65535",
		`allow = ["a.example:70000"]`:                                    "1 to 65535",
		`allow = ["a.example metods=GET"]`:                               "methods",
		`allow = ["a.example methods=get"]`:                              "not an HTTP method",
		`allow = ["a.example paths=x"]`:                                  "not a path",
		`allow = ["localhost:8080"]`:                                     "ports are granted",
		`allow = [{host = "host.bailey.internal", ports = 80}]`:          "ports are granted",
		`allow = ["a.example paths=/a/../b"]`:                            "segment of dots",
		`allow = ["a.example paths=/a%2fb"]`:                             "written decoded",
		`deny = ["a.example paths=/a/x**"]`:                              "whole segments",
		`allow = [{host = "a.example", paths = ["/a;b"]}]`:               "semicolon",
		`allow = [{ports = [443]}]`:                                      "needs a host",
		`allow = [{host = "a.example", pots = 1}]`:                       "ports",
		`allow = [{host = "a.example", methods = []}]`:                   "empty list",
		`allow = [{host = "a.example paths=/"}]`:                         "cannot stand here",
		`allow = [{host = "a.example", host = "b"}]`:                     "twice",
		`allow = [{host = "a.example", inspect = "yes"}]`:                "true or false",
		`deny = ["a.example private"]`:                                   "methods and paths alone",
		`localhost = [0]`:                                                "not a port",
		`publish = ["x"]`:                                                "not a port",
		`hosts = {"a.example" = "localhost"}`:                            "not an address",
		`hosts = {"a.example" = "127.1"}`:                                "not an address",
		`hosts = {a.example = "127.0.0.1"}`:                              "quoted",
		`hosts = {"a.example" = "127.0.0.1", "A.example" = "127.0.0.2"}`: "twice",
		`default = "allow"`:                                              "is not one of",
	} {
		e := world{files: map[string]string{userFile: "[network]\n" + text}}.fail(t)
		if e.Line != 2 || !strings.Contains(e.Error()+e.Hint+e.Nearest, want) {
			t.Errorf("%s: %v, %s, %s; want %s", text, e, e.Hint, e.Nearest, want)
		}
	}
}

func TestSecretTables(t *testing.T) {
	const good = `[secrets.forge]
source = "env:TOKEN"
hosts = ["API.example.org"]
header = "Authorization"
format = "Bearer {}"
env = "FORGE_TOKEN"
`
	p := world{files: map[string]string{userFile: good}}.load(t)
	s := p.Secrets["forge"]
	if s.V.Source != "env:TOKEN" || !slices.Equal(s.V.Hosts, []string{"api.example.org"}) || s.V.Env != "FORGE_TOKEN" || s.From.Line != 1 {
		t.Errorf("%+v", s)
	}
	for text, want := range map[string]string{
		`source = "env:A"`:                                                     "needs the hosts",
		`hosts = ["a.example"]`:                                                "needs a source",
		"source = \"A\"\nhosts = [\"a.example\"]":                              "no source",
		"source = \"env:A\"\nhosts = []":                                       "needs the hosts",
		"source = \"env:A\"\nhosts = [\"*\"]":                                  "too broad",
		"source = \"env:A\"\nhosts = [\"a.example:443\"]":                      "host alone",
		"source = \"env:A\"\nhosts = [\"a.example\"]\nheader=\"A\"\nquery='b'": "one place",
		"source = \"env:A\"\nhosts = [\"a.example\"]\nformat = \"Bearer\"":     "{}",
		"source = \"env:A\"\nhosts = [\"a.example\"]\nheadr = \"X\"":           "header",
	} {
		e := world{files: map[string]string{userFile: "[secrets.x]\n" + text + "\n"}}.fail(t)
		if !strings.Contains(e.Error()+e.Hint+e.Nearest, want) {
			t.Errorf("%q: %v, %s, %s; want %s", text, e, e.Hint, e.Nearest, want)
		}
	}
}

// The owner of a machine can deny, lock and fix.
func TestManagedNetwork(t *testing.T) {
	for _, c := range []struct{ managed, user, want string }{
		{"[managed]\nlock = [\"network.allow\"]", "[network]\nallow = [\"a.example\"]", "locked"},
		{"[network]\ndefault = \"deny\"", "[network]\ndefault = \"ask\"", "looser"},
		{"[network]\nresolver = \"192.0.2.1:53\"", "[network]\nresolver = \"192.0.2.2:53\"", "owner of this machine"},
	} {
		e := world{files: map[string]string{mngFile: c.managed, userFile: c.user}}.fail(t)
		wantIn(t, e.Error(), c.want)
	}
	p := world{files: map[string]string{mngFile: "[network]\ndeny = [\"a.example\"]\nresolver = \"192.0.2.1:53\"", userFile: "[network]\nallow = [\"a.example\"]"}}.load(t)
	if !has(p.Network.Deny, "a.example") || p.Network.Resolver.V != "192.0.2.1:53" {
		t.Errorf("%+v", p.Network)
	}
}

// Every part of the network counts in the hash, and is printed with its source.
func TestNetworkIsShown(t *testing.T) {
	seen := map[string]string{Hash(world{}.load(t)): "nothing"}
	for text, show := range map[string]string{
		"[network]\nallow = [\"a.example # why\"]":                                "a.example # why",
		"[network]\ndeny = [\"a.example\"]":                                       "a.example",
		"[network]\nlocalhost = [5432]":                                           "5432",
		"[network]\npublish = [5432]":                                             "network.publish",
		"[network]\ndefault = \"ask\"":                                            "network.default = ask",
		"[network]\nresolver = \"192.0.2.1:53\"":                                  "network.resolver = 192.0.2.1:53",
		"[network]\nupstream = \"none\"":                                          "network.upstream = none",
		"[network.hosts]\n\"a.example\" = [\"127.0.0.1\", \"::1\"]":               "a.example=127.0.0.1,::1",
		"[secrets.x]\nsource = \"env:X\"\nhosts = [\"a.example\"]":                "env:X",
		"[secrets.x]\nsource = \"env:X\"\nhosts = [\"a.example\", \"b.example\"]": "b.example",
	} {
		p := world{files: map[string]string{userFile: text}}.load(t)
		if was, ok := seen[Hash(p)]; ok {
			t.Errorf("%q has the hash of %q", text, was)
		}
		seen[Hash(p)] = text
		wantIn(t, Show(p), show)
		wantIn(t, Show(p), "config.toml:")
	}
}

// FuzzNetRule holds that what is accepted has one spelling that reads back.
func FuzzNetRule(f *testing.F) {
	for _, s := range []string{"example.org", "*.example.org:443,1-2/tcp private # x", "[::1]:5/udp", "a.example methods=GET paths=/x/** max-upload=1KiB", "10.0.0.0/8:1/tcp broad", "a.example #"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, problem, _ := ParseNetRule(text)
		if problem != "" {
			return
		}
		again, problem, _ := ParseNetRule(r.String())
		if problem != "" || again.String() != r.String() {
			t.Errorf("%q is %q, which is %q, %s", text, r.String(), again.String(), problem)
		}
	})
}

func TestLintNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"[network]\nallow = [\"github.com\"]":                                                        "way out",
		"[network]\nallow = [\"* broad\"]":                                                           "hosts of anybody",
		"[network]\nallow = [\"a.b.example\"]\ndeny = [\"*.b.example\"]":                             "never in force",
		"[network.hosts]\n\"a.example\" = \"127.0.0.1\"":                                             "never asked for",
		"[network]\nallow = [\"b.example\"]\n[secrets.x]\nsource='env:X'\nhosts=[\"a.example\"]":     "goes nowhere",
		"[network]\nallow = [\"*.a.example\"]\n[secrets.x]\nsource='env:X'\nhosts=[\"a.a.example\"]": "nothing",
		"[network]\nresolver = \"192.0.2.1:53\"":                                                     "no network",
	} {
		var got []string
		for _, f := range Lint(world{files: map[string]string{userFile: text}}.load(t)) {
			got = append(got, f.Problem)
		}
		if all := strings.Join(got, "\n"); want == "nothing" && len(got) > 0 || want != "nothing" && !strings.Contains(all, want) {
			t.Errorf("%q: %q; want %s", text, all, want)
		}
	}
}
