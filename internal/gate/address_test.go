package gate

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

func TestClassify(t *testing.T) {
	var tab table
	for what, addrs := range map[string]string{
		"loopback":        "127.0.0.1 127.255.255.254 ::1",
		"metadata":        "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254",
		"link-local":      "169.254.1.1 fe80::1 febf::1",
		"private":         "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fd12::1 fd62:6169:6c65:7900::100",
		"shared (CGNAT)":  "100.64.0.1 100.127.255.255",
		"this network":    "0.0.0.0 0.1.2.3",
		"multicast":       "224.0.0.1 239.255.255.255 ff02::1",
		"reserved":        "240.0.0.1 255.255.255.255 4000::1 8000::1 e000::1",
		"benchmark":       "198.18.0.1 198.19.255.255 2001:2::1",
		"documentation":   "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
		"v4-compatible":   "::7f00:1 ::a00:1",
		"unspecified":     "::",
		"NAT64":           "64:ff9b::7f00:1 64:ff9b:1::a00:1",
		"6to4":            "2002:7f00:1::1 2002:a00:1::",
		"Teredo":          "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2",
		"ISATAP":          "2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1",
		"v4-translated":   "::ffff:0:7f00:1",
		"discard":         "100::1",
		"site-local":      "fec0::1",
		"ORCHID":          "2001:10::1 2001:20::1",
		"protocol":        "192.0.0.1 2001:1ff::1",
		"6to4 relay":      "192.88.99.1",
		"zoned":           "fe80::1%lo",
		"segment routing": "5f00::1",
		"":                "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.167.1.1 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450::1 2003::1",
	} {
		for s := range strings.FieldsSeq(addrs) {
			a := netip.MustParseAddr(s)
			got, is := tab.classify(a)
			if got.what != what || is != (what != "") {
				t.Errorf("%s is %q, want %q", s, got.what, what)
			}
			if a.Is4() {
				if mapped, _ := tab.classify(netip.AddrFrom16(a.As16())); mapped.what != what {
					t.Errorf("v4-mapped %s is %q, want %q", s, mapped.what, what)
				}
			}
		}
	}
}

// Which special addresses which rules open.
func TestPermits(t *testing.T) {
	cidr := func(hosts ...string) []plan.NetRule { return allowing([]uint16{80}, "web", hosts...) }
	private := allowing([]uint16{80}, "web", "x.test")
	private[0].Private = true
	for _, c := range []struct {
		what  string
		allow []plan.NetRule
		deny  string
		yes   string
		no    string
	}{
		{"a name", cidr("x.test"), "", "1.1.1.1 2606:4700::1111", "127.0.0.1 10.0.0.1 169.254.169.254 ::1 fd12::1 64:ff9b::1.1.1.1 2002:101:101::1"},
		{"a private name", private, "", "1.1.1.1 10.0.0.1 fd12::1 100.64.0.1", "127.0.0.1 169.254.169.254 169.254.0.1 fe80::1 224.0.0.1 fd00:ec2::254 100.100.100.200 2002:a00:1::1"},
		{"a range", cidr("x.test", "10.0.0.0/8"), "", "10.1.2.3 1.1.1.1", "192.168.0.1 127.0.0.1"},
		{"everything", cidr("x.test", "0.0.0.0/0", "::/0"), "", "1.1.1.1", "127.0.0.1 10.0.0.1 169.254.169.254 ::1 fd12::1 fe80::1 2002:7f00:1::1"},
		{"loopback, written out", cidr("x.test", "127.0.0.1"), "", "127.0.0.1", "127.0.0.2 ::1"},
		{"metadata, written out", cidr("x.test", "169.254.169.254"), "", "169.254.169.254", "169.254.170.2"},
		{"link-local is not metadata", cidr("x.test", "169.254.0.0/16"), "", "169.254.1.1", "169.254.169.254"},
		{"a denied range", cidr("x.test", "10.0.0.0/8"), "10.1.0.0/16", "10.2.0.1", "10.1.2.3"},
		{"a denied public address", cidr("x.test"), "1.1.1.1", "1.0.0.1", "1.1.1.1"},
	} {
		n := &plan.Network{Allow: c.allow}
		if c.deny != "" {
			n.Deny = []plan.NetRule{{Host: c.deny}}
		}
		gen, err := compile(n, &Options{})
		if err != nil {
			t.Fatal(err)
		}
		h, _ := hostname.Parse("x.test")
		d := gen.decide(h, 80, false)
		var tab table
		for s := range strings.FieldsSeq(c.yes) {
			if ok, what := tab.permits(&d, netip.MustParseAddr(s)); !ok {
				t.Errorf("%s: %s is refused: %s", c.what, s, what)
			}
		}
		for s := range strings.FieldsSeq(c.no) {
			if ok, _ := tab.permits(&d, netip.MustParseAddr(s)); ok {
				t.Errorf("%s: %s is permitted", c.what, s)
			}
			if a := netip.MustParseAddr(s); a.Is4() {
				if ok, _ := tab.permits(&d, netip.AddrFrom16(a.As16())); ok {
					t.Errorf("%s: v4-mapped %s is permitted", c.what, s)
				}
			}
		}
	}
}

// An allowed name that resolves to this machine reaches nothing; the same server
// is reached when the policy says so.
func TestRebinding(t *testing.T) {
	port := echoServer(t)
	res := fakeResolver{"in.test": "127.0.0.1", "in6.test": "::1", "mapped.test": "::ffff:127.0.0.1", "mixed.test": "169.254.169.254 127.0.0.1 10.0.0.1", "zero.test": "0.0.0.0"}
	var names []string
	for n := range res {
		names = append(names, n)
	}
	b := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "tcp", names...)}, Options{Resolver: res})
	for _, n := range names {
		c, err := b.dial("tcp", fmt.Sprintf("%s:%d", n, port))
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		refused(t, c)
		b.denied("connect", n, "addresses:")
	}
	open := newBox(t, &plan.Network{Allow: allowing([]uint16{port}, "tcp", "in.test"), Hosts: pinned("in.test")}, Options{Resolver: res})
	c, err := open.dial("tcp", fmt.Sprintf("in.test:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	echoes(t, c)
}

// echoes says whether a connection leads to an echoServer, and closes it.
func echoes(t testing.TB, c net.Conn) {
	t.Helper()
	defer c.Close()
	if !echoed(c) {
		t.Error("no echo")
	}
}

func TestSyntheticAddresses(t *testing.T) {
	for _, i := range []uint32{0, 1, hostIndex, firstName, 1 << 16, lastName} {
		for _, a := range []netip.Addr{synthetic4(i), synthetic6(i), netip.AddrFrom16(synthetic4(i).As16())} {
			if got, ok := syntheticIndex(a); !ok || got != i {
				t.Errorf("%s: %d, %v; want %d", a, got, ok, i)
			}
		}
		if !netip.MustParsePrefix(Range4).Contains(synthetic4(i)) || !netip.MustParsePrefix(Range6).Contains(synthetic6(i)) {
			t.Errorf("%d is outside", i)
		}
	}
	for _, s := range []string{"198.17.255.255", "198.20.0.0", "fd62:6169:6c65:7900::1:0:1", "fd62:6169:6c65:7900:0:0:2:0", "fd62:6169:6c65:7901::1", "::1"} {
		if Synthetic(netip.MustParseAddr(s)) {
			t.Errorf("%s is synthetic", s)
		}
	}
	// An address that no name has.
	b := newBox(t, &plan.Network{}, Options{})
	c, err := b.dialAddr(netip.AddrPortFrom(synthetic4(9999), 80))
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c)
	b.denied("unknown synthetic address")
}
