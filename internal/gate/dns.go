package gate

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bailey-run/bailey/internal/hostname"
)

const (
	// maxDNSMessage is the largest question that is read: one name with EDNS is below
	// 400 bytes. A longer one is a format error.
	maxDNSMessage = 1232
	// dnsTTL is short, so that a name that a new generation grants is asked for again.
	dnsTTL = 60
	// maxDNSText is the longest extra text: an answer stays below 512 bytes.
	maxDNSText = 160
)

// Numbers of DNS, from the IANA registry.
const (
	typeSVCB  = dnsmessage.Type(64)
	typeHTTPS = dnsmessage.Type(65)

	optEDE      = 15 // RFC 8914
	edeNotReady = 14
	edeBlocked  = 15
	edeProhibit = 18
	edeNotSup   = 21
)

// question of a DNS message, and what else of it is needed to answer.
type dnsQuestion struct {
	header dnsmessage.Header
	dnsmessage.Question
	edns bool
}

// parseDNS reads a query. A nil question and rcode 0 is a message that must not be
// answered at all.
func parseDNS(b []byte) (*dnsQuestion, dnsmessage.RCode) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.Response {
		return nil, 0
	}
	q := &dnsQuestion{header: h}
	if h.OpCode != 0 {
		return q, dnsmessage.RCodeNotImplemented
	}
	if q.Question, err = p.Question(); err != nil {
		return q, dnsmessage.RCodeFormatError
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError
	}
	if _, err := p.AnswerHeader(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError
	}
	if _, err := p.AuthorityHeader(); err != dnsmessage.ErrSectionDone {
		return q, dnsmessage.RCodeFormatError
	}
	for {
		r, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return q, 0
		}
		if err != nil || r.Type != dnsmessage.TypeOPT || q.edns || p.SkipAdditional() != nil {
			return q, dnsmessage.RCodeFormatError
		}
		q.edns = true
	}
}

// dnsAnswer is what is said to a question.
type dnsAnswer struct {
	rcode dnsmessage.RCode
	addr  netip.Addr // of an A or AAAA record
	ptr   string     // of a PTR record
	ede   uint16     // extended error, with text
	text  string
}

// answerDNS answers one message, or returns nil when there is nothing to say. It
// looks at the policy and at the table of names alone: no question leaves the host.
func (g *Gate) answerDNS(b []byte) []byte {
	q, rcode := parseDNS(b)
	switch {
	case q == nil:
		return nil
	case rcode != 0:
		return q.pack(dnsAnswer{rcode: rcode}, rcode != dnsmessage.RCodeFormatError)
	}
	return q.pack(g.lookupDNS(q), true)
}

func (g *Gate) lookupDNS(q *dnsQuestion) dnsAnswer {
	name := q.Name.String()
	if q.Class != dnsmessage.ClassINET {
		return dnsAnswer{rcode: dnsmessage.RCodeRefused, ede: edeNotSup, text: "bailey: only class IN"}
	}
	if q.Type == dnsmessage.TypePTR {
		return g.reverse(name)
	}
	h, err := hostname.ParseWire(name)
	if err != nil || h.Name() == "" {
		return dnsAnswer{rcode: dnsmessage.RCodeNameError, ede: edeProhibit, text: "bailey: no host name"}
	}
	if h.Name() == "localhost" || strings.HasSuffix(h.Name(), ".localhost") {
		switch q.Type { // RFC 6761: never the gate's
		case dnsmessage.TypeA:
			return dnsAnswer{addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		case dnsmessage.TypeAAAA:
			return dnsAnswer{addr: netip.IPv6Loopback()}
		}
		return dnsAnswer{}
	}
	gen := g.gen.Load()
	d := gen.mayName(h)
	if d.verdict != Allow {
		g.denied(Denial{Op: "resolve", Target: h.String(), Rule: d.rule, From: d.from, Hint: d.hint})
		return dnsAnswer{rcode: dnsmessage.RCodeNameError, ede: edeBlocked, text: "bailey: denied by " + origin(d.rule, d.from)}
	}
	switch q.Type {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
	case typeHTTPS, typeSVCB:
		// The name is there and has none: no key for an encrypted hello, no other address.
		return dnsAnswer{}
	default:
		return dnsAnswer{rcode: dnsmessage.RCodeRefused, ede: edeNotSup, text: "bailey: only addresses are answered"}
	}
	i, ok := g.names.bind(h.Name(), gen.writes(h))
	if !ok {
		g.denied(Denial{Op: "resolve", Target: h.String(), Rule: "limit of names", Hint: fmt.Sprintf("a session has at most %d names that patterns allow", g.limits.Names)})
		return dnsAnswer{rcode: dnsmessage.RCodeServerFailure, ede: edeNotReady, text: "bailey: too many names in this session"}
	}
	if q.Type == dnsmessage.TypeA {
		return dnsAnswer{addr: synthetic4(i)}
	}
	return dnsAnswer{addr: synthetic6(i)}
}

// writes says whether the policy itself writes a name out.
func (g *generation) writes(h hostname.Host) bool {
	if _, ok := g.pinned[h]; ok {
		return true
	}
	for _, r := range g.allow {
		if one, ok := r.pattern.Host(); ok && one == h {
			return true
		}
	}
	return false
}

// reverse answers for synthetic addresses.
func (g *Gate) reverse(name string) dnsAnswer {
	if a, ok := reverseAddr(name); ok {
		if n := g.names.name(a); n != "" {
			return dnsAnswer{ptr: n + "."}
		}
	}
	return dnsAnswer{rcode: dnsmessage.RCodeNameError}
}

// reverseAddr is the address of a name below in-addr.arpa or ip6.arpa.
func reverseAddr(name string) (netip.Addr, bool) {
	name = strings.ToLower(name)
	if s, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		p := strings.Split(s, ".")
		if len(p) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(p[3] + "." + p[2] + "." + p[1] + "." + p[0])
		return a, err == nil
	}
	s, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok || len(s) != 63 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i := range 32 {
		c := s[len(s)-1-2*i]
		if i < 31 && s[len(s)-2-2*i] != '.' {
			return netip.Addr{}, false
		}
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return netip.Addr{}, false
		}
		b[i/2] |= c << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(b), true
}

// pack writes an answer. Errors of the builder cannot come: every part is bounded;
// should one come all the same, nothing is sent.
func (q *dnsQuestion) pack(a dnsAnswer, question bool) []byte {
	b := dnsmessage.NewBuilder(make([]byte, 0, 512), dnsmessage.Header{
		ID: q.header.ID, Response: true, OpCode: q.header.OpCode, RecursionDesired: q.header.RecursionDesired, RecursionAvailable: true,
		Authoritative: a.rcode == 0, RCode: a.rcode,
	})
	b.EnableCompression()
	err := b.StartQuestions()
	if question && q.Name.Length > 0 && err == nil {
		err = b.Question(q.Question)
	}
	if err == nil {
		err = b.StartAnswers()
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: dnsTTL}
	switch {
	case err != nil:
	case a.ptr != "":
		var ptr dnsmessage.Name
		if ptr, err = dnsmessage.NewName(a.ptr); err == nil {
			err = b.PTRResource(h, dnsmessage.PTRResource{PTR: ptr})
		}
	case a.addr.Is4():
		err = b.AResource(h, dnsmessage.AResource{A: a.addr.As4()})
	case a.addr.Is6():
		err = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.addr.As16()})
	}
	if q.edns && err == nil {
		err = q.packOPT(&b, a)
	}
	if err != nil {
		return nil
	}
	out, err := b.Finish()
	if err != nil {
		return nil
	}
	return out
}

func (q *dnsQuestion) packOPT(b *dnsmessage.Builder, a dnsAnswer) error {
	if err := b.StartAdditionals(); err != nil {
		return err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(maxDNSMessage, a.rcode, false); err != nil {
		return err
	}
	var opt dnsmessage.OPTResource
	if a.text != "" {
		text := a.text
		if len(text) > maxDNSText {
			text = strings.ToValidUTF8(text[:maxDNSText], "")
		}
		opt.Options = []dnsmessage.Option{{Code: optEDE, Data: append([]byte{byte(a.ede >> 8), byte(a.ede)}, text...)}}
	}
	return b.OPTResource(h, opt)
}

// denied tells of a denial whose process is not known.
func (g *Gate) denied(d Denial) {
	if g.opts.Denied != nil {
		g.opts.Denied(d)
	}
}
