package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bailey-run/bailey/internal/graft"
	"github.com/bailey-run/bailey/internal/hook"
	"github.com/bailey-run/bailey/internal/layers"
)

// maxSettings is the largest settings file that is changed, in bytes; agents'
// are some thousands.
const maxSettings = 4 << 20

// receipt is what install remembers of one file, so that uninstall can put it back.
type receipt struct {
	Agent string   `json:"agent"`
	File  string   `json:"file"`
	Old   []byte   `json:"old"` // what it was; null when there was none
	New   string   `json:"new"` // SHA-256 of what it became
	Made  []int    `json:"made,omitempty"`
	Dirs  []string `json:"dirs,omitempty"` // directories that were made, outermost first
}

// change is what will become of one file.
type change struct {
	target
	old   []byte
	there bool
	info  fs.FileInfo
	new   []byte
	gone  bool // the file is taken away
	made  []int
}

// readOwn reads a settings file, and refuses one that somebody else could have
// put there: a link, another's file, something that is no file.
func readOwn(name string) (content []byte, info fs.FileInfo, err error) {
	dir := filepath.Dir(name)
	if parent, err := os.Lstat(dir); err == nil {
		if parent.Mode()&fs.ModeSymlink != 0 {
			return nil, nil, &usageError{quote(dir) + " is a symbolic link", "bailey writes only to the file that is meant; --dry-run shows what to paste into it"}
		}
		if err := ownedByUs(dir, parent); err != nil {
			return nil, nil, err
		}
	}
	info, err = os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, info, &usageError{quote(name) + " is a symbolic link", "bailey writes only to the file that is meant; --dry-run shows what to paste into it"}
	case !info.Mode().IsRegular():
		return nil, info, &usageError{quote(name) + " is not a regular file", "look at what it is"}
	case info.Size() > maxSettings:
		return nil, info, &usageError{quote(name) + fmt.Sprintf(" is larger than %d bytes", maxSettings), "look at what it is"}
	}
	if err := ownedByUs(name, info); err != nil {
		return nil, info, err
	}
	content, err = layers.Read(name)
	return content, info, err
}

func ownedByUs(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("look at %s: its owner is not known", quote(name))
	case int(st.Uid) != os.Geteuid():
		return &usageError{quote(name) + " belongs to somebody else", "install as its owner"}
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		return &usageError{quote(name) + " may be written by everybody", "chmod o-w " + quote(name)}
	}
	return nil
}

// installedProgram is the path of bailey that agents will call.
func installedProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program itself: %w", err)
	}
	if strings.Contains(self, "/go-build") {
		return "", &usageError{"this bailey is one that go run made, and is gone when it ends", "go install ./cmd/bailey, then: bailey agent install"}
	}
	return self, nil
}

func (a *app) agentInstall(o *installOptions, agent string) error {
	self, err := installedProgram()
	if err != nil {
		return err
	}
	list, err := targets(agent, self, o)
	if err != nil {
		return err
	}
	var changes []*change
	for _, t := range list {
		c := &change{target: t}
		if t.link != "" {
			is, err := os.Readlink(t.file)
			if err == nil && is == t.link {
				continue
			}
			if _, err := os.Lstat(t.file); err == nil && filepath.Base(is) != "bailey" {
				return &usageError{quote(t.file) + " is there already", "choose a directory of its own"}
			}
			changes = append(changes, c)
			continue
		}
		var err error
		if c.old, c.info, err = readOwn(t.file); err != nil {
			return a.pasted(o, &t, err)
		}
		c.there = c.info != nil
		if t.adds == nil && c.there && !strings.Contains(string(c.old), "Written by bailey agent install") {
			return &usageError{quote(t.file) + " is there already, and bailey did not write it", "look at what it is"}
		}
		if c.new, c.made, err = t.content(agent, c.old, c.there); err != nil {
			return a.pasted(o, &t, fmt.Errorf("change %s: %w", quote(t.file), err))
		}
		if !c.there || !bytes.Equal(c.old, c.new) {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		a.info("%s asks bailey already", agent)
		return nil
	}
	if ok, err := a.agree(o, "install", changes); err != nil || !ok {
		return err
	}
	for _, c := range changes {
		if err := c.write(agent); err != nil {
			return err
		}
		a.info("wrote %s", quote(c.file))
	}
	for _, line := range installNotes(agent, o) {
		a.info("%s", line)
	}
	return nil
}

// pasted refuses, with what a person can paste.
func (a *app) pasted(o *installOptions, t *target, err error) error {
	if len(t.adds) > 0 {
		a.err.WriteString("--- to paste into " + quote(t.file) + "\n" + t.snippet())
	}
	return err
}

// installNotes are what a person must know besides.
func installNotes(agent string, o *installOptions) []string {
	switch agent {
	case "claude":
		return []string{"Claude Code reads it when it starts next"}
	case "codex":
		return []string{
			"Codex runs new hooks only when you have looked at them: /hooks in Codex",
			`Codex's own sandbox keeps a box from being made: set sandbox_mode = "danger-full-access" in its config.toml; commands then run in bailey's box`,
		}
	case "amp":
		return []string{"Amp cannot rewrite a command: one that is not in a box is refused, with the form to send"}
	case "opencode":
		return []string{"OpenCode reads it when it starts next"}
	case "shim":
		return []string{"put " + quote(o.dir) + " first on the PATH of the agent, or set SHELL or CLAUDE_CODE_SHELL to a file in it"}
	}
	return nil
}

func (a *app) agentUninstall(o *installOptions, agent string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	list, err := targets(agent, self, o)
	if err != nil {
		return err
	}
	var changes []*change
	for _, t := range list {
		c := &change{target: t}
		if t.link != "" {
			if is, err := os.Readlink(t.file); err == nil && (is == t.link || filepath.Base(is) == "bailey") {
				c.gone = true
				changes = append(changes, c)
			}
			continue
		}
		var err error
		if c.old, c.info, err = readOwn(t.file); err != nil {
			return err
		}
		if c.there = c.info != nil; !c.there {
			continue
		}
		r := readReceipt(t.file)
		sum := sha256.Sum256(c.old)
		switch {
		case r != nil && r.New == hex.EncodeToString(sum[:]):
			c.new, c.gone = r.Old, r.Old == nil
		case t.adds == nil:
			if !strings.Contains(string(c.old), "Written by bailey agent install") {
				continue
			}
			c.gone = true
		default:
			c.new = c.old
			for i, add := range t.adds {
				prune := 0
				if r != nil && i < len(r.Made) {
					prune = r.Made[i]
				}
				if c.new, _, err = graft.Remove(c.new, add.path, func(v []byte) bool { return hook.Ours(agent, v) }, prune); err != nil {
					return fmt.Errorf("change %s: %w", quote(t.file), err)
				}
			}
			if bytes.Equal(c.new, c.old) {
				continue
			}
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 {
		a.info("%s does not ask bailey", agent)
		return nil
	}
	if ok, err := a.agree(o, "uninstall", changes); err != nil || !ok {
		return err
	}
	for _, c := range changes {
		if err := c.undo(); err != nil {
			return err
		}
		if c.gone {
			a.info("removed %s", quote(c.file))
		} else {
			a.info("wrote %s", quote(c.file))
		}
	}
	return nil
}

// agree shows what would be done and asks.
func (a *app) agree(o *installOptions, verb string, changes []*change) (bool, error) {
	var shown strings.Builder
	for _, c := range changes {
		shown.WriteString(c.diff())
	}
	if o.dryRun || o.yes {
		_, err := a.out.WriteString(shown.String())
		return o.yes && !o.dryRun, err
	}
	ok, err := ask(shown.String()+"bailey: "+verb+" this? Type yes: ", "yes")
	var usage *usageError
	if errors.As(err, &usage) {
		return false, &usageError{"there is no terminal to ask on", "look at it with --dry-run, then: --yes"}
	}
	if err == nil && !ok {
		err = &usageError{"nothing was changed", "yes is the answer that changes it"}
	}
	return ok, err
}

// diffContext is how many lines around a change are shown.
const diffContext = 3

// diff shows a change: what stays around it, what goes, what comes.
func (c *change) diff() string {
	if c.link != "" {
		if c.gone {
			return "--- " + quote(c.file) + "\n-" + quote(c.link) + " (symbolic link)\n"
		}
		return "+++ " + quote(c.file) + "\n+" + quote(c.link) + " (symbolic link)\n"
	}
	old, now := lines(c.old), lines(c.new)
	if c.gone {
		now = nil
	}
	from := 0
	for from < len(old) && from < len(now) && old[from] == now[from] {
		from++
	}
	end := 0
	for end < len(old)-from && end < len(now)-from && old[len(old)-1-end] == now[len(now)-1-end] {
		end++
	}
	var b strings.Builder
	b.WriteString("--- " + quote(c.file) + "\n+++ " + quote(c.file) + "\n")
	for _, l := range old[max(0, from-diffContext):from] {
		b.WriteString(" " + showLine(l) + "\n")
	}
	for _, l := range old[from : len(old)-end] {
		b.WriteString("-" + showLine(l) + "\n")
	}
	for _, l := range now[from : len(now)-end] {
		b.WriteString("+" + showLine(l) + "\n")
	}
	for _, l := range old[len(old)-end:][:min(end, diffContext)] {
		b.WriteString(" " + showLine(l) + "\n")
	}
	return b.String()
}

func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

// write makes the change and remembers what was there.
func (c *change) write(agent string) error {
	dirs, err := makeDirs(filepath.Dir(c.file))
	if err != nil {
		return err
	}
	if c.link != "" {
		if err := os.Remove(c.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return os.Symlink(c.link, c.file)
	}
	sum := sha256.Sum256(c.new)
	r := receipt{Agent: agent, File: c.file, New: hex.EncodeToString(sum[:]), Made: c.made, Dirs: dirs}
	if c.there {
		r.Old = c.old
		if r.Old == nil {
			r.Old = []byte{}
		}
	}
	// A second install over a first keeps what was there before both, when nobody
	// else wrote in between.
	if was := readReceipt(c.file); was != nil {
		old := sha256.Sum256(c.old)
		if c.there && was.New == hex.EncodeToString(old[:]) {
			r.Old, r.Dirs, r.Made = was.Old, was.Dirs, was.Made
		}
	}
	if err := r.keep(); err != nil {
		return err
	}
	return c.replace()
}

// replace writes the new content in one step, and only over what was shown.
func (c *change) replace() error {
	now, info, err := readOwn(c.file)
	if err != nil {
		return err
	}
	if (info != nil) != c.there || !bytes.Equal(now, c.old) {
		return &usageError{quote(c.file) + " changed meanwhile", "try again"}
	}
	mode := c.mode
	if info != nil {
		mode = info.Mode().Perm()
	} else if mode == 0 {
		mode = 0o600
	}
	return writeWhole(c.file, c.new, mode)
}

// writeWhole puts a file in the place of another, in one step.
func writeWhole(name string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".bailey-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", quote(name), err)
	}
	return os.Rename(f.Name(), name)
}

// undo takes the change back.
func (c *change) undo() error {
	if c.link != "" {
		return os.Remove(c.file)
	}
	r := readReceipt(c.file)
	if !c.gone {
		if err := c.replace(); err != nil {
			return err
		}
	} else {
		now, _, err := readOwn(c.file)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, c.old) {
			return &usageError{quote(c.file) + " changed meanwhile", "try again"}
		}
		if err := os.Remove(c.file); err != nil {
			return err
		}
		if r != nil {
			for i := len(r.Dirs) - 1; i >= 0; i-- {
				os.Remove(r.Dirs[i]) // which fails when something else is in it
			}
		}
	}
	if r != nil {
		return os.Remove(receiptFile(c.file))
	}
	return nil
}

// makeDirs makes a directory and says which ones it had to make.
func makeDirs(dir string) (made []string, err error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		made = append([]string{d}, made...)
	}
	return made, os.MkdirAll(dir, 0o700)
}

// receiptFile is where what is known about a file is kept: with bailey's own state,
// which no box can reach.
func receiptFile(name string) string {
	facts, err := layers.Collect("", "")
	if err != nil || facts.StateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(facts.StateDir, "installed", hex.EncodeToString(sum[:8])+".json")
}

func readReceipt(name string) *receipt {
	content, _, err := readOwn(receiptFile(name))
	var r receipt
	if err != nil || content == nil || json.Unmarshal(content, &r) != nil || r.File != name {
		return nil // then what bailey wrote is found in the file itself
	}
	return &r
}

func (r *receipt) keep() error {
	name := receiptFile(r.File)
	if name == "" {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return writeWhole(name, append(text, '\n'), 0o600)
}
