package seccomp

// Describe lists what the filter of p does, in words: one entry for each syscall
// of the architecture, by number, or several where arguments decide; the first
// whose condition holds is taken. The last entry is every other number's.
func Describe(p Profile, archName string) ([]Entry, error) {
	a, err := archFor(archName)
	if err != nil {
		return nil, err
	}
	var names [tableSize]string
	for c, nr := range a.numbers {
		if nr >= 0 {
			names[nr] = callNames[c]
		}
	}
	var entries []Entry
	for nr, r := range byNumber(p, a) {
		if names[nr] == "" {
			continue
		}
		for ; ; r = r.next {
			for _, cl := range r.clauses {
				entries = append(entries, Entry{names[nr], nr, cl.when, cl.do.String()})
			}
			if r.next == nil {
				break
			}
		}
		entries = append(entries, Entry{names[nr], nr, "", r.otherwise.String()})
	}
	return append(entries, Entry{"*", -1, "", absentRule.otherwise.String()}), nil
}
