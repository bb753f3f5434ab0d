package attempt

import (
	"strconv"
	"strings"
)

// address reads an IP address: 4 bytes, 16 bytes, or nil for what is none. The
// usual package for it makes tables at the start of every program that links it,
// and every bailey run would pay 25 us. The tests compare the two.
func address(s string) []byte {
	if !strings.Contains(s, ":") {
		return dotted(s)
	}
	head, tail, gap := strings.Cut(s, "::")
	front, ok := groups(head, !gap)
	if !ok {
		return nil
	}
	if !gap {
		if len(front) != 16 {
			return nil
		}
		return front
	}
	back, ok := groups(tail, true)
	if !ok || len(front)+len(back) > 14 {
		return nil
	}
	out := make([]byte, 16)
	copy(out, front)
	copy(out[16-len(back):], back)
	return out
}

// dotted reads four decimal numbers.
func dotted(s string) []byte {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return nil
	}
	out := make([]byte, 4)
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || len(p) > 1 && p[0] == '0' {
			return nil
		}
		out[i] = byte(n)
	}
	return out
}

// groups reads hexadecimal numbers of two bytes between colons; the last two may
// be written as IPv4 when last.
func groups(s string, last bool) ([]byte, bool) {
	if s == "" {
		return nil, true
	}
	var out []byte
	parts := strings.Split(s, ":")
	for i, p := range parts {
		if last && i == len(parts)-1 && strings.Contains(p, ".") {
			four := dotted(p)
			return append(out, four...), four != nil
		}
		n, err := strconv.ParseUint(p, 16, 16)
		if err != nil || len(p) > 4 {
			return nil, false
		}
		out = append(out, byte(n>>8), byte(n))
	}
	return out, true
}
