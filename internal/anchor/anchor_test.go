package anchor

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"testing"
)

func TestBundle(t *testing.T) {
	if got := string(Bundle([]byte("a"), []byte("b\n"))); got != "a\nb\n" {
		t.Errorf("got %q", got)
	}
	if got := string(Bundle(nil, []byte("b\n"))); got != "b\n" {
		t.Errorf("got %q", got)
	}
}

// TestJavaStore reads a store back. That Java takes it is a test of the whole:
// TestInspectedPrograms.
func TestJavaStore(t *testing.T) {
	var list []byte
	for _, der := range []string{"first", "second one"} {
		list = append(list, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(der)})...)
	}
	list = append(list, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("never")})...)
	b := JavaStore(append([]byte("# a comment\n"), list...))
	if bytes.Contains(b, []byte("never")) {
		t.Error("a key is in the store")
	}
	if binary.BigEndian.Uint32(b) != 0xfeedfeed || binary.BigEndian.Uint32(b[4:]) != 2 || binary.BigEndian.Uint32(b[8:]) != 2 {
		t.Errorf("head %x", b[:12])
	}
	if !bytes.Contains(b, append([]byte{0, 0, 0, 5}, "first"...)) || !bytes.Contains(b, append([]byte{0, 0, 0, 10}, "second one"...)) {
		t.Errorf("store %q", b)
	}
	h := sha1.New()
	for _, c := range []byte("changeit") {
		h.Write([]byte{0, c})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(b[:len(b)-sha1.Size])
	if !bytes.Equal(h.Sum(nil), b[len(b)-sha1.Size:]) {
		t.Error("the digest is wrong")
	}
}
