package gate

import (
	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Explanation says what a network makes of a host and port, and why.
type Explanation struct {
	Host     string        `json:"host"`
	Port     uint16        `json:"port"`
	Verdict  Verdict       `json:"verdict"`
	Rule     string        `json:"rule,omitempty"`
	From     policy.Source `json:"from"`
	Inside   bool          `json:"inside,omitempty"`   // the gate looks at requests: methods and paths count too
	Identity string        `json:"identity,omitempty"` // what must agree with the name: "tls or http", or "" for nothing
	Private  bool          `json:"private,omitempty"`  // private addresses of it are granted
	Hint     string        `json:"hint,omitempty"`
}

// Explain decides as a gate would, without one. The addresses of a name are looked
// at when it is dialled, and not here.
func Explain(n *plan.Network, host string, port uint16, udp bool) (Explanation, error) {
	h, err := hostname.Parse(host)
	if err != nil {
		return Explanation{}, err
	}
	g, err := compile(n, &Options{})
	if err != nil {
		return Explanation{}, err
	}
	d := g.decide(h, port, udp)
	e := Explanation{Host: h.String(), Port: port, Verdict: d.verdict, Rule: d.rule, From: d.from, Hint: d.hint}
	if d.verdict == Allow {
		e.Inside = d.mode == inspect
		if d.mode == web || d.mode == inspect {
			e.Identity = "tls or http"
		}
		_, pinned := g.pinned[h]
		e.Private = pinned
		for _, r := range d.allow {
			e.Private = e.Private || r.Private
		}
	}
	return e, nil
}
