package bailey

import (
	"errors"
	"slices"
	"strconv"

	"github.com/bailey-run/bailey/internal/gate"
	"github.com/bailey-run/bailey/internal/hostname"
	"github.com/bailey-run/bailey/internal/plan"
)

// NetExplanation says whether a box may reach a host and port, and which rule in
// which file says so.
type NetExplanation = gate.Explanation

// ExplainNet says what the box may do with "HOST" or "HOST:PORT"; without a port it
// is 443. udp asks about datagrams.
func (p *Plan) ExplainNet(target string, udp bool) (NetExplanation, error) {
	pattern, ports, err := hostname.ParseTarget(target)
	if err != nil {
		return NetExplanation{}, err
	}
	h, one := pattern.Host()
	if !one || len(ports) > 1 || len(ports) == 1 && ports[0].First != ports[0].Last {
		return NetExplanation{}, errors.New("one host and one port can be asked about, not " + strconv.Quote(target))
	}
	port := uint16(443)
	if len(ports) == 1 {
		port = ports[0].First
	}
	n := p.plan.Network
	if n == nil {
		deny, err := plan.Denied(p.policy)
		if err != nil {
			return NetExplanation{}, err
		}
		n = &plan.Network{Default: "deny", Deny: deny}
	}
	return gate.Explain(n, h.String(), port, udp)
}

// Network are the hosts that the box may reach and the ports that it may use, as
// rules without their words; nil for a box without a network.
func (p *Plan) Network() []string {
	n := p.plan.Network
	if n == nil {
		return nil
	}
	out := []string{}
	for _, r := range n.Allow {
		t := r.Host
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	for _, port := range n.Localhost {
		out = append(out, gate.HostName+":"+strconv.Itoa(int(port.Port)))
	}
	if n.Default == "ask" {
		out = append(out, "what is asked for")
	}
	return out
}
