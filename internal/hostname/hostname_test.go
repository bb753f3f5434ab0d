package hostname

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("a", 63)
	for in, want := range map[string]string{
		"example.org":                         "example.org",
		"EXAMPLE.Org.":                        "example.org",
		"localhost":                           "localhost",
		"a-b.c--d.org":                        "a-b.c--d.org",
		"r3---sn-x.example.org":               "r3---sn-x.example.org",
		"3com.com":                            "3com.com",
		"bücher.example":                      "xn--bcher-kva.example",
		"BÜCHER.example":                      "xn--bcher-kva.example",
		"xn--bcher-kva.example":               "xn--bcher-kva.example",
		"XN--BCHER-KVA.example":               "xn--bcher-kva.example",
		"straße.example":                      "xn--strae-oqa.example",
		"example。org":                         "example.org",
		"１２７.0.0.1":                           "127.0.0.1",
		"192.0.2.1":                           "192.0.2.1",
		"192.0.2.1.":                          "192.0.2.1",
		"2001:DB8::1":                         "2001:db8::1",
		"[2001:db8:0:0::1]":                   "2001:db8::1",
		"::ffff:192.0.2.1":                    "192.0.2.1",
		"::FFFF:c000:201":                     "192.0.2.1",
		long + ".org":                         long + ".org",
		"1.2.3.4.in-addr.arpa":                "1.2.3.4.in-addr.arpa",
		strings.Repeat(long+".", 3) + "a.org": strings.Repeat(long+".", 3) + "a.org",
	} {
		h, err := Parse(in)
		if err != nil || h.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, h, err, want)
			continue
		}
		if again, err := ParseWire(h.String()); err != nil || again != h {
			t.Errorf("%q is not its own canonical form: %v, %v", h, again, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"", ".", "..", "a..b", ".a", "a.b..", "-a.org", "a-.org", "a_b.org", "a b.org", "a\x00.org", "a.org\x00", "a.org\r\nHost: b", "a/b", "a@b", "a%2eorg", "a?b", "a#b", "*.org", "a,b",
		strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "aa", strings.Repeat("ü", 2000),
		"127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.01", "1.2.3.4.5", "256.1.1.1", "1.2.3", "0x", "a.0x1", "example.1", "1e3.7",
		"fe80::1%eth0", "[fe80::1%25eth0]", "[::1", "::1]", "[127.0.0.1]", "[example.org]", "1::2::3", ":::", "::ffff:1.2.3", "a:b",
		"xn--", "xn--a", "xn--example-.org", "xn--ab-.org", "xn--a-0000000.org", "xn--ls8h=.la",
		"a\u202eb.org", "\xff\xfe.org", "℡.\x00",
	} {
		if h, err := Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, h)
		}
	}
	for _, in := range []string{"bücher.example", "example。org", "１27.0.0.1", "\xff"} {
		if h, err := ParseWire(in); err == nil {
			t.Errorf("ParseWire(%q) = %q, want an error", in, h)
		}
	}
	_, err := Parse("0x7f.1")
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the error does not name the address: %v", err)
	}
}

func TestPattern(t *testing.T) {
	for _, c := range []struct{ pattern, yes, no string }{
		{"example.org", "example.org EXAMPLE.org.", "a.example.org xexample.org example.org.evil.test org 192.0.2.1"},
		{"*.example.org", "a.example.org a.b.example.org", "example.org xexample.org a.example.org.x .example.org"},
		{"**.example.org", "example.org a.example.org a.b.example.org", "xexample.org a-example.org"},
		{"*", "a b.org", "192.0.2.1 ::1"},
		{"*.Bücher.example", "a.xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"192.0.2.1", "192.0.2.1 ::ffff:192.0.2.1", "192.0.2.2 example.org"},
		{"[2001:db8::1]", "2001:db8:0::1", "2001:db8::2"},
		{"10.0.0.0/8", "10.1.2.3 ::ffff:10.0.0.1", "11.0.0.1 ::a00:1 example.org"},
		{"::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1"},
		{"2001:db8::/32", "2001:db8:1::1", "2001:db9::1 10.0.0.1"},
		{"::/0", "2001:db8::1", "10.0.0.1"},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for in := range strings.FieldsSeq(c.yes) {
			if h, err := Parse(in); err != nil || !p.Match(h) {
				t.Errorf("%q does not match %q (%v)", c.pattern, in, err)
			}
		}
		for in := range strings.FieldsSeq(c.no) {
			if h, err := Parse(in); err == nil && p.Match(h) {
				t.Errorf("%q matches %q", c.pattern, in)
			}
		}
		if p.Match(Host{}) {
			t.Errorf("%q matches nothing at all", c.pattern)
		}
	}
	for _, in := range []string{"", "**", "***", "*.", "**.", "*.*.org", "a.*.org", "a*.org", "*a.org", "*.10.0.0.1", "*.[::1]", "10.0.0.1/8", "10.0.0.0/33", "::ffff:0.0.0.0/90", "example.org/24", "fe80::%eth0/64", "10.0.0.0/08", "http://a.org", "a.org:443"} {
		if p, err := ParsePattern(in); err == nil {
			t.Errorf("ParsePattern(%q) = %q, want an error", in, p)
		}
	}
}

func TestBroad(t *testing.T) {
	for _, in := range strings.Fields("* *.com **.com *.co.uk **.github.io *.corp *.kawasaki.jp *.s3.amazonaws.com 0.0.0.0/0 ::/0 10.0.0.0/7 2001::/16 *.xn--p1ai") {
		if p, err := ParsePattern(in); err != nil || p.Broad() == "" {
			t.Errorf("%q is not broad (%v)", in, err)
		}
	}
	for _, in := range strings.Fields("com github.io *.example.org **.example.co.uk *.foo.github.io 10.0.0.0/8 2001:db8::/32 192.0.2.1 ::1 *.city.kawasaki.jp") {
		if p, err := ParsePattern(in); err != nil || p.Broad() != "" {
			t.Errorf("%q is broad: %s (%v)", in, p.Broad(), err)
		}
	}
}

func TestRentable(t *testing.T) {
	for _, in := range strings.Fields("* github.io *.github.io **.amazonaws.com s3.amazonaws.com *.googleapis.com *.discord.com pastebin.com github.com gist.github.com mega.nz forms.gle 0x0.st") {
		if p, err := ParsePattern(in); err != nil || p.Rentable() == "" {
			t.Errorf("%q is not rentable (%v)", in, err)
		}
	}
	for _, in := range strings.Fields("example.org *.example.org foo.github.io proxy.golang.org 10.0.0.0/8 pypi.org *.com.example") {
		if p, err := ParsePattern(in); err != nil || p.Rentable() != "" {
			t.Errorf("%q is rentable: %s (%v)", in, p.Rentable(), err)
		}
	}
}

func TestTarget(t *testing.T) {
	for in, want := range map[string]string{
		"example.org":                 "example.org []",
		"example.org:443":             "example.org [{443 443}]",
		"*.example.org:443,8000-8010": "*.example.org [{443 443} {8000 8010}]",
		"[2001:db8::1]:22":            "2001:db8::1 [{22 22}]",
		"2001:db8::1":                 "2001:db8::1 []",
		"[2001:db8::1]":               "2001:db8::1 []",
		"10.0.0.0/8:1-65535":          "10.0.0.0/8 [{1 65535}]",
		"2001:db8::/32":               "2001:db8::/32 []",
		"[2001:db8::/32]":             "2001:db8::/32 []",
		"[2001:db8::/32]:22":          "2001:db8::/32 [{22 22}]",
		"[2001:db8::]/32:22":          "",
		"[10.0.0.0/8]:22":             "",
		"::ffff:10.1.2.3":             "10.1.2.3 []",
		"example.org:0":               "",
		"example.org:":                "",
		"example.org:65536":           "",
		"example.org:080":             "",
		"example.org:2-1":             "",
		"example.org:+1":              "",
		"example.org:1,":              "",
		"example.org:http":            "",
		"example.org:" + strings.Repeat("1,", 64) + "1": "",
	} {
		p, ports, err := ParseTarget(in)
		got := ""
		if err == nil {
			got = p.String() + " " + sprint(ports)
		}
		if got != want {
			t.Errorf("ParseTarget(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// A parsed host is canonical, and no spelling of an address is a name.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"example.org", "EXAMPLE.org.", "127.1", "0x7f.1", "::ffff:1.2.3.4", "[::1]", "fe80::1%1", "xn--bcher-kva.de", "bücher.de", "a\x00b", "１.２.３.４", "a..b", "-", "0177.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := Parse(s)
		if err != nil {
			if h.IsValid() {
				t.Fatalf("%q: a host with an error", s)
			}
			return
		}
		c := h.String()
		again, err := ParseWire(c)
		if err != nil || again != h {
			t.Fatalf("%q: %q is not canonical: %v %v", s, c, again, err)
		}
		if len(c) > maxName || strings.ContainsAny(c, "\x00\r\n %/_*@") || strings.ToLower(c) != c {
			t.Fatalf("%q: %q", s, c)
		}
		if h.Name() != "" {
			if _, err := netip.ParseAddr(c); err == nil || strings.Contains(c, ":") {
				t.Fatalf("%q: the name %q is an address", s, c)
			}
			if a, ok := loose4(c); ok {
				t.Fatalf("%q: the name %q is an address for some: %s", s, c, a)
			}
		}
	})
}

// A pattern reads back as itself, and "*.x" never matches x.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"*", "*.example.org", "**.example.org", "10.0.0.0/8", "[::1]", "::ffff:10.0.0.0/104", "*.*.a", "example.org", "1.2.3.4/0"} {
		f.Add(s, "a.example.org")
	}
	f.Fuzz(func(t *testing.T, s, host string) {
		p, err := ParsePattern(s)
		if err != nil {
			if p != (Pattern{}) {
				t.Fatalf("%q: a pattern with an error", s)
			}
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil || again != p {
			t.Fatalf("%q: %q does not read back: %v %v", s, p, again, err)
		}
		p.Broad()
		p.Rentable()
		h, err := Parse(host)
		if err != nil || !p.Match(h) {
			return
		}
		if one, ok := p.Host(); ok && one != h {
			t.Fatalf("%q matches %q", s, h)
		}
		if p.kind == below && h.Name() == p.name {
			t.Fatalf("%q matches its own apex", s)
		}
	})
}
func sprint(v any) string { return fmt.Sprint(v) }
