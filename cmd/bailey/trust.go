package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/layers"
)

func trustVerb(a *app) *verb {
	return &verb{
		name: "trust", args: "[add|show|rm] [FILE…]", short: "let a project's policy file count as it is",
		long: `A project's bailey.toml and .bailey/local.toml only tighten the policy until a
person trusts their exact content. bailey trust shows each file and asks; a file
that changes is untrusted again. Without FILE it is about the project around the
current directory.`,
		sub: []entry{
			{"add", trustAddVerb},
			{"show", trustShowVerb},
			{"rm", trustRmVerb},
		},
		fallback: "add",
	}
}

func trustAddVerb(a *app) *verb {
	yes := false
	return &verb{
		name: "trust add", args: "[--yes] [FILE…]", words: "file", mixed: true, short: "show policy files and trust them",
		long:  "Prints each file as it will be trusted, and asks on the terminal.",
		flags: []*flag{{name: "yes", short: "y", help: "do not ask", set: toggle(&yes)}},
		run:   func(words []string) error { return a.trustAdd(words, yes) },
	}
}

func trustShowVerb(a *app) *verb {
	return &verb{
		name: "trust show", args: "[--json]", short: "list what is trusted",
		long:  "Lists every trusted file with the hash of its content, and whether the file still is that.",
		flags: []*flag{a.jsonFlag("the list as JSON")},
		run: func(words []string) error {
			if err := noWords("trust show", words); err != nil {
				return err
			}
			return a.trustShow()
		},
	}
}

func trustRmVerb(a *app) *verb {
	return &verb{
		name: "trust rm", args: "[FILE…]", words: "file", mixed: true, short: "trust files no longer",
		long: "Forgets the approval of files.",
		run:  a.trustRm,
	}
}

// files are the named policy files, or the project's. A name is resolved as the
// policy does it: its directory without symbolic links.
func trustFiles(p *layers.Project, words []string) ([]string, error) {
	if len(words) == 0 {
		if len(p.Files) == 0 {
			return nil, &usageError{"the project " + quote(p.Root) + " has no policy file", "bailey policy init writes one"}
		}
		return p.Files, nil
	}
	var out []string
	for _, w := range words {
		abs, err := filepath.Abs(w)
		if err != nil {
			return nil, err
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			abs = filepath.Join(dir, filepath.Base(abs))
		}
		out = append(out, abs)
	}
	return out, nil
}

func (a *app) trustAdd(words []string, yes bool) error {
	if os.Getenv("BAILEY") == "1" {
		return &usageError{"nothing can be trusted from inside a box", "run bailey trust in a terminal of your own"}
	}
	p, err := layers.FindProject("")
	if err != nil {
		return err
	}
	files, err := trustFiles(p, words)
	if err != nil {
		return err
	}
	// Every file is read before anything is asked: a typing mistake in the last
	// name must not be told after the first was trusted.
	contents := make([][]byte, len(files))
	for i, name := range files {
		if contents[i], err = layers.Read(name); err != nil {
			if e := (*fs.PathError)(nil); errors.As(err, &e) {
				err = e.Err // which names the file again
			}
			return fmt.Errorf("read %s: %w", quote(name), err)
		}
	}
	for i, name := range files {
		if p.Store.Trusted(name, contents[i]) {
			a.info("%s is trusted already", quote(name))
			continue
		}
		if err := a.trustOne(p, name, contents[i], yes); err != nil {
			return err
		}
	}
	return nil
}

// trustOne shows a file, asks, and trusts what it has shown.
func (a *app) trustOne(p *layers.Project, name string, content []byte, yes bool) error {
	sum := sha256.Sum256(content)
	shown := "--- " + quote(name) + " (sha256 " + hex.EncodeToString(sum[:]) + ")\n"
	for line := range strings.Lines(string(content)) {
		shown += "  " + showLine(line) + "\n"
	}
	shown += "---\n"
	if yes {
		a.err.WriteString(shown)
	} else if ok, err := ask(shown+"bailey: trust this file as shown? Type yes: ", "yes"); err != nil {
		return err
	} else if !ok {
		return &usageError{quote(name) + " is not trusted", "nothing was changed"}
	}
	if err := p.Store.Add(name, content, time.Now()); err != nil {
		return err
	}
	a.info("trusted %s", quote(name))
	return nil
}

// showLine prints a line so that nothing in it can hide anything of it.
func showLine(line string) string {
	return printable(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    "))
}

// ask puts a question on the terminal, whatever the standard streams are, and
// says whether the answer was want.
func ask(question, want string) (bool, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false, &usageError{"there is no terminal to ask on", "look at the file, then: bailey trust add --yes"}
	}
	defer tty.Close()
	if _, err := tty.WriteString(question); err != nil {
		return false, err
	}
	line, err := bufio.NewReader(tty).ReadString('\n')
	if err != nil && line == "" {
		return false, nil
	}
	return strings.TrimSpace(line) == want, nil
}

// trustState is a line of trust show.
type trustState struct {
	Path   string    `json:"path"`
	SHA256 string    `json:"sha256,omitempty"`
	At     time.Time `json:"at,omitzero"`
	State  string    `json:"state"` // trusted, changed, gone, untrusted
}

func (a *app) trustShow() error {
	p, err := layers.FindProject("")
	if err != nil {
		return err
	}
	all := []trustState{}
	for _, e := range p.Store.List() {
		s := trustState{Path: e.Path, SHA256: e.SHA256, At: e.At, State: "changed"}
		if content, err := layers.Read(e.Path); err != nil {
			s.State = "gone"
		} else if p.Store.Trusted(e.Path, content) {
			s.State = "trusted"
		}
		all = append(all, s)
	}
	for _, name := range p.Files {
		if !slices.ContainsFunc(all, func(s trustState) bool { return s.Path == name }) {
			all = append(all, trustState{Path: name, State: "untrusted"})
		}
	}
	if a.json {
		return a.printJSON(all)
	}
	for _, s := range all {
		line := s.State + strings.Repeat(" ", 11-len(s.State)) + quote(s.Path)
		if s.SHA256 != "" {
			line += "  " + s.SHA256[:12] + "  " + s.At.Format(time.DateOnly)
		}
		if _, err := a.out.WriteString(line + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) trustRm(words []string) error {
	p, err := layers.FindProject("")
	if err != nil {
		return err
	}
	files, err := trustFiles(p, words)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range files {
		had, err := p.Store.Remove(name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case had:
			a.info("%s is trusted no longer", quote(name))
		default:
			a.info("%s was not trusted", quote(name))
		}
	}
	return errors.Join(errs...)
}
