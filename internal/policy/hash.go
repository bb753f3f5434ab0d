package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// Hash is the SHA-256, in hex, of what the policy says: every value in force,
// without where it came from and without the order of its lists. Two policies with
// one hash wall the same box off. The names of profiles do not count, only what
// they brought.
func Hash(p *Policy) string {
	rows := p.rows()
	var all []byte
	for len(rows) > 0 {
		same := 1
		for same < len(rows) && rows[same].key == rows[0].key {
			same++
		}
		if rows[0].key.kind != kindProfiles {
			slices.SortFunc(rows[:same], func(a, b row) int { return strings.Compare(a.text, b.text) })
			for _, r := range rows[:same] {
				all = appendField(appendField(all, r.key.name), r.text)
			}
		}
		rows = rows[same:]
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}

// appendField writes a string with its length in front, which keeps values apart
// whatever they hold.
func appendField(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}
