package gate

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"testing"
)

// echConfig is an ECHConfigList for a public name (RFC 9849 section 4).
func echConfig(t testing.TB, public string) []byte {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.PublicKey().Bytes()
	c := []byte{1, 0, 0x20} // id, DHKEM(X25519)
	c = binary.BigEndian.AppendUint16(c, uint16(len(pub)))
	c = append(c, pub...)
	c = append(c, 0, 4, 0, 1, 0, 1) // HKDF-SHA256, AES-128-GCM
	c = append(c, 32, byte(len(public)))
	c = append(c, public...)
	c = append(c, 0, 0)
	out := binary.BigEndian.AppendUint16(nil, uint16(len(c)+4))
	out = append(out, 0xfe, 0x0d)
	out = binary.BigEndian.AppendUint16(out, uint16(len(c)))
	return append(out, c...)
}
