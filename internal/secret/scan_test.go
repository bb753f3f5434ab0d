package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bailey-run/bailey/internal/plan"
)

const (
	tokenValue = "ghp_R4nd0mTokenValue/With+Signs&More\"Quo"
	otherValue = "5f2b8c1d9e0a4736b1c2d3e4f5a60718"
)

// openSet is a set with two secrets, T and O, whose values are the ones above.
func openSet(t testing.TB) *Set {
	t.Helper()
	env := map[string]string{"T": tokenValue, "O": otherValue}
	s, err := Open(context.Background(), []plan.NetSecret{
		{Name: "T", Source: "env:T", Hosts: []string{"api.test"}, Header: "Authorization", Format: "Bearer {}", Env: "TOKEN"},
		{Name: "O", Source: "env:O", Hosts: []string{"*.other.test"}, Query: "key", File: "/run/o"},
	}, Options{Lookup: func(n string) (string, bool) { v, ok := env[n]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	if placeholderOf(s, "O")[0] == otherValue[0] || placeholderOf(s, "T")[4] == tokenValue[4] {
		s.Close()
		return openSet(t) // alike by chance: tests count on a difference
	}
	t.Cleanup(s.Close)
	return s
}

func placeholderOf(s *Set, name string) string {
	for _, e := range s.entries {
		if e.spec.Name == name {
			return e.placeholder
		}
	}
	return ""
}

// disguises are ways to write a text that must not hide it.
func disguises(text string) map[string]string {
	var everyByte, someBytes strings.Builder
	for i := range len(text) {
		everyByte.WriteString("%" + hex.EncodeToString([]byte{text[i]}))
		if i%3 == 0 {
			someBytes.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{text[i]})))
		} else {
			someBytes.WriteByte(text[i])
		}
	}
	lines := base64.StdEncoding.EncodeToString([]byte("user:" + text))
	return map[string]string{
		"plain":          text,
		"base64":         base64.StdEncoding.EncodeToString([]byte(text)),
		"base64, 1":      base64.StdEncoding.EncodeToString([]byte("u" + text + "??")),
		"base64, 2":      base64.StdEncoding.EncodeToString([]byte("uu" + text + "?")),
		"base64url":      base64.URLEncoding.EncodeToString([]byte("uuuu" + text)),
		"base64, lines":  lines[:20] + "\r\n" + lines[20:],
		"hex":            hex.EncodeToString([]byte(text)),
		"lower case":     strings.ToLower(text),
		"HEX":            strings.ToUpper(hex.EncodeToString([]byte(text))),
		"query":          url.QueryEscape(text),
		"every byte":     everyByte.String(),
		"some bytes":     someBytes.String(),
		"JSON":           string(quoted([]byte(text))),
		"plain JSON":     string(plainQuoted([]byte(text))),
		"lines":          text[:9] + "\n" + text[9:],
		"after a false%": "100%" + text,
		"after %4":       "%4" + text,
	}
}

func TestScan(t *testing.T) {
	s := openSet(t)
	for what, secret := range map[string]struct{ text, name string }{
		"placeholder T": {placeholderOf(s, "T"), "T"}, "value T": {tokenValue, "T"},
		"placeholder O": {placeholderOf(s, "O"), "O"}, "value O": {otherValue, "O"},
	} {
		for how, text := range disguises(secret.text) {
			stream := []byte("some text before " + text + " and after")
			// Wherever the stream is cut, the secret is found, and the bytes that
			// went on before do not hold it.
			for cut := range len(stream) {
				scan := s.Scanner()
				safe, name := scan.Scan(stream[:cut])
				if name == "" {
					var more int
					more, name = scan.Scan(stream[cut:])
					safe += more
				}
				if name != secret.name {
					t.Fatalf("%s, %s, cut at %d: found %q", what, how, cut, name)
				}
				if _, again := s.Scanner().Scan(stream[:safe]); again != "" {
					t.Fatalf("%s, %s: what went on holds it", what, how)
				}
			}
		}
	}
	for _, harmless := range []string{"", "ghp_", tokenValue[:len(tokenValue)-1], "%", "%%4%41", strings.Repeat("a", 1<<16), placeholderOf(s, "T")[4:30]} {
		if safe, name := s.Scanner().Scan([]byte(harmless)); name != "" || safe != len(harmless) {
			t.Errorf("%.20q is taken for %q", harmless, name)
		}
	}
	if safe, name := (*Set)(nil).Scanner().Scan([]byte("x")); safe != 1 || name != "" {
		t.Error("without secrets something is found")
	}
}

func TestMask(t *testing.T) {
	s := openSet(t)
	for how, text := range disguises(tokenValue) {
		if strings.Contains(how, "bytes") || strings.Contains(how, "lines") || how == "every byte" {
			continue // responses are masked in the forms that servers use
		}
		in := "before " + text + " after"
		for cut := range len(in) {
			m := s.Masker()
			out := pieces(m, []byte(in[:cut]), []byte(in[cut:]))
			if len(out) != len(in) {
				t.Fatalf("%s, cut at %d: %d bytes became %d", how, cut, len(in), len(out))
			}
			if _, name := s.Scanner().Scan([]byte(strings.ReplaceAll(out, placeholderOf(s, "T"), ""))); name == "T" && strings.Contains(out, tokenValue) {
				t.Fatalf("%s, cut at %d: the value is there: %q", how, cut, out)
			}
			if strings.Contains(out, text) {
				t.Fatalf("%s, cut at %d: not masked: %q", how, cut, out)
			}
		}
	}
	if got, want := s.Masker().Text("token "+tokenValue), "token "+placeholderOf(s, "T"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + tokenValue))
	if got, _ := base64.StdEncoding.DecodeString(s.Masker().Text(basic)); !strings.HasSuffix(string(got), placeholderOf(s, "T")[1:len(placeholderOf(s, "T"))-1]) && !strings.Contains(string(got), placeholderOf(s, "T")[2:30]) {
		t.Errorf("basic authentication is masked as %q", got)
	}
}

// pieces masks a stream piece by piece.
func pieces(m *Masker, all ...[]byte) string {
	var out []byte
	for _, p := range all {
		out = append(out, m.Mask(p)...)
	}
	return string(append(out, m.End()...))
}

// TestMaskFlows: a stream that pauses is passed on, but for bytes that would tell
// something of a secret.
func TestMaskFlows(t *testing.T) {
	s := openSet(t)
	for _, c := range []struct{ in, out string }{
		{"data: hello\n\n", "data: hello\n\n"},
		{"ends with g", "ends with g"},
		{"ends with ghp_", "ends with ghp_"}, // the placeholder begins alike
		{"ends with ghp_R4", "ends with ghp_"},
		{"ends with 5f2b", "ends with "},
	} {
		if got := string(s.Masker().Mask([]byte(c.in))); got != c.out {
			t.Errorf("%q goes on as %q, want %q", c.in, got, c.out)
		}
	}
	m := s.Masker()
	got := pieces(m, []byte("ghp_R4nd"), []byte("x"))
	if got != "ghp_R4ndx" {
		t.Errorf("what was held back became %q", got)
	}
	// A stream that ends before the last byte gives nothing away.
	m = s.Masker()
	got = pieces(m, []byte(otherValue[:31]))
	if got != strings.Repeat("*", 31) {
		t.Errorf("all but the last byte: %q", got)
	}
}

func TestMaskReader(t *testing.T) {
	s := openSet(t)
	in := strings.Repeat("x"+tokenValue+"y", 5000)
	want := strings.Repeat("x"+placeholderOf(s, "T")+"y", 5000)
	for how, r := range map[string]io.Reader{"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in)), "halves": iotest.HalfReader(strings.NewReader(in)), "with EOF": iotest.DataErrReader(strings.NewReader(in))} {
		got, err := io.ReadAll(s.Masker().Reader(r))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v, %d bytes", how, err, len(got))
		}
	}
}

func TestScanReader(t *testing.T) {
	s := openSet(t)
	for how, in := range map[string]func(io.Reader) io.Reader{"bytes": iotest.OneByteReader, "halves": iotest.HalfReader} {
		got, err := io.ReadAll(s.Scanner().Reader(in(strings.NewReader("AUTH " + placeholderOf(s, "T") + "\r\n"))))
		var leak *LeakError
		if !errors.As(err, &leak) || leak.Name != "T" || string(got) != "AUTH "+placeholderOf(s, "T")[:len(tokenValue)-1] {
			t.Errorf("%s: %q, %v", how, got, err)
		}
		if got, err := io.ReadAll(s.Scanner().Reader(in(strings.NewReader("harmless")))); err != nil || string(got) != "harmless" {
			t.Errorf("%s: %q, %v", how, got, err)
		}
	}
}

// TestMaskOverlap: one secret within another, and secrets that overlap.
func TestMaskOverlap(t *testing.T) {
	w := newWatch([]pattern{
		{[]byte("abcdefgh"), []byte("ABCDEFGH"), 0}, {[]byte("cdef"), []byte("1234"), 0},
		{[]byte("efghijkl"), []byte("********"), 0}, {[]byte("xx"), []byte("--"), 0},
	}, []string{"n"})
	for in, want := range map[string]string{
		"abcdefgh": "ABCDEFGH", "abcdefgi": "ab1234gi", "abcdefghijkl": "ABCD********", "zcdefz": "z1234z", "xxx": "---", "abcdxx": "abcd--",
	} {
		for cut := range len(in) {
			m := &Masker{w: w}
			got := pieces(m, []byte(in[:cut]), []byte(in[cut:]))
			if got != want {
				t.Errorf("%q cut at %d is %q, want %q", in, cut, got, want)
			}
		}
	}
}

// TestMaskPause: what was held back goes on when nothing follows, as far as it
// tells next to nothing; and the rest of the secret is still masked.
func TestMaskPause(t *testing.T) {
	s := openSet(t)
	pr, pw := io.Pipe()
	defer pr.Close()
	r := s.Masker().Reader(pr)
	read := func(n int) string {
		t.Helper()
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	go pw.Write([]byte("message 5f"))
	if got := read(10); got != "message 5f" {
		t.Errorf("%q", got)
	}
	go func() {
		pw.Write([]byte(otherValue[2:8]))
		pw.Write([]byte(otherValue[8:] + "!"))
	}()
	if got, want := read(31), placeholderOf(s, "O")[2:]+"!"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	go func() {
		pw.Write([]byte(otherValue[:20]))
		pw.Close()
	}()
	if got, err := io.ReadAll(r); err != nil || string(got) != strings.Repeat("*", 20) {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzScan(f *testing.F) {
	s := openSet(f)
	f.Add([]byte("x"+tokenValue+"y"), uint16(5), uint16(9))
	f.Add([]byte(url.QueryEscape(tokenValue)), uint16(7), uint16(1))
	f.Add([]byte("%"+otherValue), uint16(1), uint16(1))
	f.Add([]byte("%5"+otherValue[1:]), uint16(1), uint16(2))
	f.Add([]byte(otherValue[:10]+"\r\n"+otherValue[10:]), uint16(11), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, a, b uint16) {
		want := bytes.Contains(in, []byte(tokenValue)) || bytes.Contains(in, []byte(otherValue))
		whole, name := s.Scanner().Scan(in)
		if want && name == "" {
			t.Fatalf("not found in %q", in)
		}
		scan := s.Scanner()
		i := int(a) % (len(in) + 1)
		j := i + int(b)%(len(in)-i+1)
		safe := 0
		var found string
		for _, piece := range [][]byte{in[:i], in[i:j], in[j:]} {
			var n int
			if n, found = scan.Scan(piece); found != "" {
				safe += n
				break
			}
			safe += n
		}
		if found != name || safe != whole {
			t.Fatalf("whole: %q at %d; in pieces: %q at %d", name, whole, found, safe)
		}
	})
}

func FuzzMask(f *testing.F) {
	s := openSet(f)
	f.Add([]byte("x"+tokenValue+"y"), uint16(5), uint16(9))
	f.Add([]byte(tokenValue+tokenValue[:20]), uint16(7), uint16(1))
	f.Add([]byte("5f2b5f2b"+otherValue), uint16(1), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, a, b uint16) {
		whole := s.Masker().Text(string(in))
		if len(whole) != len(in) || strings.Contains(whole, tokenValue) || strings.Contains(whole, otherValue) {
			t.Fatalf("%q became %q", in, whole)
		}
		i := int(a) % (len(in) + 1)
		j := i + int(b)%(len(in)-i+1)
		m := s.Masker()
		got := pieces(m, in[:i], in[i:j], in[j:])
		if got != whole && !strings.Contains(got, "*") && !strings.Contains(whole, "*") {
			t.Fatalf("whole %q, in pieces %q", whole, got)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	s := openSet(b)
	buf := bytes.Repeat([]byte(`{"role":"user","content":"the quick brown fox, 0123456789abcdef"},`), 500)
	b.SetBytes(int64(len(buf)))
	scan := s.Scanner()
	for b.Loop() {
		scan.Scan(buf)
	}
}

func BenchmarkMask(b *testing.B) {
	s := openSet(b)
	buf := bytes.Repeat([]byte(`{"role":"user","content":"the quick brown fox, 0123456789abcdef"},`), 500)
	b.SetBytes(int64(len(buf)))
	m := s.Masker()
	for b.Loop() {
		m.Mask(buf)
	}
}
