package plan

import "github.com/bailey-run/bailey/internal/policy"

// Network is what the gate may let out of a box and into it. It is data alone:
// names, addresses and patterns are in their canonical form. A nil Network is a
// box without a gate, whose namespace has only a loopback device; one without
// any grant is the same, and denies everything.
type Network struct {
	Default   string          `json:"default"` // "deny" or "ask": what an unknown name gets
	Allow     []NetRule       `json:"allow,omitempty"`
	Deny      []NetRule       `json:"deny,omitempty"`
	Localhost []NetPort       `json:"localhost,omitempty"` // ports of the host's loopback that the box may reach
	Publish   []NetPort       `json:"publish,omitempty"`   // ports inside that the host's loopback may reach
	Hosts     []NetHost       `json:"hosts,omitempty"`     // pinned answers: explicit grants, private addresses too
	Resolver  string          `json:"resolver,omitempty"`  // address and port of the name server to ask; empty for the host's own resolver
	Upstream  *NetUpstream    `json:"upstream,omitempty"`  // the proxy that connections outwards go through
	Secrets   []NetSecret     `json:"secrets,omitempty"`   // never values: where they come from, and where they may go
	From      []policy.Source `json:"from,omitempty"`      // the layers that switched the gate on
}

// NetRule grants or refuses connections by name or address, port and protocol,
// and for inspected hosts by method and path.
type NetRule struct {
	// Host is a canonical pattern: "example.org" exactly, "*.example.org" its
	// subdomains, "**.example.org" both, "*" every name (only when forced), an IP
	// address or a CIDR.
	Host     string      `json:"host"`
	Ports    []PortRange `json:"ports,omitempty"`   // none: 80 and 443
	Protocol string      `json:"protocol"`          // "web" (TLS or HTTP, identified), "tcp" (anything on explicit ports), "udp"
	Private  bool        `json:"private,omitempty"` // names that resolve to private addresses are granted too

	// Inspect asks for TLS inspection with the session's own authority; the
	// fields below hold only for inspected or plain HTTP.
	Inspect bool     `json:"inspect,omitempty"`
	Methods []string `json:"methods,omitempty"` // none: every method
	Paths   []string `json:"paths,omitempty"`   // canonical path patterns; none: every path

	MaxUpload   int64 `json:"max_upload,omitempty"`   // bytes in a session; 0 for no limit
	MaxDownload int64 `json:"max_download,omitempty"` // likewise

	Text   string        `json:"text"` // as a person wrote it
	Reason string        `json:"reason,omitempty"`
	From   policy.Source `json:"from"`
}

// PortRange is an inclusive range of ports.
type PortRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// NetPort is a granted port of a loopback device.
type NetPort struct {
	Port uint16        `json:"port"`
	From policy.Source `json:"from"`
}

// NetHost pins the addresses of a name.
type NetHost struct {
	Name      string        `json:"name"`
	Addresses []string      `json:"addresses"`
	From      policy.Source `json:"from"`
}

// NetUpstream is a proxy of the host that connections outwards go through. Its
// credentials are taken from the host's environment when it is dialled, and
// never part of a plan.
type NetUpstream struct {
	HTTP    string   `json:"http,omitempty"`  // host:port for plain HTTP
	HTTPS   string   `json:"https,omitempty"` // host:port for everything else
	NoProxy []string `json:"no_proxy,omitempty"`
}

// NetSecret is a secret that the gate puts into requests to its hosts. The box
// sees a placeholder.
type NetSecret struct {
	Name   string        `json:"name"`
	Source string        `json:"source"`          // "env:NAME", "file:PATH", "json:PATH#FIELD", "command:LINE", "keyring:NAME"
	Cache  int64         `json:"cache,omitempty"` // seconds that a command's answer is kept
	Hosts  []string      `json:"hosts"`           // canonical patterns
	Header string        `json:"header,omitempty"`
	Format string        `json:"format,omitempty"` // of the header or query value, with {} for the secret
	Query  string        `json:"query,omitempty"`  // name of a query parameter
	Basic  string        `json:"basic,omitempty"`  // user name for basic authentication
	Env    string        `json:"env,omitempty"`    // the variable inside that holds the placeholder
	File   string        `json:"file,omitempty"`   // the file inside that holds it
	Body   string        `json:"body,omitempty"`   // "pass": the placeholder may stand in bodies
	From   policy.Source `json:"from"`
}
