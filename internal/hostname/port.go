package hostname

import (
	"fmt"
	"strconv"
	"strings"
)

// maxRanges is far above what a person writes for one host.
const maxRanges = 64

// PortRange is an inclusive range of ports. It converts to plan.PortRange.
type PortRange struct{ First, Last uint16 }

// ParseTarget reads "host", "host:port", "host:443,8000-8010", "[v6]:port",
// "[v6/bits]:port": a pattern and its ports (none when none are written). An IPv6
// address or range with ports needs brackets.
func ParseTarget(s string) (Pattern, []PortRange, error) {
	host, ports := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && (strings.IndexByte(s, ':') == i || strings.HasPrefix(s, "[") && s[i-1] == ']') {
		host, ports = s[:i], s[i+1:]
		if ports == "" {
			return Pattern{}, nil, fmt.Errorf("parse target %q: no port after the colon", s)
		}
	}
	p, err := ParsePattern(host)
	if err != nil || ports == "" {
		return p, nil, err
	}
	ranges, err := ParsePorts(ports)
	if err != nil {
		return Pattern{}, nil, err
	}
	return p, ranges, nil
}

// ParsePorts reads "443", "8000-8010" and lists of them with commas.
func ParsePorts(s string) ([]PortRange, error) {
	parts := strings.Split(s, ",")
	if len(parts) > maxRanges {
		return nil, fmt.Errorf("parse ports: more than %d ranges", maxRanges)
	}
	out := make([]PortRange, 0, len(parts))
	for _, part := range parts {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, ok1 := port(first)
		b, ok2 := port(last)
		if !ok1 || !ok2 || a > b {
			return nil, fmt.Errorf("parse ports %q: ports are 1 to 65535, as \"443\" or \"8000-8010\"", part)
		}
		out = append(out, PortRange{a, b})
	}
	return out, nil
}

// port reads a decimal port without sign or leading zeros.
func port(s string) (uint16, bool) {
	if s == "" || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}
