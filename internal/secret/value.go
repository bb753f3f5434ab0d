// Package secret keeps values that a box must not learn: it reads them from
// their sources, makes the placeholders that the box sees in their stead, finds
// both in streams of bytes, and keeps values in the keyring of the operating
// system or in an encrypted file.
package secret

import (
	"fmt"
	"io"
)

// Limits of a value. A shorter one occurs in ordinary text by chance, and
// neither a leak nor an echo of it could be told from that; a longer one is a
// file rather than a token. Both are refused.
const (
	minValue = 8
	maxValue = 8 << 10
)

// hidden is what printing a value gives.
const hidden = "[secret]"

// Value is a secret value. It does not print: every way of formatting or
// marshalling it gives "[secret]", so that it cannot slip into a log, an error
// or a crash report by being part of something else.
type Value struct{ p *[]byte }

// NewValue takes over b.
func NewValue(b []byte) Value { return Value{&b} }

// Reveal is the value itself. The result is not to be kept: Wipe clears it.
func (v Value) Reveal() []byte {
	if v.p == nil {
		return nil
	}
	return *v.p
}

// Wipe clears the value's memory. Copies that were made on the way into a
// request are out of its reach.
func (v Value) Wipe() { clear(v.Reveal()) }

// Len is the number of bytes of the value.
func (v Value) Len() int { return len(v.Reveal()) }

func (Value) String() string               { return hidden }
func (Value) GoString() string             { return hidden }
func (Value) Format(f fmt.State, _ rune)   { io.WriteString(f, hidden) }
func (Value) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// Error is a secret that cannot be used as it was asked for. It names the
// secret, never a value.
type Error struct {
	Name    string // of the secret
	Problem string
	Hint    string
	Err     error // what lies below, if any
}

func (e *Error) Error() string {
	s := "secret " + e.Name + ": " + e.Problem
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ValidName says whether a secret may be called so: letters, digits, "_", "-"
// and ".", not beginning with a sign, at most 64.
func ValidName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		if !letter && (i == 0 || c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// check says why a value cannot be used. The answer holds nothing of the value.
func check(v []byte) (problem, hint string) {
	switch {
	case len(v) < minValue:
		return fmt.Sprintf("its value has %d bytes, and %d are the least that can be told from ordinary text", len(v), minValue), "use a longer token"
	case len(v) > maxValue:
		return fmt.Sprintf("its value has more than %d bytes", maxValue), "a secret is one token, not a file"
	}
	for _, c := range v {
		if c < 0x20 || c > 0x7e {
			return "its value has a byte that no HTTP header can carry", "a secret is one line of ASCII text; one line break at its end is left out"
		}
	}
	return "", ""
}
