package gate

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Sizes of an HTTP head. Common servers stop at 8 to 32 kB.
const (
	maxHead    = 32 << 10 // beyond, denied
	maxFields  = 256      // header fields; beyond, denied
	maxMethod  = 32
	maxChunkLn = 1 << 10 // a chunk's size line; beyond, denied
)

var errHead = errors.New("no well-formed HTTP request")

// request is the head of an HTTP/1 request.
type request struct {
	method, target string
	minor          int    // of the version
	host           string // the Host field, as it was sent
	hasHost        bool
	length         int64 // of the body; -1: chunked
	upgrade        []string
	fields         []field
	size           int // bytes of the stream
}

type field struct{ name, value string }

// startsHTTP says whether bytes can begin an HTTP request: yes, no, or errMore.
func startsHTTP(b []byte) (bool, error) {
	for i, c := range b {
		if c == ' ' {
			return i > 0, nil
		}
		if i >= maxMethod || c != '-' && (c < 'A' || c > 'Z') {
			return false, nil
		}
	}
	return false, errMore
}

// headEnd is where a head ends, or -1. Line ends are CR LF alone: what some
// servers take for an end and others not would be a second request.
func headEnd(b []byte) int {
	i := bytes.Index(b, []byte("\r\n\r\n"))
	if i < 0 {
		return -1
	}
	return i + 4
}

// bareLF says whether a line ends without CR, so that no end need be waited for.
func bareLF(b []byte) bool {
	for i := bytes.IndexByte(b, '\n'); i >= 0; {
		if i == 0 || b[i-1] != '\r' {
			return true
		}
		next := bytes.IndexByte(b[i+1:], '\n')
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// parseRequest reads the head at the start of a stream, strictly (RFC 9112). With
// errMore it wants to see more, but never more than maxHead.
func parseRequest(b []byte) (*request, error) {
	end := headEnd(b)
	if end < 0 && len(b) < maxHead {
		if bareLF(b) || bytes.IndexByte(b, 0) >= 0 {
			return nil, errHead
		}
		// "EHLO client" will not become a request, however long one waits.
		if line, _, whole := bytes.Cut(b, []byte("\r\n")); whole && !new(request).parseLine(string(line)) {
			return nil, errProtocol
		}
		return nil, errMore
	}
	if end < 0 || end > maxHead {
		return nil, errors.New("the HTTP head is too large")
	}
	lines := strings.Split(string(b[:end-4]), "\r\n")
	r := &request{size: end}
	if !r.parseLine(lines[0]) {
		return nil, errHead
	}
	if len(lines) > maxFields {
		return nil, errors.New("the HTTP head has too many fields")
	}
	r.fields = make([]field, 0, len(lines)-1)
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok || !isToken(name) || !isText(value) {
			return nil, errHead
		}
		r.fields = append(r.fields, field{name, strings.Trim(value, " \t")})
	}
	return r, r.frame()
}

func (r *request) parseLine(l string) bool {
	parts := strings.Split(l, " ")
	if len(parts) != 3 || len(parts[0]) > maxMethod || !isToken(parts[0]) || parts[1] == "" {
		return false
	}
	for i := range len(parts[1]) {
		if c := parts[1][i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	r.method, r.target = parts[0], parts[1]
	switch parts[2] {
	case "HTTP/1.1":
		r.minor = 1
	case "HTTP/1.0":
	default:
		return false
	}
	return true
}

// frame finds Host and the length of the body. What two servers could frame
// differently is refused.
func (r *request) frame() error {
	seenLength, chunked := false, false
	for _, f := range r.fields {
		switch {
		case strings.EqualFold(f.name, "Host"):
			if r.hasHost {
				return errors.New("the HTTP head has two Host fields")
			}
			r.host, r.hasHost = f.value, true
		case strings.EqualFold(f.name, "Content-Length"):
			n, err := strconv.ParseUint(f.value, 10, 62)
			if err != nil || seenLength || f.value[0] == '+' {
				return errHead
			}
			r.length, seenLength = int64(n), true
		case strings.EqualFold(f.name, "Transfer-Encoding"):
			if chunked || !strings.EqualFold(f.value, "chunked") || r.minor == 0 {
				return errors.New("the HTTP body's framing is not plain chunked")
			}
			chunked = true
		case strings.EqualFold(f.name, "Upgrade"):
			for p := range strings.SplitSeq(f.value, ",") {
				r.upgrade = append(r.upgrade, strings.ToLower(strings.Trim(p, " \t")))
			}
		}
	}
	if chunked && seenLength {
		return errors.New("the HTTP head has two framings")
	}
	if chunked {
		r.length = -1
	}
	return nil
}

// authority is the host and port that the request is for, and whether its target
// says the same as its Host.
func (r *request) authority() (host string, path string, err error) {
	if !r.hasHost || r.host == "" {
		return "", "", errors.New("the HTTP request has no Host")
	}
	switch {
	case r.method == "CONNECT":
		return "", "", errors.New("CONNECT is for proxies")
	case strings.HasPrefix(r.target, "/"), r.target == "*" && r.method == "OPTIONS":
		return r.host, r.target, nil
	}
	rest, ok := cutPrefixFold(r.target, "http://")
	if !ok {
		return "", "", errHead
	}
	i := strings.IndexAny(rest, "/?#")
	if i < 0 {
		i = len(rest)
	}
	auth, path := rest[:i], rest[i:]
	if strings.Contains(auth, "@") {
		return "", "", errHead
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if !strings.EqualFold(auth, r.host) {
		return "", "", errors.New("the HTTP request's target and its Host differ")
	}
	return r.host, path, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// render writes the head anew.
func (r *request) render(target string) []byte {
	var b bytes.Buffer
	b.WriteString(r.method + " " + target + " HTTP/1." + strconv.Itoa(r.minor) + "\r\n")
	for _, f := range r.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// isToken: RFC 9110 section 5.6.2.
func isToken(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// parseChunkLine reads the line in front of a chunk: its size, and the bytes that
// the line took. With errMore it wants to see more.
func parseChunkLine(b []byte) (size int64, n int, err error) {
	i := bytes.Index(b, []byte("\r\n"))
	if i < 0 && len(b) < maxChunkLn && !bareLF(b) {
		return 0, 0, errMore
	}
	if i < 0 || i > maxChunkLn {
		return 0, 0, errHead
	}
	line := string(b[:i])
	hex, ext, _ := strings.Cut(line, ";")
	if !isText(ext) || len(hex) == 0 || len(hex) > 15 {
		return 0, 0, errHead
	}
	for j := range len(hex) {
		c := hex[j] | 0x20
		if (c < '0' || c > '9' || hex[j] != c) && (c < 'a' || c > 'f') {
			return 0, 0, errHead
		}
	}
	size, err = strconv.ParseInt(hex, 16, 62)
	if err != nil {
		return 0, 0, errHead
	}
	return size, i + 2, nil
}

// parseStatus reads the head of a response as far as the gate needs it: its status
// and its size.
func parseStatus(b []byte) (status, size int, err error) {
	end := headEnd(b)
	if end < 0 && len(b) < maxHead {
		return 0, 0, errMore
	}
	if end < 0 || end > maxHead || len(b) < 12 || !bytes.HasPrefix(b, []byte("HTTP/1.")) || b[8] != ' ' {
		return 0, 0, errors.New("the server's answer is no HTTP response")
	}
	status, err = strconv.Atoi(string(b[9:12]))
	return status, end, err
}

// parseTrailers reads the fields after the last chunk, up to the empty line, and
// says how many bytes they took.
func parseTrailers(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, errMore
	}
	if b[0] == '\r' && b[1] == '\n' {
		return 2, nil
	}
	end := headEnd(b)
	if end < 0 && len(b) < maxHead && !bareLF(b) {
		return 0, errMore
	}
	if end < 0 || end > maxHead {
		return 0, errHead
	}
	for l := range strings.SplitSeq(string(b[:end-4]), "\r\n") {
		name, value, ok := strings.Cut(l, ":")
		if !ok || !isToken(name) || !isText(value) {
			return 0, errHead
		}
	}
	return end, nil
}

// parseCRLF reads the end of a chunk.
func parseCRLF(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, errMore
	}
	if b[0] != '\r' || b[1] != '\n' {
		return 0, errHead
	}
	return 2, nil
}
