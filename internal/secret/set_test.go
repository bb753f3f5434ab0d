package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
)

func TestValueHides(t *testing.T) {
	v := NewValue([]byte(tokenValue))
	holder := struct {
		A Value
		B *Value
		C any
	}{v, &v, v}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%T"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", holder)
		fmt.Fprintf(&out, verb+"\n", []Value{v})
		fmt.Fprintf(&out, verb+"\n", map[string]Value{"a": v})
	}
	fmt.Fprintln(&out, v, fmt.Errorf("x: %v", v))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v, "h", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v, "h", holder)
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	for _, form := range disguises(tokenValue) {
		if strings.Contains(out.String(), form) {
			t.Errorf("the value is printed:\n%s", &out)
		}
	}
	decimal := strings.Trim(fmt.Sprint([]byte(tokenValue)), "[]")
	if strings.Contains(out.String(), decimal) {
		t.Errorf("its bytes are printed:\n%s", &out)
	}
	v.Wipe()
	if strings.Trim(string(v.Reveal()), "\x00") != "" {
		t.Error("not wiped")
	}
}

func TestPlaceholder(t *testing.T) {
	for _, v := range []string{tokenValue, otherValue, "sk-ant-api03-AbCdEfGhIjKl-MnOp_QrStUv", "DEADBEEF01234567", "correct-horse-battery", "ghp_", "AKIAIOSFODNN7EXAMPLE", "1234567890123456"} {
		p, err := Placeholder([]byte(v))
		if v == "ghp_" {
			if err == nil {
				t.Error("a value that is all prefix has a placeholder")
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", v, err)
			continue
		}
		again, _ := Placeholder([]byte(v))
		if p == v || p == again || len(p) != len(v) {
			t.Errorf("%q has the placeholder %q, then %q", v, p, again)
		}
		if n := public([]byte(v)); p[:n] != v[:n] {
			t.Errorf("%q does not begin like %q", p, v)
		}
		for i := range len(v) {
			if strings.ContainsRune("-_/+&\"", rune(v[i])) != strings.ContainsRune("-_/+&\"", rune(p[i])) {
				t.Errorf("%q has other signs than %q", p, v)
			}
		}
		if strings.ToLower(v) == v && strings.ToLower(p) != p {
			t.Errorf("%q for %q", p, v)
		}
	}
	p, _ := Placeholder([]byte(otherValue))
	if strings.Trim(p, "0123456789abcdef") != "" {
		t.Errorf("hexadecimal became %q", p)
	}
	for _, v := range []string{"--------------", "12345678", "a-b-c-d-"} {
		if p, err := Placeholder([]byte(v)); err == nil {
			t.Errorf("%q has the placeholder %q, which can be guessed", v, p)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	good := plan.NetSecret{Name: "A", Source: file("good", tokenValue+"\n"), Hosts: []string{"api.test"}, Header: "X-Key"}
	if s, err := Open(context.Background(), []plan.NetSecret{good}, Options{}); err != nil {
		t.Fatal(err)
	} else {
		s.Close()
	}
	for want, change := range map[string]func(*plan.NetSecret){
		"it has no hosts":                        func(s *plan.NetSecret) { s.Hosts = nil },
		"it may go to every host":                func(s *plan.NetSecret) { s.Hosts = []string{"*"} },
		"a host of it is none":                   func(s *plan.NetSecret) { s.Hosts = []string{"a b"} },
		"it goes into one place":                 func(s *plan.NetSecret) { s.Query = "k" },
		"its format needs {} once":               func(s *plan.NetSecret) { s.Format = "Bearer" },
		"its source is none of":                  func(s *plan.NetSecret) { s.Source = tokenValue },
		"none of \"env:NAME\"":                   func(s *plan.NetSecret) { s.Source = "vault:x" },
		"the variable BAILEY_NO_SUCH is not set": func(s *plan.NetSecret) { s.Source = "env:BAILEY_NO_SUCH" },
		"no such file":                           func(s *plan.NetSecret) { s.Source = "file:" + dir + "/none" },
		"is not absolute":                        func(s *plan.NetSecret) { s.Source = "file:x" },
		"not a regular file":                     func(s *plan.NetSecret) { s.Source = "file:" + dir },
		"its value has 0 bytes":                  func(s *plan.NetSecret) { s.Source = file("empty", "\n") },
		"its value has 5 bytes":                  func(s *plan.NetSecret) { s.Source = file("short", "abcde\n") },
		"no HTTP header can carry":               func(s *plan.NetSecret) { s.Source = file("lines", "first-line\nsecond-line\n") },
		"more than 8192 bytes":                   func(s *plan.NetSecret) { s.Source = file("long", strings.Repeat("a", 9000)) },
		"too few letters and digits":             func(s *plan.NetSecret) { s.Source = file("signs", "-------------") },
		"run its command: exit status 3":         func(s *plan.NetSecret) { s.Source = "command:echo '" + tokenValue + "'; exit 3" },
		"there is no store of secrets here":      func(s *plan.NetSecret) { s.Source = "keyring:A" },
		"a name has letters":                     func(s *plan.NetSecret) { s.Name = "../x" },
	} {
		bad := good
		change(&bad)
		s, err := Open(context.Background(), []plan.NetSecret{bad}, Options{})
		if err == nil {
			s.Close()
			t.Errorf("%s: accepted", want)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("%v has no hint", err)
		}
		if strings.Contains(err.Error(), tokenValue) {
			t.Errorf("the value is in the error: %v", err)
		}
	}
	if _, err := Open(context.Background(), []plan.NetSecret{good, good}, Options{}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("twice the same: %v", err)
	}
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put(tokenValue)
	ctx := context.Background()
	specs := []plan.NetSecret{{Name: "A", Source: "file:" + path, Hosts: []string{"**.api.test"}, Header: "X-Key", Env: "A"}}
	s, err := Open(ctx, specs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	env, _ := s.Inside()
	value := func() string {
		t.Helper()
		use := s.For("eu.api.test")
		if len(use) != 1 || use[0].Placeholder != env["A"] {
			t.Fatalf("%+v", use)
		}
		v, err := use[0].Value(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(v.Reveal())
	}
	if value() != tokenValue {
		t.Error("another value")
	}
	put(otherValue)
	if value() != otherValue {
		t.Error("the rotated value is not read")
	}
	// Both the old and the new one are still masked and looked for.
	for _, v := range []string{tokenValue, otherValue} {
		if got := s.Masker().Text(v); strings.Contains(got, v) || len(got) != len(v) {
			t.Errorf("%q is masked as %q", v, got)
		}
		if _, name := s.Scanner().Scan([]byte(v)); name != "A" {
			t.Errorf("%q is not found", v)
		}
	}
	// A reload keeps the placeholder that programs inside have.
	if err := s.Update(ctx, specs); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Inside(); again["A"] != env["A"] {
		t.Error("another placeholder after a reload")
	}
	// So does one from another source, and the former value stays masked.
	third := path + ".third"
	if err := os.WriteFile(third, []byte("third-value-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	moved := slices.Clone(specs)
	moved[0].Source = "file:" + third
	if err := s.Update(ctx, moved); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Inside(); again["A"] != env["A"] || value() != "third-value-0123456789" || s.Masker().Text(otherValue) == otherValue {
		t.Error("another source is not taken in its place")
	}
	if err := s.Update(ctx, specs); err != nil {
		t.Fatal(err)
	}
	// A bad candidate changes nothing.
	if err := s.Update(ctx, append(specs, plan.NetSecret{Name: "B"})); err == nil || value() != otherValue {
		t.Errorf("a bad list: %v", err)
	}
	// A source that is gone gives no value, rather than the old one.
	os.Remove(path)
	if v, err := s.For("api.test")[0].Value(ctx); err == nil {
		t.Errorf("a value of %d bytes without a source", v.Len())
	}
	if len(s.For("api.test.evil.test")) != 0 || len(s.For("xapi.test")) != 0 {
		t.Error("goes to other hosts")
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	specs := []plan.NetSecret{{Name: "A", Source: "command:echo x >>count; echo value-number-$(wc -l <count | tr -d ' ')", Cache: 3600, Hosts: []string{"api.test"}, Header: "X"}}
	s, err := Open(ctx, specs, Options{Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		v, err := s.For("api.test")[0].Value(ctx)
		if err != nil || string(v.Reveal()) != "value-number-1" {
			t.Fatal(err)
		}
	}
	s.entries[0].source.(*commandSource).at = time.Now().Add(-2 * time.Hour)
	if v, err := s.For("api.test")[0].Value(ctx); err != nil || string(v.Reveal()) != "value-number-2" {
		t.Error("the time of the answer is over, and it still counts", err)
	}
	if count, _ := os.ReadFile(filepath.Join(dir, "count")); string(count) != "x\nx\n" {
		t.Errorf("it ran %d times", len(count)/2)
	}
	// Its argument vector is the policy's line and nothing else; a command that
	// does not end is ended.
	ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	specs[0].Source = "command:sleep 60"
	if _, err := Open(ctx, specs, Options{Home: dir}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that does not end: %v", err)
	}
}
