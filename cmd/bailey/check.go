package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bailey-run/bailey"
)

// checkCodes are the exit codes of check. They are not the ones of a command: none
// is run.
const checkCodes = `exit codes:
  0    allow
  1    ask
  2    deny
  125  there is no answer: the policy or the command line is wrong`

type checkOptions struct {
	config bailey.Config
	file   string
	tool   string
	shell  string
	stdin  bool
}

func checkVerb(a *app) *verb {
	o := &checkOptions{tool: "Bash"}
	o.config.Caller = "--"
	return &verb{
		name: "check", args: "[flags] -- TEXT", short: "say what the rules answer to a shell text or another call of a tool",
		long: `Judges without running anything: allow, ask or deny, with every part of the text,
the rule and line that decided it, and what would change the answer. TEXT is one
word of shell text; several words are one command and its arguments. With --tool,
TEXT is the path, address or name that the tool is called with, or its input as a
JSON object. An allow lifts no wall.

With --stdin, each line of standard input is {"tool": …, "input": {…}}, and each
is answered with one line, in order.

` + checkCodes,
		flags: append(ruleFlags(o),
			&flag{name: "tool", value: "TOOL", help: "the tool that is called (default Bash)", set: text(&o.tool)},
			&flag{name: "shell", value: "SHELL", help: "the shell that will run the text (default bash)", offer: []string{"bash", "sh", "dash", "zsh", "mksh"}, set: text(&o.shell)},
			&flag{name: "stdin", help: "answer JSON lines", set: toggle(&o.stdin)},
			a.jsonFlag("the answer as JSON")),
		run: func(words []string) error {
			p, err := o.load()
			if err != nil {
				return err
			}
			if o.stdin {
				return a.checkLines(p, words)
			}
			call, err := o.call(words)
			if err != nil {
				return err
			}
			return a.answer(p.Decide(call))
		},
	}
}

// ruleFlags are the flags that say which rules count.
func ruleFlags(o *checkOptions) []*flag {
	return []*flag{
		{name: "policy", value: "FILE", help: "judge by FILE alone", kind: "file", set: text(&o.file)},
		{name: "config", value: "FILE", help: "read FILE in place of your own configuration", kind: "file", set: text(&o.config.PolicyFile)},
		{name: "chdir", value: "DIR", help: "start in DIR instead of the current directory", kind: "dir", set: text(&o.config.Dir)},
	}
}

func (o *checkOptions) load() (*bailey.Policy, error) {
	if o.file == "" {
		return bailey.LoadPolicy(o.config)
	}
	if o.config.PolicyFile != "" {
		return nil, &usageError{"--policy and --config exclude each other", "--policy judges by one file alone"}
	}
	return bailey.LoadPolicyFile(o.config.Dir, o.file)
}

// call makes the call that the words of the command line stand for.
func (o *checkOptions) call(words []string) ([]byte, error) {
	if o.tool == "Bash" {
		if len(words) == 0 {
			return nil, &usageError{"bailey check needs a shell text", "as in: bailey check -- 'git push'"}
		}
		in := map[string]string{"command": words[0]}
		if len(words) > 1 {
			in["command"] = shellQuote(words)
		}
		if o.shell != "" {
			in["shell"] = o.shell
		}
		return bailey.Call(o.tool, in), nil
	}
	if len(words) > 1 {
		return nil, &usageError{"bailey check --tool " + o.tool + " takes one argument", "the path, address or name, or the input as a JSON object"}
	}
	value := strings.Join(words, "")
	if strings.HasPrefix(value, "{") {
		if !json.Valid([]byte(value)) {
			return nil, &usageError{"the input of " + o.tool + " is not valid JSON", `as in: bailey check --tool ` + o.tool + ` -- '{"file_path": "x"}'`}
		}
		name, err := json.Marshal(o.tool)
		if err != nil {
			return nil, err
		}
		return []byte(`{"tool":` + string(name) + `,"input":` + value + `}`), nil
	}
	in := map[string]string{}
	if value != "" {
		in[inputKey(o.tool)] = value
	}
	return bailey.Call(o.tool, in), nil
}

// inputKey is what a tool calls the one thing that rules are about.
func inputKey(tool string) string {
	switch tool {
	case "WebFetch":
		return "url"
	case "WebSearch":
		return "query"
	case "Agent", "Task":
		return "subagent_type"
	case "Skill", "SlashCommand":
		return "skill"
	case "Grep", "Glob", "LS":
		return "path"
	}
	return "file_path"
}

// shellQuote writes words so that a shell reads the same words.
func shellQuote(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		if w != "" && !strings.ContainsFunc(w, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,", r))
		}) {
			out[i] = w
			continue
		}
		out[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(out, " ")
}

// answer prints a decision; the exit code says it too.
func (a *app) answer(d bailey.ToolDecision) error {
	var err error
	if a.json {
		err = a.printJSON(d)
	} else {
		_, err = a.out.WriteString(answerText(d))
	}
	switch {
	case err != nil:
		return err
	case d.Verdict == bailey.Allow:
		return nil
	case d.Verdict == bailey.Ask:
		return exitCode(1)
	}
	return exitCode(2)
}

// answerText is a decision for people.
func answerText(d bailey.ToolDecision) string {
	var b strings.Builder
	b.WriteString(string(d.Verdict))
	if len(d.Parts) == 0 {
		b.WriteString(": " + printable(d.Reason))
	}
	b.WriteByte('\n')
	for _, p := range d.Parts {
		fmt.Fprintf(&b, "  %s %s %s\n", pad(string(p.Verdict), 6), pad(p.Kind, 9), printable(p.Text))
		b.WriteString(strings.Repeat(" ", 9) + "why       " + printable(p.Reason) + "\n")
		if p.Change != "" {
			b.WriteString(strings.Repeat(" ", 9) + "change    " + printable(p.Change) + "\n")
		}
	}
	return b.String()
}

// maxLine is the longest line of check --stdin, in bytes: a shell text of the
// greatest length, with every byte escaped. A longer one is denied.
const maxLine = 1 << 20

// checkLines answers one line for each line. A line that cannot be read is denied
// in its place.
func (a *app) checkLines(p *bailey.Policy, words []string) error {
	if len(words) > 0 {
		return &usageError{"bailey check --stdin takes no text", "write it to standard input, one JSON object a line"}
	}
	in := bufio.NewReaderSize(a.in, maxLine)
	out := bufio.NewWriter(a.out)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for {
		line, err := in.ReadSlice('\n')
		var d bailey.ToolDecision
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
			d = bailey.ToolDecision{Verdict: bailey.Deny, Parts: []bailey.ToolPart{}, Reason: fmt.Sprintf("the line is longer than %d bytes", maxLine)}
		case err != nil && !errors.Is(err, io.EOF):
			return fmt.Errorf("read standard input: %w", err)
		case len(line) == 0:
			return out.Flush()
		default:
			d = p.Decide(bytes.TrimSpace(line))
		}
		if err := enc.Encode(d); err != nil {
			return err
		}
		// Who waits for an answer has sent nothing more.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
	}
}
