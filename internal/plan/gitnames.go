package plan

import "strings"

// GitName is a file that a setting of a git configuration names.
type GitName struct {
	Path    string
	Include bool // it is configuration itself, relative to the file that names it
	Certain bool // the setting can mean nothing else; otherwise a word of a command
}

// GitNames returns what the settings of a git configuration make git run or read
// as configuration. In commands every word may be a script: a word too many
// protects a file that need not be, one too few lets a box change what git runs
// outside.
func GitNames(content string) []GitName {
	settings, _ := parseGitConfig(content)
	var names []GitName
	for _, s := range settings {
		switch {
		case s.section == "include" && s.key == "path", s.section == "includeif" && s.key == "path":
			names = append(names, GitName{Path: s.value, Include: true, Certain: true})
		case s.section == "core" && s.key == "hookspath":
			names = append(names, GitName{Path: s.value, Certain: true})
		case !gitRuns(s):
		default:
			for _, word := range strings.FieldsFunc(s.value, shellBreak) {
				if word = strings.TrimPrefix(word, "!"); word != "" && word[0] != '-' && !strings.Contains(word, "://") {
					names = append(names, GitName{Path: word})
				}
			}
		}
	}
	return names
}

// gitRuns says that a setting's value is, or may be, a command.
func gitRuns(s gitSetting) bool {
	switch s.section {
	case "alias":
		return strings.HasPrefix(strings.TrimSpace(s.value), "!") || s.key == "command"
	case "pager", "man", "browser", "hook", "mergetool", "difftool", "sendemail":
		return true
	}
	switch s.key {
	case "command", "cmd", "clean", "smudge", "process", "textconv", "driver", "external", "helper", "program", "defaultkeycommand",
		"editor", "pager", "askpass", "sshcommand", "gitproxy", "fsmonitor", "difffilter", "packobjectshook", "uploadpack", "receivepack", "update":
		return true
	}
	return false
}

func shellBreak(r rune) bool { return strings.ContainsRune(" \t\n\"'`;|&()<>={}$", r) }
