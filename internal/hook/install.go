package hook

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

//go:embed opencode.js
var openCodePlugin string

// OpenCodePlugin is the plugin that makes OpenCode ask.
func OpenCodePlugin(program string, timeout time.Duration) string {
	name, err := json.Marshal(program)
	if err != nil {
		return "" // a string; it cannot fail
	}
	return strings.NewReplacer(`"@BAILEY@"`, string(name), "@TIMEOUT@", strconv.FormatInt(timeout.Milliseconds(), 10)).Replace(openCodePlugin)
}

// blocks turns every way for the hook to fail into the exit code that blocks,
// and leaves keep as it is, which is a code or a pattern of some.
const blocks = `"$0" hook NAME; c=$?; case $c in KEEP) exit $c;; esac; echo "bailey: error: blocked: the hook ended with code $c" >&2; exit 2`

// Command is the shell command that an agent's configuration calls. A program that
// is gone, was killed or crashed would end with a code that agents take for a
// mishap, and go on; so a shell stands around it. It is made of plain words in
// single quotes, for whatever shell the agent uses.
func Command(agent, program string) string {
	script := strings.NewReplacer("NAME", agent, "KEEP", "0|2").Replace(blocks)
	return "/bin/sh -c " + Quote(script) + " " + Quote(program)
}

// AmpProgram is a program for Amp, which calls one without arguments: 0 allows, 1
// asks, all else blocks.
func AmpProgram(program string) string {
	script := strings.NewReplacer(`"$0"`, Quote(program), "NAME", "amp", "KEEP", "0|1|2").Replace(blocks)
	return "#!/bin/sh\n# Written by bailey agent install amp.\n" + script + "\n"
}

// Ours reports whether a value of a configuration calls bailey hook for an agent,
// whatever the path of bailey was when it was written.
func Ours(agent string, value []byte) bool {
	if !json.Valid(value) {
		return false
	}
	var text string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			text += v + "\n"
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var v any
	if json.Unmarshal(value, &v) != nil {
		return false
	}
	walk(v)
	if agent == "amp" {
		return strings.Contains(text, "/bailey-hook-amp\n")
	}
	return strings.Contains(text, `/bin/sh -c '"$0" hook `+agent+"; c=$?")
}
