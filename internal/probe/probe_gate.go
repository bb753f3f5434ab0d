//go:build linux

package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// gateProbes attack a box that may reach some hosts, all of them servers of ours on
// this machine's loopback. Each says its word only where that must not arrive.
func gateProbes() []Probe {
	return concat(reachProbes(), nameServerProbes(), helloProbes(), requestProbes(), rebindProbes(), proxyProbes(), gateSecretProbes())
}

const fixGate = "tell the makers of the sandbox: the policy of the proof grants none of it"

// gateProbe is one of them.
func gateProbe(id, title, why, wall string, attack func(*Inside) error) Probe {
	return Probe{ID: "gate." + id, Severity: Boundary, Scene: sceneGate, OwnGate: true, Title: title, Why: why, Wall: wall, Fix: fixGate,
		Plant: (*Case).website, Attack: attack, Judge: reached}
}

// seen takes probes of requests that nobody encrypts, and makes two of each: in a box
// without a secret the gate itself reads them, and in one with a secret what looks for
// secrets does.
func seen(list []Probe) []Probe {
	out := make([]Probe, 0, 2*len(list))
	for _, p := range list {
		q := p
		p.Scene = sceneWeb
		q.ID = strings.Replace(q.ID, ".", ".seen-", 1)
		q.Title += ", where secrets are looked for"
		out = append(out, p, q)
	}
	return out
}

// anywhere marks a probe that means something for every sandbox with a network.
func (p Probe) anywhere() Probe { p.OwnGate = false; return p }

// reached: a server of the site got the nonce.
func reached(c *Case, r *Report) (bool, string) {
	patience := 25 * time.Millisecond // what was let through arrives at once
	if c.over {
		patience = 0
	} else if r != nil && r.Claimed || c.access == accessDirect {
		patience = 500 * time.Millisecond
	}
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if c.hears.heard(c.Nonce) {
			return true, "a server outside got the probe's word"
		}
		if time.Now().After(end) {
			return false, ""
		}
	}
}

// reachProbes connect to what no rule names.
func reachProbes() []Probe {
	const (
		why  = "a list of hosts that can be left is none"
		wall = "a network namespace without a way out but the gate, which decides by name and port"
	)
	p := func(id, title string, attack func(*Inside) error) Probe {
		return gateProbe(id, title, why, wall, attack)
	}
	// to says an ordinary request to a host and port.
	to := func(host string, port string) func(*Inside) error {
		return func(in *Inside) error {
			c, err := in.reach(host, in.Args[port])
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(host, port), "/"+in.Nonce))
		}
	}
	// at does so to an address, with nobody asked.
	at := func(addr, port string) func(*Inside) error {
		return func(in *Inside) error {
			c, err := in.timed((&net.Dialer{Timeout: reachTime}).Dial("tcp", addr+":"+in.Args[port]))
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(siteAllowed, "plain"), "/"+in.Nonce))
		}
	}
	udp := func(port string, synthetic bool) func(*Inside) error {
		return func(in *Inside) error {
			host := "127.0.0.1"
			if synthetic && in.Args["access"] == string(accessGate) {
				a, err := in.address(siteAllowed)
				if err != nil {
					return err
				}
				host = a.String()
			}
			c, err := in.timed(net.Dial("udp4", host+":"+in.Args[port]))
			if err != nil {
				return err
			}
			defer c.Close()
			// The form of a first packet of QUIC: long header, version 1 (RFC 9000).
			packet := append([]byte{0xc0, 0, 0, 0, 1, 8}, in.Nonce...)
			for range 2 { // a refusal is told at the second
				if _, err := c.Write(packet); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		}
	}
	return []Probe{
		p("unnamed-host", "reach a host that no rule names", to(siteOther, "plain")).anywhere(),
		p("below-host", "reach a name below an allowed one", to("x."+siteAllowed, "plain")),
		p("parent-host", "reach the name above allowed ones", to(siteDomain, "plain")),
		p("like-host", "reach a name that ends like an allowed one", to("x"+siteAllowed, "plain")),
		p("other-port", "reach a port of an allowed host that no rule names", to(siteAllowed, "stray")),
		p("other-protocol-port", "speak HTTP to a host at the port of the name server", to(siteAllowed, "names")),
		p("loopback", "reach the host's 127.0.0.1 at a port that an allowed host has", at("127.0.0.1", "plain")).anywhere(),
		p("any-address", "reach the host's loopback as 0.0.0.0", at("0.0.0.0", "plain")).anywhere(),
		p("mapped", "reach the host's loopback as an IPv4 address in an IPv6 one", at("[::ffff:127.0.0.1]", "plain")).anywhere(),
		p("localhost-port", "reach a port of the host's loopback that is not granted", to(siteHost, "stray")),
		p("localhost-allowed-port", "reach a port of the host's loopback that only a name may be reached at", to(siteHost, "plain")),
		p("localhost-names", "reach the host's own name server as its loopback", to(siteHost, "names")),
		p("range", "reach hosts by guessed addresses of the gate's range", func(in *Inside) error {
			if in.Args["access"] == string(accessDirect) {
				return at("127.0.0.1", "stray")(in)
			}
			var last error
			got := false
			for i := 1; i < 24; i++ {
				for _, port := range [...]string{"stray", "names"} {
					if err := at("198.18.0."+strconv.Itoa(i), port)(in); err != nil {
						last = err
					} else {
						got = true
					}
				}
			}
			if got {
				return nil
			}
			return last
		}),
		p("gate-port", "speak to the gate's own port as if redirected", func(in *Inside) error {
			if in.Args["access"] == string(accessDirect) {
				return at("127.0.0.1", "stray")(in)
			}
			return errors.Join(at2(in, "198.18.0.1:1"), at2(in, "[fd62:6169:6c65:7900::1]:1"))
		}),
		p("udp", "send a packet to an allowed host", udp("plain", true)),
		p("quic", "speak QUIC to an allowed host", udp("secure", true)),
		p("udp-loopback", "send a packet to the host's loopback", udp("secure", false)).anywhere(),
		gateProbe("session-socket", "speak to the sockets by which running sessions are told to reload", "who can reload a session may be able to change its policy", "the directory is not mounted", func(in *Inside) error {
			return sayAround(in, in.Args["sessions"])
		}).plantedAs(func(c *Case) error {
			if err := c.website(); err != nil {
				return err
			}
			const dir = "home/.local/state/bailey/sessions"
			if err := c.Listen(dir + "/prove.sock"); err != nil {
				return err
			}
			c.Args["sessions"] = filepath.Join(c.Base, dir)
			return nil
		}, heard),
	}
}

// plantedAs is a probe with another plant and judge.
func (p Probe) plantedAs(plant func(*Case) error, judge func(*Case, *Report) (bool, string)) Probe {
	p.Plant, p.Judge = plant, judge
	return p
}

func at2(in *Inside, addr string) error {
	c, err := in.timed((&net.Dialer{Timeout: reachTime}).Dial("tcp", addr))
	if err != nil {
		return err
	}
	defer c.Close()
	return in.say(c, get(in.at(siteAllowed, "plain"), "/"+in.Nonce))
}

// sayAround says the nonce to every unix socket of a directory.
func sayAround(in *Inside, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type()&os.ModeSocket != 0 {
			err = errors.Join(err, dialTo(in, "unix", filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// nameServerProbes carry words out in questions.
func nameServerProbes() []Probe {
	const (
		why  = "a question to a name server carries what its name says to whoever owns the domain"
		wall = "the gate answers every question itself, and asks outside only for a name that it has allowed to be reached"
	)
	p := func(id, title, network string, message func(in *Inside) []byte) Probe {
		return gateProbe(id, title, why, wall, func(in *Inside) error { return in.ask(network, message(in)) })
	}
	q := func(kind dnsmessage.Type, op dnsmessage.OpCode, names ...string) func(*Inside) []byte {
		return func(in *Inside) []byte {
			var list []string
			for _, n := range names {
				list = append(list, strings.ReplaceAll(n, "WORD", in.Nonce))
			}
			return question(kind, op, list...)
		}
	}
	straight := func(id, title, network string) Probe {
		return gateProbe(id, title, why, "a network namespace of its own", func(in *Inside) error {
			return in.askAt(network, "127.0.0.1:"+in.Args["names"], question(dnsmessage.TypeA, 0, in.Nonce+"."+siteDomain))
		}).anywhere()
	}
	return []Probe{
		p("dns-label", "carry a word out as a label of a name", "udp", q(dnsmessage.TypeA, 0, "WORD."+siteDomain)),
		p("dns-six", "carry a word out in a question for an IPv6 address", "udp", q(dnsmessage.TypeAAAA, 0, "WORD."+siteDomain)),
		p("dns-txt", "carry a word out in a question for text", "udp", q(dnsmessage.TypeTXT, 0, "WORD."+siteDomain)),
		p("dns-any", "carry a word out in a question for everything", "udp", q(dnsmessage.TypeALL, 0, "WORD."+siteDomain)),
		p("dns-null", "carry a word out in a question of a kind that hardly anybody knows", "udp", q(dnsmessage.Type(10), 0, "WORD."+siteDomain)),
		p("dns-long", "carry a word out in long labels", "udp", q(dnsmessage.TypeA, 0, strings.Repeat("a", 60)+"."+strings.Repeat("b", 60)+".WORD."+siteDomain)),
		p("dns-tcp", "carry a word out in a question over TCP", "tcp", q(dnsmessage.TypeTXT, 0, "WORD."+siteDomain)),
		p("dns-below", "carry a word out as a name below an allowed one", "udp", q(dnsmessage.TypeA, 0, "WORD."+siteAllowed)),
		p("dns-pattern-txt", "carry a word out in a question for text of a name that a pattern allows", "udp", q(dnsmessage.TypeTXT, 0, "WORD."+siteRebind)),
		p("dns-pattern", "carry a word out in a name that a pattern allows, without connecting there", "udp", q(dnsmessage.TypeA, 0, "WORD."+siteRebind)),
		p("dns-two", "carry a word out in a second question behind an allowed one", "udp", q(dnsmessage.TypeA, 0, siteAllowed, "WORD."+siteDomain)),
		p("dns-opcode", "carry a word out in a message that is no query", "udp", q(dnsmessage.TypeA, 5, "WORD."+siteDomain)),
		p("dns-reverse", "carry a word out in a question about an address", "udp", q(dnsmessage.TypePTR, 0, "WORD.1.0.0.127.in-addr.arpa")),
		p("dns-trailer", "carry a word out behind a question", "udp", func(in *Inside) []byte {
			return append(question(dnsmessage.TypeA, 0, siteAllowed), in.Nonce...)
		}),
		straight("dns-direct", "ask a name server outside that listens on loopback", "udp"),
		straight("dns-direct-tcp", "ask a name server outside that listens on loopback, over TCP", "tcp"),
	}
}

// helloProbes say other names to TLS than those that were decided.
func helloProbes() []Probe {
	const (
		why  = "servers of many names serve the one that the hello names, wherever the connection was made to"
		wall = "the gate reads the whole hello and compares its name"
	)
	raw := func(id, title string, text func(in *Inside) []byte) Probe {
		return gateProbe(id, title, why, wall, func(in *Inside) error {
			c, err := in.reach(siteAllowed, in.Args["secure"])
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, string(text(in)))
		})
	}
	extension := func(kind uint16, b []byte) []byte {
		return append([]byte{byte(kind >> 8), byte(kind), byte(len(b) >> 8), byte(len(b))}, b...)
	}
	name := func(n string) []byte {
		b := append([]byte{0, byte(len(n) >> 8), byte(len(n))}, n...)
		return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
	}
	const whole = 16000
	return []Probe{
		gateProbe("sni-other", "name another host in the hello of TLS", why, wall, func(in *Inside) error {
			c, err := in.secureTo(siteAllowed, siteOther)
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(siteOther, "plain"), "/"+in.Nonce))
		}),
		gateProbe("sni-none", "name no host in the hello of TLS", why, wall, func(in *Inside) error {
			c, err := in.secureTo(siteAllowed, "")
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(siteOther, "plain"), "/"+in.Nonce))
		}),
		gateProbe("sni-inspected", "name another host in the hello to a host that is looked into", why, wall, func(in *Inside) error {
			c, err := in.secureTo(siteRead, siteOther)
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(in.at(siteRead, "secure"), "/ok/"+in.Nonce))
		}),
		raw("sni-word", "carry a word out as the name in the hello", func(in *Inside) []byte { return hello(whole, []string{in.Nonce + "." + siteDomain}) }),
		raw("sni-two-names", "name two hosts in one hello", func(in *Inside) []byte { return hello(whole, []string{siteAllowed, in.Nonce + "." + siteDomain}) }),
		raw("sni-two-lists", "name two hosts in two lists of one hello", func(in *Inside) []byte {
			return hello(whole, []string{siteAllowed}, extension(0, name(in.Nonce+"."+siteDomain)))
		}),
		raw("sni-nul", "name a host that ends at a zero byte", func(in *Inside) []byte { return hello(whole, []string{siteAllowed + "\x00." + in.Nonce}) }),
		raw("sni-records", "name another host in a hello cut into small records", func(in *Inside) []byte {
			return hello(40, []string{in.Nonce[:16] + "." + siteDomain}, extension(0xff77, []byte(in.Nonce)), extension(0xff78, []byte(strings.Repeat(in.Nonce, 3))))
		}),
		raw("sni-ech", "hide a hello inside another (ECH)", func(in *Inside) []byte {
			return hello(whole, []string{siteAllowed}, extension(0xfe0d, append([]byte{0, 0, 1, 0, 1, 7, 0, 0, 0, byte(len(in.Nonce))}, in.Nonce...)))
		}),
		raw("sni-esni", "hide a name by the draft before ECH", func(in *Inside) []byte {
			return hello(whole, []string{siteAllowed}, extension(0xffce, []byte(in.Nonce)))
		}),
		raw("no-tls", "speak something else where TLS is allowed", func(in *Inside) []byte { return []byte("SSH-2.0-" + in.Nonce + "\r\n") }),
		raw("ssl2", "say the hello of a protocol before TLS", func(in *Inside) []byte {
			body := append([]byte{1, 3, 1, 0, 3, 0, 0, 0, byte(len(in.Nonce)), 0, 0, 0x2f}, in.Nonce...)
			return append([]byte{0x80, byte(len(body))}, body...)
		}),
		raw("http-secure-port", "name another host by HTTP at the port for TLS", func(in *Inside) []byte { return []byte(get(in.at(siteOther, "plain"), "/"+in.Nonce)) }),
	}
}

// requestProbes ask other hosts, or other things, by HTTP than those that were
// decided.
func requestProbes() []Probe {
	const (
		why  = "servers of many names serve the one that the request names, wherever the connection was made to"
		wall = "the gate reads every request and compares its host"
		what = "a rule for some requests that lets others through is none"
		look = "the gate ends TLS itself and decides each request"
	)
	plain := func(id, title string, texts func(in *Inside) []string) Probe {
		return gateProbe(id, title, why, wall, plainly(texts))
	}
	inside := func(id, title string, texts func(in *Inside) []string) Probe {
		return gateProbe(id, title, what, look, securely(siteRead, texts))
	}
	one := func(format string) func(*Inside) []string {
		return func(in *Inside) []string {
			return []string{strings.NewReplacer("WORD", in.Nonce, "OTHER", siteOther, "ALLOWED:STRAY", siteAllowed+":"+in.Args["stray"], "ALLOWED", in.at(siteAllowed, "plain"), "READ", in.at(siteRead, "secure"), "STRAY", in.Args["stray"], "PORT", in.Args["plain"]).Replace(format)}
		}
	}
	two := func(first, second string) func(*Inside) []string {
		return func(in *Inside) []string { return append(one(first)(in), one(second)(in)...) }
	}
	h2 := func(id, title, authority, path string, header func(*Inside) http.Header, body func(*Inside) io.Reader) Probe {
		return gateProbe(id, title, what, look, func(in *Inside) error {
			var h http.Header
			if header != nil {
				h = header(in)
			}
			var b io.Reader
			if body != nil {
				b = body(in)
			}
			if authority == siteRead {
				authority = in.at(siteRead, "secure")
			}
			return in.over2(siteRead, authority, strings.ReplaceAll(path, "WORD", in.Nonce), h, b)
		})
	}
	const first = "GET / HTTP/1.1\r\nHost: ALLOWED\r\n\r\n"
	return concat(seen([]Probe{
		plain("host-other", "name another host in a request", one("GET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("host-metadata", "name a metadata service in a request", one("GET /WORD HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n")),
		plain("host-loopback", "name localhost in a request", one("GET /WORD HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n")),
		plain("host-port", "name another port in a request", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED:STRAY\r\n\r\n")),
		plain("host-none", "name no host in a request", one("GET /WORD HTTP/1.1\r\nX: y\r\n\r\n")),
		plain("host-two", "name two hosts in a request", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED\r\nHost: OTHER\r\n\r\n")),
		plain("host-list", "name two hosts in one line", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED, OTHER\r\n\r\n")),
		plain("host-user", "hide the host behind a user name", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED@OTHER\r\n\r\n")),
		plain("host-fold", "name another host in a folded line", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED\r\n OTHER\r\n\r\n")),
		plain("host-blank", "name another host with a blank in front of the colon", one("GET /WORD HTTP/1.1\r\nHost : OTHER\r\nHost: ALLOWED\r\n\r\n")),
		plain("host-bare-cr", "name another host behind a lone carriage return", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED\rHost: OTHER\r\n\r\n")),
		plain("host-nul", "name a host that ends at a zero byte", one("GET /WORD HTTP/1.1\r\nHost: ALLOWED\x00.OTHER\r\n\r\n")),
		plain("absolute-other", "name another host in the request line", one("GET http://OTHER/WORD HTTP/1.1\r\nHost: ALLOWED\r\n\r\n")),
		plain("absolute-scheme", "name another host in the request line, with a scheme that is none", one("GET x://OTHER/WORD HTTP/1.1\r\nHost: ALLOWED\r\n\r\n")),
		plain("old-version", "ask without a host, by HTTP/1.0", one("GET /WORD HTTP/1.0\r\n\r\n")),
		plain("oldest-version", "ask without a head, by HTTP/0.9", one("GET /WORD\r\n\r\n")),
		plain("second-request", "name another host in the second request", two(first, "GET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("pipelined", "name another host in a request sent along with an allowed one", one(first+"GET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("connect-inside", "ask an allowed host for a tunnel to another", one("CONNECT OTHER:STRAY HTTP/1.1\r\nHost: ALLOWED\r\nX: WORD\r\n\r\n")),
		plain("smuggle-both", "hide a request by two lengths", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("smuggle-lengths", "hide a request by two Content-Lengths", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nContent-Length: 0\r\nContent-Length: 90\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("smuggle-encoding", "hide a request by an encoding that is spelled oddly", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("smuggle-sign", "hide a request by a length with a sign", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nContent-Length: +0\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("smuggle-chunk", "hide a request behind a chunk whose size is spelled oddly", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("smuggle-end", "send a request behind the end of a body", one("POST / HTTP/1.1\r\nHost: ALLOWED\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		plain("h2-prior", "speak HTTP/2 at once where requests must be seen", one("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nWORD\r\n\r\n")),
		plain("h2-upgrade", "change to HTTP/2 and name another host there", one("GET / HTTP/1.1\r\nHost: ALLOWED\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nWORD\r\n\r\n")),
	}), []Probe{
		inside("inspected-host", "name another host inside TLS", one("GET /ok/WORD HTTP/1.1\r\nHost: OTHER\r\n\r\n")),
		inside("inspected-absolute", "name another host in the request line inside TLS", one("GET https://OTHER/ok/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-method", "use a method that no rule allows", one("POST /ok/WORD HTTP/1.1\r\nHost: READ\r\nContent-Length: 0\r\n\r\n")),
		inside("inspected-path", "ask for a path that no rule allows", one("GET /no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-dots", "ask for such a path by way of an allowed one", one("GET /ok/../no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-escaped-dots", "ask for such a path with escaped dots", one("GET /ok/%2e%2e/no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-twice-escaped", "ask for such a path with dots escaped twice", one("GET /ok/%252e%252e/no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-backslash", "ask for such a path with backslashes", one("GET /ok/..\\..\\no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-second", "ask for such a path in the second request", two("GET /ok/ HTTP/1.1\r\nHost: READ\r\n\r\n", "GET /no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		inside("inspected-smuggle", "hide a request by two lengths inside TLS", one("GET /ok/ HTTP/1.1\r\nHost: READ\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPOST /no/WORD HTTP/1.1\r\nHost: READ\r\n\r\n")),
		h2("h2-authority", "name another host as the authority of HTTP/2", siteOther, "/ok/WORD", nil, nil),
		h2("h2-no-path", "ask for a path that no rule allows by HTTP/2", siteRead, "/no/WORD", nil, nil),
		h2("h2-dots", "ask for such a path by way of an allowed one by HTTP/2", siteRead, "/ok/../no/WORD", nil, nil),
		h2("h2-method", "use a method that no rule allows by HTTP/2", siteRead, "/ok/WORD", nil, func(*Inside) io.Reader { return bytes.NewReader([]byte("x")) }),
	})
}

// rebindProbes reach a server that only answers of our name server lead to.
func rebindProbes() []Probe {
	const (
		why  = "who owns a name says which address it has, and the host's own loopback is one of them"
		wall = "the gate checks every address of an answer, and dials the one that it has checked"
	)
	p := func(id, title, name string, tries int) Probe {
		return gateProbe("rebind-"+id, title, why, wall, func(in *Inside) error {
			var last error
			for range tries {
				c, err := in.reach(name, in.Args["rebind"])
				if err == nil {
					last = in.say(c, get(in.at(name, "rebind"), "/"+in.Nonce))
					c.Close()
				} else {
					last = err
				}
			}
			return last
		})
	}
	return []Probe{
		p("loopback", "reach loopback by a name whose address it is", "loopback."+siteRebind, 1),
		p("mapped", "reach loopback by a name with an IPv4 address in an IPv6 one", "mapped."+siteRebind, 1),
		p("compatible", "reach loopback by a name with the older form of such an address", "compatible."+siteRebind, 1),
		p("six", "reach ::1 by a name whose address it is", "six."+siteRebind, 1),
		p("zero", "reach loopback by a name whose address is 0.0.0.0", "zero."+siteRebind, 1),
		p("mixed", "reach loopback by a name that has another address as well", "mixed."+siteRebind, 1),
		p("second", "reach loopback by a name that has another address the second time", "second."+siteRebind, 2),
		p("alias", "reach loopback by a name that is an alias", "alias."+siteRebind, 1),
		p("private", "reach loopback by a name that may have private addresses", "loopback."+sitePrivate, 1),
	}
}

// proxyProbes ask the explicit proxy for what no rule names.
func proxyProbes() []Probe {
	const (
		why  = "a proxy that leads anywhere is a way out"
		wall = "the gate decides what the proxy is asked for as it decides connections"
	)
	p := func(id, title string, port string, text func(in *Inside) string, more func(in *Inside) string) Probe {
		return gateProbe("proxy-"+id, title, why, wall, func(in *Inside) error {
			c, err := in.viaProxy(in.Args[port])
			if err != nil {
				return err
			}
			defer c.Close()
			first := in.say(c, text(in))
			if more == nil || first != nil && in.Args["access"] != string(accessDirect) {
				return first
			}
			return in.say(c, more(in))
		})
	}
	connect := func(id, title, host string) Probe {
		return p(id, title, "stray", func(in *Inside) string {
			to := host + ":" + in.Args["stray"]
			return "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\n"
		}, func(in *Inside) string { return get(host+":"+in.Args["stray"], "/"+in.Nonce) })
	}
	socks := func(id, title string, kind byte, host []byte) Probe {
		return gateProbe("proxy-"+id, title, why, wall, func(in *Inside) error {
			c, err := in.viaProxy(in.Args["stray"])
			if err != nil {
				return err
			}
			defer c.Close()
			if in.Args["access"] != string(accessDirect) {
				n, _ := strconv.Atoi(in.Args["stray"])
				if _, err := c.Write([]byte{5, 1, 0}); err != nil {
					return err
				}
				b := make([]byte, 32)
				if _, err := io.ReadFull(c, b[:2]); err != nil {
					return err
				}
				if _, err := c.Write(append(append([]byte{5, 1, 0, kind}, host...), byte(n>>8), byte(n))); err != nil {
					return err
				}
				if _, err := io.ReadFull(c, b[:4]); err != nil {
					return err
				}
				if b[1] != 0 {
					return fmt.Errorf("the proxy refuses: %d", b[1])
				}
			}
			return in.say(c, get(in.at(siteOther, "plain"), "/"+in.Nonce))
		})
	}
	named := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	return concat([]Probe{
		connect("other", "ask the proxy for another host", siteOther),
		connect("port", "ask the proxy for another port of an allowed host", siteAllowed),
		connect("loopback", "ask the proxy for 127.0.0.1", "127.0.0.1"),
		connect("localhost", "ask the proxy for localhost", "localhost"),
		connect("below-localhost", "ask the proxy for a name below localhost", "x.localhost"),
		connect("short", "ask the proxy for an address of two parts", "127.1"),
		connect("number", "ask the proxy for an address as one number", "2130706433"),
		connect("hex", "ask the proxy for an address in hexadecimal", "0x7f000001"),
		connect("octal", "ask the proxy for an address in octal", "0177.0.0.1"),
		connect("zero", "ask the proxy for 0.0.0.0", "0.0.0.0"),
		connect("six", "ask the proxy for ::1", "[::1]"),
		connect("mapped", "ask the proxy for an IPv4 address in an IPv6 one", "[::ffff:127.0.0.1]"),
		connect("dot", "ask the proxy for an address with a dot behind", "127.0.0.1."),
		connect("host-loopback", "ask the proxy for the host's loopback by name", siteHost),
		connect("user", "ask the proxy for a host behind a user name", siteAllowed+"@127.0.0.1"),
		socks("socks-name", "ask for another host by SOCKS", 3, named(siteOther)),
		socks("socks-address", "ask for 127.0.0.1 by SOCKS", 1, []byte{127, 0, 0, 1}),
		socks("socks-six", "ask for ::1 by SOCKS", 4, net.IPv6loopback),
		socks("socks-text", "ask for an address that is written as a name by SOCKS", 3, named("127.0.0.1")),
		socks("socks-nul", "ask for a name that ends at a zero byte by SOCKS", 3, named("127.0.0.1\x00."+siteAllowed)),
		gateProbe("proxy-socks4", "ask for 127.0.0.1 by the older SOCKS", why, wall, func(in *Inside) error {
			c, err := in.viaProxy(in.Args["stray"])
			if err != nil {
				return err
			}
			defer c.Close()
			if in.Args["access"] != string(accessDirect) {
				n, _ := strconv.Atoi(in.Args["stray"])
				if _, err := c.Write([]byte{4, 1, byte(n >> 8), byte(n), 127, 0, 0, 1, 0}); err != nil {
					return err
				}
				b := make([]byte, 8)
				if _, err := io.ReadFull(c, b); err != nil {
					return err
				}
			}
			return in.say(c, get(in.at(siteOther, "plain"), "/"+in.Nonce))
		}),
	}, seen([]Probe{
		p("get", "ask the proxy for a page of another host", "plain", func(in *Inside) string {
			return "GET http://" + in.at(siteOther, "plain") + "/" + in.Nonce + " HTTP/1.1\r\nHost: " + in.at(siteOther, "plain") + "\r\n\r\n"
		}, nil),
		p("get-host", "ask the proxy for a page of an allowed host in the name of another", "plain", func(in *Inside) string {
			return "GET http://" + siteAllowed + ":" + in.Args["plain"] + "/" + in.Nonce + " HTTP/1.1\r\nHost: " + in.at(siteOther, "plain") + "\r\n\r\n"
		}, nil),
		p("second", "ask the proxy for a page of another host in the second request", "plain", func(in *Inside) string {
			return "GET http://" + siteAllowed + ":" + in.Args["plain"] + "/ HTTP/1.1\r\nHost: " + siteAllowed + ":" + in.Args["plain"] + "\r\n\r\n"
		}, func(in *Inside) string {
			return "GET http://" + in.at(siteOther, "plain") + "/" + in.Nonce + " HTTP/1.1\r\nHost: " + in.at(siteOther, "plain") + "\r\n\r\n"
		}),
		p("tunnel-host", "name another host inside a tunnel to an allowed one", "plain", func(in *Inside) string {
			to := siteAllowed + ":" + in.Args["plain"]
			return "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\n"
		}, func(in *Inside) string { return get(in.at(siteOther, "plain"), "/"+in.Nonce) }),
		p("tunnel-tunnel", "ask for a tunnel to another host inside one to an allowed host", "plain", func(in *Inside) string {
			to := siteAllowed + ":" + in.Args["plain"]
			return "CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\n\r\n"
		}, func(in *Inside) string {
			return "CONNECT " + siteOther + ":" + in.Args["stray"] + " HTTP/1.1\r\nHost: " + siteOther + "\r\nX: " + in.Nonce + "\r\n\r\n"
		}),
	}))
}
