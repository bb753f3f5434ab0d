//go:build linux

package probe

import (
	"fmt"
	"os"
	"strings"
)

// terminalProbes reach for the terminal that a person sits at.
func terminalProbes() []Probe {
	return []Probe{
		sequence("osc52", "set the clipboard (OSC 52)", "what is pasted next is the attacker's", "\x1b]52;c;%s\x07"),
	}
}

// sequence writes a control sequence with the nonce in it and looks whether it
// reached the outer terminal.
func sequence(id, title, why, format string) Probe {
	return Probe{ID: "terminal." + id, Severity: Boundary, Scene: sceneTTY, Title: title, Why: why, Wall: "the terminal's output is filtered", Fix: "let the output go to a file or a pipe",
		Plant: func(c *Case) error { c.Args["sequence"] = fmt.Sprintf(format, c.Nonce); return nil },
		Attack: func(in *Inside) error {
			_, err := os.Stderr.WriteString(in.Args["sequence"])
			return err
		},
		Judge: func(c *Case, _ *Report) (bool, string) {
			if c.screen != nil && c.screen.shows([]byte(strings.TrimSuffix(c.Args["sequence"], "\n"))) {
				return true, "the sequence reached the terminal outside"
			}
			return false, ""
		}}
}
