package policy

// nearest returns the candidate that takes the fewest edits to reach from word,
// or "" when none is close enough to be a likely slip of the finger.
func nearest(word string, candidates []string) string {
	if word == "" {
		return ""
	}
	best, bestDistance := "", 1+max(1, min(len(word), maxTypoLength)/3)
	for _, candidate := range candidates {
		if d := distance(word, candidate, bestDistance); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// maxTypoLength bounds the work on hostile keys: a longer word than this is not
// a slip of any key's name, the longest of which has 18 characters.
const maxTypoLength = 48

// distance counts insertions, deletions, replacements and swaps of neighbours
// between a and b (optimal string alignment), giving up at limit.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit || len(a) > maxTypoLength {
		return limit
	}
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// Nearest returns the candidate that word is most likely a slip of the finger of,
// "" when none is close.
func Nearest(word string, candidates []string) string { return nearest(word, candidates) }
