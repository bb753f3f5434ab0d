package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/urlpath"
)

// NetRule is one rule of network.allow or network.deny. Its one-line form, which a
// list of strings and the command line use and Show prints, is
//
//	HOST[:PORTS][/PROTOCOL] [WORD…] [# REASON]
//
// where a WORD is inspect, private, broad, methods=GET,HEAD, paths=/a/**,
// preset=read-only, max-upload=SIZE or max-download=SIZE.
type NetRule struct {
	Host        string // canonical pattern
	Ports       []hostname.PortRange
	Protocol    string // "web", "tcp", "udp"
	Inspect     bool
	Private     bool
	Broad       bool // a broad pattern is meant
	Methods     []string
	Paths       []string
	MaxUpload   int64 // bytes; 0 for no limit
	MaxDownload int64
	Reason      string

	pattern hostname.Pattern
}

// The protocols of a rule.
const (
	protocolWeb = "web" // TLS or HTTP: what the connection is for can be seen, and must agree
	protocolTCP = "tcp" // anything
	protocolUDP = "udp"
)

// readOnlyMethods are those that change nothing (RFC 9110 section 9.2.1).
func readOnlyMethods() []string { return []string{"GET", "HEAD", "OPTIONS"} }

// maxNetRule bounds the one-line form, in bytes.
const maxNetRule = 8192

// netRulePattern is what the JSON Schema says of it.
const netRulePattern = `^[^\s#]+( +[a-z-]+(=[^\s#]+)?)*( +#.*)?$`

// ParseNetRule reads the one-line form.
func ParseNetRule(text string) (r NetRule, problem, hint string) {
	if len(text) > maxNetRule {
		return r, "the rule is longer than any rule can be", ""
	}
	if strings.IndexFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) >= 0 {
		return r, "control characters are not allowed in a network rule", ""
	}
	rule, reason, _ := strings.Cut(text, "#")
	r.Reason = strings.TrimSpace(reason)
	words := strings.Fields(rule)
	if len(words) == 0 {
		return r, "an empty rule names no host", `write "example.org" or "example.org:8443"`
	}
	if problem, hint = r.target(words[0]); problem != "" {
		return r, problem, hint
	}
	for _, word := range words[1:] {
		if problem, hint = r.word(word); problem != "" {
			return r, problem, hint
		}
	}
	return r, "", ""
}

func (r *NetRule) target(text string) (problem, hint string) {
	r.Protocol = protocolWeb
	for _, p := range [...]string{protocolTCP, protocolUDP, protocolWeb} {
		if rest, ok := strings.CutSuffix(text, "/"+p); ok {
			text, r.Protocol = rest, p
			break
		}
	}
	if _, rest, ok := strings.Cut(text, "://"); ok {
		return strconv.Quote(text) + " is a URL", "write the host alone, as " + strconv.Quote(strings.TrimRight(rest, "/")) + "; paths need paths=…"
	}
	var err error
	if r.pattern, r.Ports, err = hostname.ParseTarget(text); err != nil {
		return err.Error(), `write "example.org", "*.example.org", "example.org:8443" "10.0.0.5:5432/tcp" or "[2001:db8::/32]:443"`
	}
	r.Host = r.pattern.String()
	switch {
	case r.Protocol == protocolTCP && len(r.Ports) == 0:
		return "a tcp rule needs its port", "as in " + strconv.Quote(r.Host+":5432/tcp")
	case r.Protocol == protocolUDP && (len(r.Ports) != 1 || r.Ports[0].First != r.Ports[0].Last):
		return "a udp rule opens one port", "as in " + strconv.Quote(r.Host+":123/udp")
	case r.Protocol == protocolUDP && strings.HasPrefix(r.Host, "*"):
		return "a udp rule opens one host", "write its name"
	}
	return "", ""
}

func (r *NetRule) word(word string) (problem, hint string) {
	name, value, valued := strings.Cut(word, "=")
	switch {
	case word == "inspect":
		r.Inspect = true
	case word == "private":
		r.Private = true
	case word == "broad":
		r.Broad = true
	case !valued || value == "":
		return "unknown word " + strconv.Quote(word) + " in a network rule", nearHint(name)
	case name == "methods":
		for _, m := range strings.Split(value, ",") {
			if !isMethod(m) {
				return strconv.Quote(m) + " is not an HTTP method", "as in methods=GET,HEAD"
			}
			r.Methods = appendNew(r.Methods, m)
		}
	case name == "paths":
		for _, p := range strings.Split(value, ",") {
			if err := urlpath.CheckPattern(p); err != nil {
				return strconv.Quote(p) + " is not a path: " + err.Error(), "as in paths=/repos/**"
			}
			r.Paths = appendNew(r.Paths, p)
		}
	case name == "preset" && value == "read-only":
		for _, m := range readOnlyMethods() {
			r.Methods = appendNew(r.Methods, m)
		}
	case name == "preset" && value == "full":
		r.Inspect = true
	case name == "preset":
		return strconv.Quote(value) + " is not a preset", "the presets are read-only and full"
	case name == "max-upload", name == "max-download":
		n, ok := parseSize(value)
		if !ok || n == 0 {
			return strconv.Quote(value) + " is not a size", `write a whole number with a unit, such as "512KiB" or "4MiB"`
		}
		if name == "max-upload" {
			r.MaxUpload = n
		} else {
			r.MaxDownload = n
		}
	default:
		return "unknown word " + strconv.Quote(name) + " in a network rule", nearHint(name)
	}
	if (len(r.Methods) > 0 || len(r.Paths) > 0 || r.Inspect) && r.Protocol != protocolWeb {
		return "only HTTP has methods and paths, and this rule is for " + r.Protocol, "leave out /" + r.Protocol
	}
	if len(r.Methods) > 0 || len(r.Paths) > 0 {
		r.Inspect = true
	}
	return "", ""
}

func ruleWords() []string {
	return []string{"inspect", "private", "broad", "methods", "paths", "preset", "max-upload", "max-download"}
}

func nearHint(word string) string {
	if near := nearest(word, ruleWords()); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return "the words are " + strings.Join(ruleWords(), ", ")
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// isMethod accepts a token of upper case letters: methods are case-sensitive, and
// no server knows others.
func isMethod(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// String is the canonical one-line form.
func (r *NetRule) String() string {
	var b strings.Builder
	b.WriteString(r.Target())
	for _, w := range [...]struct {
		is   bool
		text string
	}{
		{r.Inspect && len(r.Methods) == 0 && len(r.Paths) == 0, "inspect"},
		{len(r.Methods) > 0, "methods=" + strings.Join(r.Methods, ",")},
		{len(r.Paths) > 0, "paths=" + strings.Join(r.Paths, ",")},
		{r.Private, "private"},
		{r.Broad, "broad"},
		{r.MaxUpload > 0, "max-upload=" + formatSize(r.MaxUpload)},
		{r.MaxDownload > 0, "max-download=" + formatSize(r.MaxDownload)},
		{r.Reason != "", "# " + r.Reason},
	} {
		if w.is {
			b.WriteString(" " + w.text)
		}
	}
	return b.String()
}

// Target is host, ports and protocol alone.
func (r *NetRule) Target() string {
	text := r.Host
	if len(r.Ports) > 0 {
		if strings.Contains(text, ":") {
			text = "[" + text + "]"
		}
		text += ":" + portText(r.Ports)
	}
	if r.Protocol != protocolWeb {
		text += "/" + r.Protocol
	}
	return text
}

func portText(ranges []hostname.PortRange) string {
	var parts []string
	for _, p := range ranges {
		part := strconv.Itoa(int(p.First))
		if p.Last != p.First {
			part += "-" + strconv.Itoa(int(p.Last))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

// checkAllow and checkDeny hold for the one-line form in a list; canonical gives
// it its one spelling.
func checkAllow(text string) (problem, hint string) {
	r, problem, hint := ParseNetRule(text)
	if problem != "" {
		return problem, hint
	}
	if h, one := r.pattern.Host(); one && isOwnHost(h.Name()) {
		// Inside, localhost is the box's own; the gate would resolve it, and refuse loopback.
		return strconv.Quote(r.Host) + " is this machine, of which ports are granted", localhostHint(r.Ports)
	}
	if why := r.pattern.Broad(); why != "" && !r.Broad {
		return strconv.Quote(r.Host) + " is too broad: " + why, "name the hosts that are needed, or write the word broad behind it"
	}
	return "", ""
}

// Grantable says why a host and port cannot be a rule that allows; "" for those that can.
func Grantable(target string) (problem string) {
	problem, _ = checkAllow(target)
	return problem
}

// HostInside is the name that the host's loopback has inside a box.
const HostInside = "host.bailey.internal"

// isOwnHost says whether a name is the host's own loopback.
func isOwnHost(name string) bool {
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || name == HostInside
}

func localhostHint(ports []hostname.PortRange) string {
	port := 5432
	if len(ports) > 0 {
		port = int(ports[0].First)
	}
	return "write localhost = [" + strconv.Itoa(port) + "] under [network], or --localhost " + strconv.Itoa(port) + "; inside it is host.bailey.internal:" + strconv.Itoa(port)
}

func checkDeny(text string) (problem, hint string) {
	r, problem, hint := ParseNetRule(text)
	if problem == "" && (r.Private || r.Broad || r.MaxUpload > 0 || r.MaxDownload > 0) {
		return "a rule that denies takes methods and paths alone", "remove the other words"
	}
	return problem, hint
}

func canonicalRule(text string) string {
	r, problem, _ := ParseNetRule(text)
	if problem != "" {
		return text
	}
	return r.String()
}

const portPattern = `^[1-9][0-9]{0,4}$`

func checkPort(text string) (problem, hint string) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || text[0] == '0' || text[0] == '+' {
		return strconv.Quote(text) + " is not a port", "ports are 1 to 65535"
	}
	return "", ""
}

// checkPin checks the addresses of a pinned name.
func checkPin(name, addresses string) (problem, hint string) {
	if h, err := hostname.Parse(name); err != nil || h.Name() == "" {
		return strconv.Quote(name) + " is not a host name", `as in "example.test" = "127.0.0.1"`
	}
	for _, a := range strings.Split(addresses, ",") {
		if h, err := hostname.Parse(a); err != nil || !h.Addr().IsValid() {
			return strconv.Quote(a) + " is not an address", `as in "example.test" = "127.0.0.1"`
		}
	}
	return "", ""
}

// canonicalHost is the one spelling of a host that checkPin accepted.
func canonicalHost(name string) string {
	h, err := hostname.Parse(name)
	if err != nil {
		return name
	}
	return h.String()
}
