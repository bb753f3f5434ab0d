// Package anchor makes the lists of trust anchors that a box gets when the gate
// looks inside TLS: what the host trusts, and the authority of the session. It
// looks at no certificate; it only puts them together.
package anchor

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"strconv"
	"unicode/utf16"
)

// Bundle joins two lists in PEM form.
func Bundle(host, own []byte) []byte {
	out := make([]byte, 0, len(host)+len(own)+1)
	out = append(out, host...)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, own...)
}

// BundlePaths are where systems keep their list, in the order in which crypto/x509
// looks for it.
func BundlePaths() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine
	}
}

// JavaPaths are where systems keep Java's; a JDK of one's own has it in
// lib/security/cacerts.
func JavaPaths() []string {
	return []string{"/etc/ssl/certs/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts"}
}

// Variables are those that name a list in PEM form.
func Variables() []string {
	return []string{
		"SSL_CERT_FILE",       // OpenSSL, Go, Rust, Ruby, PHP
		"NODE_EXTRA_CA_CERTS", // Node.js, Bun
		"DENO_CERT", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "NIX_SSL_CERT_FILE",
	}
}

// javaPassword is the one that every JDK knows; the list holds nothing secret.
const javaPassword = "changeit"

// JavaStore makes a Java key store (format JKS, which every JDK reads) of the
// certificates in a PEM list.
func JavaStore(list []byte) []byte {
	var entries [][]byte
	for {
		var block *pem.Block
		if block, list = pem.Decode(list); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			entries = append(entries, block.Bytes)
		}
	}
	var b bytes.Buffer
	number := func(n uint32) { b.Write(binary.BigEndian.AppendUint32(nil, n)) }
	text := func(s string) {
		b.Write(binary.BigEndian.AppendUint16(nil, uint16(len(s))))
		b.WriteString(s)
	}
	number(0xfeedfeed)
	number(2) // version
	number(uint32(len(entries)))
	for i, der := range entries {
		number(2) // a trusted certificate
		text("anchor-" + strconv.Itoa(i))
		b.Write(make([]byte, 8)) // when it was added
		text("X.509")
		number(uint32(len(der)))
		b.Write(der)
	}
	// The digest of the password in UTF-16, a phrase, and the store.
	h := sha1.New()
	for _, c := range utf16.Encode([]rune(javaPassword)) {
		h.Write([]byte{byte(c >> 8), byte(c)})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(b.Bytes())
	return h.Sum(b.Bytes())
}
