package secret

import (
	"crypto/rand"
	"math/big"
	"strings"
)

// prefixes are openings of well-known tokens that programs look at before they
// send one. They are public, so a placeholder keeps them. The longer of two that
// begin alike comes first.
const prefixes = "github_pat_ ghp_ gho_ ghu_ ghs_ ghr_ glpat- gldt- sk-ant-api03- sk-ant-oat01- sk-ant- sk-proj- sk-svcacct- sk-or-v1- sk-lf- sk- pk_live_ pk_test_ sk_live_ sk_test_ rk_live_ rk_test_ whsec_ " +
	"xoxb- xoxp- xoxa- xapp- npm_ pypi- AKIA ASIA AIza ya29. hf_ r8_ gsk_ xai- dop_v1_ shpat_ SG. key- lin_api_ ntn_ secret_ tskey- dckr_pat_ sntrys_ eyJ"

// public is how many bytes at the front of a value are no secret.
func public(v []byte) int {
	for p := range strings.FieldsSeq(prefixes) {
		// A value that is hardly more than such an opening is not of that kind.
		if strings.HasPrefix(string(v), p) && len(v) >= len(p)+minValue {
			return len(p)
		}
	}
	return 0
}

// Placeholder makes a random text of the same shape as v: of its length, with
// its well-known opening, its punctuation in the same places, and otherwise
// random characters of the kinds that v has (lower case, upper case, digits;
// only hexadecimal ones when v has only those).
func Placeholder(v []byte) (string, error) {
	keep := public(v)
	var lower, upper, digit, beyondHex bool
	random := 0
	for _, c := range v[keep:] {
		switch {
		case c >= 'a' && c <= 'z':
			lower = true
			beyondHex = beyondHex || c > 'f'
		case c >= 'A' && c <= 'Z':
			upper = true
			beyondHex = beyondHex || c > 'F'
		case c >= '0' && c <= '9':
			digit = true
		default:
			continue
		}
		random++
	}
	// A value of signs, or of a few digits, leaves too little to be random.
	if random < minValue || digit && !lower && !upper && random < 2*minValue {
		return "", errShape
	}
	var letters string
	if lower {
		letters += "abcdef"
		if beyondHex {
			letters += "ghijklmnopqrstuvwxyz"
		}
	}
	if upper {
		letters += "ABCDEF"
		if beyondHex {
			letters += "GHIJKLMNOPQRSTUVWXYZ"
		}
	}
	if digit {
		letters += "0123456789"
	}
	n := big.NewInt(int64(len(letters)))
	out := append([]byte(nil), v...)
	for {
		for i := keep; i < len(v); i++ {
			c := v[i]
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
				k, err := rand.Int(rand.Reader, n)
				if err != nil {
					return "", err
				}
				out[i] = letters[k.Int64()]
			}
		}
		if string(out) != string(v) {
			return string(out), nil
		}
	}
}

// fit makes a placeholder n bytes long, for the echo of a value that has another
// length since it was rotated.
func fit(placeholder string, n int) []byte {
	return []byte(strings.Repeat(placeholder, n/len(placeholder)+1)[:n])
}
