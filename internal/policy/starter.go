package policy

import (
	"strconv"
	"strings"
)

// Init returns a starter bailey.toml: everything in it is a comment but the
// refusals, so that it is in force without being trusted. The profiles are the
// ones the project would switch on by itself.
func Init(profiles ...string) string {
	var b strings.Builder
	b.WriteString(`# What coding agents may do in this project. docs/policy.md has every key;
# "bailey policy show" prints what is in force and which line says so.
#
# This file may tighten the policy at once. A key that loosens it (marked "trust")
# counts only after a person has read the file and run: bailey trust

`)
	quoted := make([]string, len(profiles))
	for i, name := range profiles {
		quoted[i] = strconv.Quote(name)
	}
	if len(quoted) == 0 {
		quoted = []string{`"go"`}
	}
	b.WriteString("# Profiles are switched on by files such as go.mod. Name more of them here (trust).\n")
	b.WriteString("# extends = [" + strings.Join(quoted, ", ") + "]\n")
	b.WriteString(`
# mode = "read-only"         # or "workspace-write", "danger-full-access" (trust)
# min-tier = "full"          # the weakest enforcement that may be used

[files]
# Hidden, whatever else says, also when it appears later. Without a slash: at any depth.
deny = [".env", ".env.*", "*.pem", "*.key"]

# Names that no box may make or change, beside the built-in list.
# protect = [".github/workflows"]

# More of the machine (trust). Relative paths start at this file's directory.
# read = ["~/src/shared"]
# write = ["~/out"]
# nested-git = "hold"        # let git clone and git init work inside (trust)

[env]
# Variables that never pass, and ones that do (trust).
# deny = ["INTERNAL_*"]
# allow = ["MY_SETTING"]

[permissions]
# Refused, asked about, or let pass without a question (trust). docs/rules.md says how.
# deny = ["Bash(git push *)"]
# ask = ["Bash(npm publish *)"]
# allow = ["Bash(npm run *)"]

[exec]
# Hold these rules for each program that is started inside, and record it (rules); only
# record it (log, trust); or do nothing (off, trust). docs/exec.md has the cost.
# supervise = "rules"

[limits]
# Smaller than the default needs no trust. "none" lifts a limit (trust).
# memory = "4GiB"
# timeout = "30m"
`)
	return b.String()
}
