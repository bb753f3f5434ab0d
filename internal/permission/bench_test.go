package permission

import "testing"

// The lines that an agent asks about all day.
func BenchmarkCheck(b *testing.B) {
	s := rules(b, "deny Bash(git push *)\ndeny Read(.env)\nask Bash(npm publish *)\nallow Bash(npm run *)\nallow Bash(go test *)\napproval on-request")
	for name, text := range map[string]string{
		"short":   "git status",
		"typical": "cd web && npm run build 2>&1 | tail -20",
		"long":    `for f in $(git ls-files '*.go'); do grep -n "TODO" "$f" && sed -n '1,5p' "$f"; done | sort | uniq -c | head -20 > out.txt`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bash(s, text)
			}
		})
	}
}
