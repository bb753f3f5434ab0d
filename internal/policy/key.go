package policy

import (
	"math"
	"strings"
)

// kind is the type of a key's value, as a person writes it.
type kind uint8

const (
	kindEnum       kind = iota // one of the words in key.words
	kindBool                   // true or false
	kindSize                   // bytes: "4GiB", an integer, or "none"
	kindCount                  // a positive integer, or "none"
	kindTime                   // "10m", an integer of seconds, or "none"
	kindText                   // any string
	kindProgram                // the path of a program
	kindTexts                  // a list of strings
	kindProfiles               // a list of built-in profile names
	kindPaths                  // a list of paths, no globs
	kindGlobs                  // a list of paths or gitignore-like patterns
	kindEtc                    // a list of names or globs below /etc
	kindNames                  // a list of environment variable names, * allowed
	kindCaches                 // a list of paths or {path, env} tables
	kindVars                   // a table of environment variables
	kindAllow                  // a list of network rules that grant
	kindRefuse                 // a list of network rules that deny
	kindPorts                  // a list of ports
	kindPins                   // a table of host names and their addresses
	kindSecrets                // tables of secrets, by name
	kindExceptions             // tables of exceptions, by name
	kindKeys                   // a list of lockable keys
	kindRules                  // a list of permission rules or {rule, reason, match, not-match} tables
	kindWalls                  // a list of walls that may be missing
)

// list reports whether values of this kind add up over the layers. The others
// are scalars: one value is in force.
func (k kind) list() bool { return k >= kindTexts }

// place says in which files a key is legal.
type place uint8

const (
	anywhere  place = iota
	inProfile       // built-in profiles only
	inManaged       // the machine owner's files only
	inPreset        // presets of agents only
)

// allows reports whether the key may stand in a file of this place.
func (p place) allows(k *key) bool { return k.place == anywhere || k.place == p }

// key is one row of the table that the decoder, the merge, the JSON Schema and
// the printed policy share.
type key struct {
	name  string // dotted
	kind  kind
	place place
	// tightens marks a list that only ever takes away, so any layer may add to
	// it, an untrusted project file too.
	tightens bool
	// grants marks a scalar of which every value gives something that no value
	// does not: a project file needs trust for it, and the owner's value is the
	// only one.
	grants bool
	words  []string // kindEnum: the legal words, strictest first
	strict bool     // kindBool: the stricter value
	doc    string
}

// section is the table the key lives in, "" for the top level.
func (k *key) section() string {
	if i := strings.IndexByte(k.name, '.'); i >= 0 {
		return k.name[:i]
	}
	return ""
}

// rank orders the values of a scalar key: a greater rank is looser.
func (k *key) rank(e *entry) int64 {
	switch k.kind {
	case kindEnum:
		for i, word := range k.words {
			if word == e.text {
				return int64(i)
			}
		}
	case kindBool:
		if (e.num != 0) != k.strict {
			return 1
		}
		return 0
	case kindSize, kindCount, kindTime:
		if e.num != 0 {
			return e.num
		}
	}
	return math.MaxInt64
}

// named reports whether the value is a table of tables with names of their own.
func (k kind) named() bool { return k == kindSecrets || k == kindExceptions }

// lookup finds a key by its dotted name; nil when there is none.
func lookup(name string) *key {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

// isTable reports whether name is a table below a section, with names of its own.
func isTable(name string) bool { return name == "env.set" || name == "network.hosts" }

// isSection reports whether name is a table that holds keys.
func isSection(name string) bool {
	switch name {
	case "files", "env", "limits", "process", "network", "secrets", "permissions", "exec", "exceptions", "profile", "managed", "agent":
		return true
	}
	return false
}

// suggest names the known key or section that an unknown one resembles. A key
// written in the wrong section, or at the top level, is found too.
func suggest(name string, at place) string {
	var full, last []string
	for i := range keys {
		if !at.allows(&keys[i]) {
			continue
		}
		full = append(full, keys[i].name)
		if s := keys[i].section(); s != "" {
			full = append(full, s)
			last = append(last, keys[i].name[len(s)+1:])
		}
	}
	tail := name[strings.LastIndexByte(name, '.')+1:]
	for _, candidate := range full {
		if strings.HasSuffix(candidate, "."+tail) || candidate == tail && tail != name {
			return candidate
		}
	}
	if found := nearest(name, full); found != "" {
		return found
	}
	if found := nearest(tail, last); found != "" {
		for _, candidate := range full {
			if strings.HasSuffix(candidate, "."+found) {
				return candidate
			}
		}
	}
	return ""
}
