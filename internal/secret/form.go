package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
)

// form is one way a text appears in a stream, and what stands there in its
// stead: both are of one length.
type form struct{ text, mask []byte }

// minForm is the shortest encoded form that is looked for, as minValue.
const minForm = 8

// forms are the ways a text appears: as it is, inside base64 at each of the
// three alignments and in both alphabets, in hexadecimal, escaped for a URL, for
// JSON and for HTML. In mask the same is done to what stands in its stead.
func forms(text, mask []byte) []form {
	out := []form{{text, mask}}
	add := func(t, m []byte) {
		if len(t) != len(m) { // mask needs other escapes: its raw bytes are as good
			m = fit(string(mask), len(t))
		}
		if len(t) < minForm {
			return
		}
		for _, f := range out {
			if bytes.Equal(f.text, t) {
				return
			}
		}
		out = append(out, form{t, m})
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			add(aligned(enc, text, shift, 0), aligned(enc, mask, shift, 0))
			// With what comes of the last bits when nothing follows.
			add(aligned(enc, text, shift, 5), aligned(enc, mask, shift, 5))
		}
	}
	// Names of hosts and headers lose their case on the way.
	add(bytes.ToLower(text), bytes.ToLower(mask))
	add(bytes.ToUpper(text), bytes.ToUpper(mask))
	h, m := []byte(hex.EncodeToString(text)), []byte(hex.EncodeToString(mask))
	add(h, m)
	add(bytes.ToUpper(h), bytes.ToUpper(m))
	add([]byte(url.QueryEscape(string(text))), []byte(url.QueryEscape(string(mask))))
	add([]byte(url.PathEscape(string(text))), []byte(url.PathEscape(string(mask))))
	add(quoted(text), quoted(mask))
	add(plainQuoted(text), plainQuoted(mask))
	add(inHTML(text), inHTML(mask))
	return out
}

// aligned is the part of the base64 of (something + text + something) that
// depends on text alone, when the first something has shift bytes more than a
// multiple of three. With more = 5 it goes to the last character, when text is the
// end of what is encoded.
func aligned(enc *base64.Encoding, text []byte, shift, more int) []byte {
	b := []byte(enc.EncodeToString(append(make([]byte, shift, shift+len(text)), text...)))
	first := (shift*8 + 5) / 6
	end := ((shift+len(text))*8 + more) / 6
	return b[first:end]
}

// quoted is text inside a JSON string, with the escapes of encoding/json.
func quoted(text []byte) []byte {
	b, err := json.Marshal(string(text))
	if err != nil {
		return text
	}
	return b[1 : len(b)-1]
}

// plainQuoted is text inside a JSON string as most others write it.
func plainQuoted(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte(`\`), []byte(`\\`))
	return bytes.ReplaceAll(text, []byte(`"`), []byte(`\"`))
}

// inHTML is text as a page shows it, with the escapes that most programs use.
func inHTML(text []byte) []byte {
	for _, e := range [...][2]string{{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {`"`, "&#34;"}, {"'", "&#39;"}} {
		text = bytes.ReplaceAll(text, []byte(e[0]), []byte(e[1]))
	}
	return text
}
