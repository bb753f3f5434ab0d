//go:build linux

package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// gateControls are what a box with a gate must let through: a gate that refuses
// everything proves nothing.
func gateControls() []Probe {
	p := func(id, title string, attack func(*Inside) error, judge func(*Case, *Report) (bool, string)) Probe {
		return Probe{ID: "controls.gate-" + id, Control: true, Scene: sceneGate, OwnGate: true, Title: title, Why: "a gate is there to let through what rules allow",
			Fix: "the policy must not deny names below " + siteDomain, Plant: (*Case).website, Attack: attack, Judge: judge}
	}
	own := p("own-server", "serve on 127.0.0.1 at a port that rules allow outwards", func(in *Inside) error {
		port := in.Args["plain"]
		if in.Args["access"] != string(accessGate) {
			port = "0"
		}
		l, err := net.Listen("tcp4", "127.0.0.1:"+port)
		if err != nil {
			return err
		}
		defer l.Close()
		go func() {
			if c, err := l.Accept(); err == nil {
				c.Write([]byte("own"))
				c.Close()
			}
		}()
		c, err := in.timed(net.DialTimeout("tcp4", l.Addr().String(), reachTime))
		if err != nil {
			return err
		}
		defer c.Close()
		b := make([]byte, 3)
		if _, err := c.Read(b); err != nil || string(b) != "own" {
			return fmt.Errorf("%q, %v", b, err)
		}
		return nil
	}, nil)
	own.Weaker = "loopback"
	web := p("http", "ask an allowed host by HTTP", plainly(func(in *Inside) []string {
		return []string{get(siteAllowed+":"+in.Args["plain"], "/a"), get(siteAllowed+":"+in.Args["plain"], "/"+in.Nonce)}
	}), reached)
	names := p("names", "resolve an allowed name", func(in *Inside) error {
		if in.Args["access"] == string(accessDirect) {
			return in.ask("udp", question(dnsmessage.TypeA, 0, "loopback."+siteRebind))
		}
		if in.weakProxy() != "" {
			return nil // names are the proxy's there
		}
		_, err := in.address(siteAllowed)
		return err
	}, nil)
	return concat(seen([]Probe{web}), []Probe{
		p("tls", "ask an allowed host over TLS, with its own certificate", verified(siteAllowed), reached),
		p("inspected", "ask a host that is looked into over TLS, with a certificate that the box trusts", verified(siteRead), reached),
		p("http2", "ask a host that is looked into by HTTP/2", func(in *Inside) error {
			return in.over2(siteRead, siteRead+":"+in.Args["secure"], "/ok/"+in.Nonce, nil, nil)
		}, reached),
		p("localhost", "reach a port of the host's loopback that is granted", func(in *Inside) error {
			c, err := in.reach(siteHost, in.Args["local"])
			if err != nil {
				return err
			}
			defer c.Close()
			return in.say(c, get(siteHost+":"+in.Args["local"], "/"+in.Nonce))
		}, reached),
		names,
		p("secret", "use a secret at its host", securely(siteSecret, func(in *Inside) []string {
			return []string{get(in.at(siteSecret, "secure"), "/"+in.Nonce, "Authorization: Bearer "+os.Getenv(secretInside))}
		}), func(c *Case, r *Report) (bool, string) {
			if yes, what := reached(c, r); !yes {
				return false, what
			}
			c.hears.mu.Lock()
			defer c.hears.mu.Unlock()
			b := c.hears.words.Bytes()
			i := bytes.Index(b, []byte(c.Nonce))
			return bytes.Contains(b[i:min(len(b), i+1000)], []byte("Bearer "+c.site.value)), "the value arrived at its host"
		}),
		own,
	})
}

// verified asks a host over TLS. A host that is looked into has a certificate that the
// system inside believes, another has its own.
func verified(host string) func(*Inside) error {
	return func(in *Inside) error {
		c, err := in.reach(host, in.Args["secure"])
		if err != nil {
			return err
		}
		defer c.Close()
		roots, err := x509.SystemCertPool()
		if err != nil {
			return err
		}
		if host == siteAllowed { // its own, which the box need not trust
			roots = x509.NewCertPool()
			roots.AppendCertsFromPEM([]byte(in.Args["ca"]))
		}
		t := tls.Client(c, &tls.Config{ServerName: host, RootCAs: roots, NextProtos: []string{"http/1.1"}, Time: time.Now})
		if err := t.Handshake(); err != nil {
			return err
		}
		return in.say(t, get(host+":"+in.Args["secure"], "/ok/"+in.Nonce))
	}
}
