package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"sort"
)

// Hash is the SHA-256, in hex, of what the policy says: every value in force,
// without where it came from and without the order of its lists. Two policies with
// one hash wall the same box off. The names of profiles do not count, only what
// they brought.
func Hash(p *Policy) string {
	rows := p.rows()
	lines := make([]string, 0, len(rows))
	for _, r := range rows {
		if r.key.kind != kindProfiles {
			lines = append(lines, r.key.name+"\x00"+r.text)
		}
	}
	sort.Strings(lines)
	var all []byte
	for _, line := range lines {
		// The length in front keeps values apart that hold separators.
		all = binary.BigEndian.AppendUint64(all, uint64(len(line)))
		all = append(all, line...)
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])
}
