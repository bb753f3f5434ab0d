package policy

import "strings"

// define notes that a header names path: a table, or the next element of a list
// of tables. It reports an error when an earlier definition forbids that (TOML
// 1.0, "Table": a name may be defined only once).
func (d *decoder) define(path string, from Source, what seenKind) bool {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		switch d.seen[path[:i]] {
		case seenNothing:
			d.seen[path[:i]] = seenImplied
		case seenValue:
			return d.twice(path[:i], from)
		}
	}
	was := d.seen[path]
	switch {
	case was == seenNothing, was == seenImplied && what == seenTable:
	case was == seenElements && what == seenElements:
		// A new element starts with none of the names of the one before.
		for name := range d.seen {
			if strings.HasPrefix(name, path+".") {
				delete(d.seen, name)
			}
		}
	default:
		return d.twice(path, from)
	}
	d.seen[path] = what
	return true
}

// defineBelow notes that path has a value, written below table. Dotted keys may
// open tables on the way, but never one that a header or a value defined.
func (d *decoder) defineBelow(table, path string, from Source) bool {
	for i := len(table) + 1; i < len(path); i++ {
		if path[i] != '.' {
			continue
		}
		switch d.seen[path[:i]] {
		case seenNothing:
			d.seen[path[:i]] = seenDotted
		case seenDotted:
		default:
			return d.twice(path[:i], from)
		}
	}
	if d.seen[path] != seenNothing {
		return d.twice(path, from)
	}
	d.seen[path] = seenValue
	return true
}

func (d *decoder) twice(path string, from Source) bool {
	d.fail(from, path, "the key is defined twice", "", "")
	return false
}
