package junit

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func write(t *testing.T, all ...Suite) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, all...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	got := write(t, Suite{Name: "bailey.test", Cases: []Case{
		{Class: "read", Name: "deny read ~/.ssh", Seconds: 0.0015},
		{Class: "write", Name: "allow write a<b", Seconds: 1, Failure: "expected allow, got deny\nrule \"x\" & more", Output: "seen"},
		{Class: "exec", Name: "skipped", Skipped: "no walls"},
	}})
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" skipped="1" time="1.002">
  <testsuite name="bailey.test" tests="3" failures="1" errors="0" skipped="1" time="1.002">
    <testcase classname="read" name="deny read ~/.ssh" time="0.002"/>
    <testcase classname="write" name="allow write a&lt;b" time="1.000">
      <failure message="expected allow, got deny">expected allow, got deny&#10;rule &#34;x&#34; &amp; more</failure>
      <system-out>seen</system-out>
    </testcase>
    <testcase classname="exec" name="skipped" time="0.000">
      <skipped message="no walls"/>
    </testcase>
  </testsuite>
</testsuites>
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A name of a file may hold any byte, and a reader must not fail on the whole
// document for it.
func TestForbidden(t *testing.T) {
	for b := range 256 {
		dirty := "a" + string([]byte{byte(b)}) + "z\uffff\ufffe\x00]]>"
		text := write(t, Suite{Name: dirty, Cases: []Case{{Class: dirty, Name: dirty, Failure: dirty + "\n" + dirty, Output: dirty}}})
		if !utf8.ValidString(text) {
			t.Fatalf("byte %#x: not UTF-8", b)
		}
		if _, err := read(text); err != nil {
			t.Fatalf("byte %#x: %v\n%s", b, err, text)
		}
	}
}

func TestSeconds(t *testing.T) {
	for _, s := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		if got := seconds(s); got != "0.000" {
			t.Errorf("seconds(%v) = %s", s, got)
		}
	}
	text := write(t, Suite{Cases: []Case{{Seconds: math.NaN()}, {Seconds: 2}}})
	if !strings.Contains(text, `<testsuites tests="2" failures="0" errors="0" skipped="0" time="2.000">`) {
		t.Error(text)
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteFails(t *testing.T) {
	if err := Write(full{}); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

// read returns every attribute and every text of a document.
func read(text string) ([]string, error) {
	var out []string
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		switch e := token.(type) {
		case xml.StartElement:
			for _, a := range e.Attr {
				out = append(out, a.Value)
			}
		case xml.CharData:
			out = append(out, string(e))
		}
	}
}

// FuzzWrite checks that a reader gets back what was written, whatever it was.
func FuzzWrite(f *testing.F) {
	f.Add("a\tb\nc\rd", "x")
	f.Add("\x1b[31m\x00", "\xff\xfe")
	f.Add("]]>&amp;<!--\"'", "<![CDATA[")
	f.Fuzz(func(t *testing.T, name, output string) {
		got, err := read(write(t, Suite{Cases: []Case{{Name: name, Output: output}}}))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{name, output} {
			want := strings.Map(func(r rune) rune {
				if r < 0x20 && !strings.ContainsRune("\t\n\r", r) || r == 0xfffe || r == 0xffff {
					return utf8.RuneError
				}
				return r
			}, s)
			if s != "" && !slices.Contains(got, want) {
				t.Errorf("%q was written and %q is read", s, got)
			}
		}
	})
}
