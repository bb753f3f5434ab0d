package policy

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The patterns of strings in lists; the JSON Schema publishes them, and the check
// functions below hold the same rules with a message for each.
const (
	pathPattern = `^[^\x00*?$][^\x00*?]*$`
	globPattern = `^[^\x00!$][^\x00]*$`
	etcPattern  = `^[^\x00/~$!][^\x00]*$`
	upPattern   = `(^|/)\.\.(/|$)` // what an entry of files.etc must not hold
	namePattern = `^[A-Za-z_*][A-Za-z0-9_*]*$`
	varPattern  = `^[A-Za-z_][A-Za-z0-9_]*$`
	textPattern = `^[^\x00]*$`
)

// maxPath is PATH_MAX of Linux, counted in characters so that the JSON Schema can
// say the same. A longer path or pattern is an error.
const maxPath = 4096

// check is the rule for one string of a list key.
func (k *key) check() func(string) (problem, hint string) {
	switch k.kind {
	case kindPaths, kindCaches:
		return checkPath
	case kindGlobs:
		return checkGlob
	case kindEtc:
		return checkEtc
	case kindNames:
		return checkName
	case kindProfiles:
		return checkProfile
	case kindKeys:
		return checkLock
	case kindAllow:
		return checkAllow
	case kindRefuse:
		return checkDeny
	case kindPorts:
		return checkPort
	}
	return checkText
}

func checkPath(text string) (problem, hint string) {
	if problem, hint = checkAnyPath(text); problem != "" {
		return problem, hint
	}
	if strings.ContainsAny(text, "*?") {
		return strconv.Quote(text) + " is a pattern", "only files.deny, files.protect and files.etc take patterns; write the paths out"
	}
	return "", ""
}

func checkGlob(text string) (problem, hint string) {
	if problem, hint = checkAnyPath(text); problem != "" {
		return problem, hint
	}
	if text[0] == '!' {
		return strconv.Quote(text) + " takes a rule back", "a refusal cannot be taken back; remove the rule where it is written"
	}
	return "", ""
}

func checkEtc(text string) (problem, hint string) {
	if problem, hint = checkGlob(text); problem != "" {
		return problem, hint
	}
	if text[0] == '/' || text[0] == '~' {
		return strconv.Quote(text) + " is not a name below /etc", `write "ssl/certs" for /etc/ssl/certs`
	}
	if climbs(text) {
		return strconv.Quote(text) + " leaves /etc", ""
	}
	return "", ""
}

// checkAnyPath holds for literal paths and patterns alike.
func checkAnyPath(text string) (problem, hint string) {
	switch {
	case text == "":
		return "an empty string is not a path", "remove it"
	case strings.IndexByte(text, 0) >= 0:
		return "a NUL byte is not allowed in a path", ""
	case utf8.RuneCountInString(text) > maxPath:
		return "the path is longer than any path can be", ""
	case text[0] == '$':
		return strconv.Quote(text) + ": variables are not expanded", "write ~/… for the home directory, or the whole path"
	}
	return "", ""
}

func checkName(text string) (problem, hint string) {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '*'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return strconv.Quote(text) + " is not the name of an environment variable", "letters, digits, _ and * are allowed; values belong to env.set"
		}
	}
	if text == "" {
		return "an empty string is not the name of an environment variable", "remove it"
	}
	return "", ""
}

func checkVar(text string) (problem, hint string) {
	if problem, hint = checkName(text); problem != "" {
		return problem, hint
	}
	if strings.IndexByte(text, '*') >= 0 {
		return strconv.Quote(text) + " is a pattern", "name one variable"
	}
	return "", ""
}

func checkText(text string) (problem, hint string) {
	if strings.IndexByte(text, 0) >= 0 {
		return "a NUL byte is not allowed", ""
	}
	return "", ""
}

func checkProfile(text string) (problem, hint string) {
	if builtin(text) == nil {
		return "there is no built-in profile " + strconv.Quote(text), "the profiles are " + strings.Join(Profiles(), ", ")
	}
	return "", ""
}

func checkLock(text string) (problem, hint string) {
	if k := lookup(text); k == nil || !lockable(k) {
		return strconv.Quote(text) + " cannot be locked", "only keys that grant something can be; limits and modes of the managed policy are ceilings already"
	}
	return "", ""
}

// climbs reports whether a component of the path is "..".
func climbs(path string) bool {
	for path != "" {
		part, rest, _ := strings.Cut(path, "/")
		if part == ".." {
			return true
		}
		path = rest
	}
	return false
}
