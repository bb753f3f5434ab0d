package terminal

import (
	"bytes"
	"slices"
	"strconv"
)

// passCSI says whether the control sequence with these parameter and
// intermediate bytes and this final byte may reach the terminal.
func passCSI(body []byte, final byte) bool {
	params, inter := split(body)
	if malformed(params, inter) {
		return false
	}
	switch {
	case final == 'i': // media copy: prints
		return false
	case final == '[': // the Linux console takes the next byte for a key
		return false
	case bytes.ContainsAny(inter, "*&,'+"):
		// Rectangle checksums (they read the screen), macros, locators, sounds.
		return false
	case final == 'w' && bytes.IndexByte(inter, '$') >= 0: // presentation report
		return false
	case final == 't' && len(inter) == 0:
		return passWindow(params)
	case final == 'h' && len(inter) == 0:
		// Mode 2 locks the keyboard.
		return private(params) || !slices.Contains(numbers(params), 2)
	}
	return true
}

// passWindow decides CSI … t: sizes may be asked for (the answer is numbers) and
// the title may be pushed and popped; the rest moves windows or reports titles.
func passWindow(params []byte) bool {
	if private(params) {
		return false
	}
	n := numbers(params)
	return len(n) > 0 && slices.Contains([]int{14, 15, 16, 18, 19, 22, 23}, n[0])
}

// passOSC says whether an operating system command may reach the terminal. It is
// an allow list: new private protocols appear every year.
func passOSC(body []byte) bool {
	num, rest, _ := bytes.Cut(body, []byte{';'})
	n, err := strconv.Atoi(string(num))
	if err != nil || len(num) > 3 || num[0] < '0' || num[0] > '9' {
		return false
	}
	switch n {
	case 0, 1, 2: // titles
		return true
	case 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, // colours; a query's answer is numbers
		104, 105, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119:
		return true
	case 8: // links: params ; address
		_, address, ok := bytes.Cut(rest, []byte{';'})
		return ok && passLink(address)
	case 9: // 9;4 is progress; 9 and a text is a notification; other numbers are commands of ConEmu
		return bytes.HasPrefix(rest, []byte("4;")) || len(rest) > 0 && (rest[0] < '0' || rest[0] > '9')
	case 133: // marks of prompts
		return true
	case 777:
		return bytes.HasPrefix(rest, []byte("notify;"))
	}
	return false
}

// passLink allows links that a click opens in a browser, a mail program or a
// file manager, and the empty one that ends a link.
func passLink(address []byte) bool {
	if len(address) == 0 {
		return true
	}
	for _, scheme := range []string{"https://", "http://", "mailto:", "file://"} {
		if len(address) >= len(scheme) && bytes.EqualFold(address[:len(scheme)], []byte(scheme)) {
			return true
		}
	}
	return false
}

// split separates parameter bytes (0x30 to 0x3f) from intermediate ones.
func split(body []byte) (params, inter []byte) {
	i := 0
	for i < len(body) && body[i] >= 0x30 {
		i++
	}
	return body[:i], body[i:]
}

// malformed finds what terminals read differently: a private mark that is not in
// front, or parameters behind an intermediate byte.
func malformed(params, inter []byte) bool {
	for i, b := range params {
		if i > 0 && b >= '<' {
			return true
		}
	}
	for _, b := range inter {
		if b >= 0x30 {
			return true
		}
	}
	return false
}

// private says that the parameters begin with one of < = > ?.
func private(params []byte) bool { return len(params) > 0 && params[0] >= '<' }

// numbers reads parameters; what is missing or too large is 0.
func numbers(params []byte) []int {
	if private(params) {
		params = params[1:]
	}
	var out []int
	for p := range bytes.SplitSeq(params, []byte{';'}) {
		p, _, _ = bytes.Cut(p, []byte{':'})
		n, err := strconv.Atoi(string(p))
		if err != nil {
			n = 0
		}
		out = append(out, n)
	}
	return out
}
