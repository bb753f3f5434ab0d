package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/bailey-run/bailey"
	"github.com/bailey-run/bailey/internal/layers"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
	"github.com/bailey-run/bailey/internal/probe"
	"github.com/bailey-run/bailey/internal/trust"
)

// prove attacks a sandbox: bailey's own, or that behind prefix.
func (a *app) prove(o *proveOptions, prefix []string) error {
	if o.list {
		return a.listProbes(o)
	}
	selected, err := probe.Select(probe.All(), o.only, o.skip, policy.Nearest)
	var unknown *probe.SelectError
	if errors.As(err, &unknown) {
		hint := "bailey prove --list lists them"
		if unknown.Nearest != "" {
			hint = "did you mean " + unknown.Nearest + "?"
		}
		return &usageError{unknown.Error(), hint}
	}
	if err != nil {
		return &usageError{err.Error(), "bailey prove --list lists the probes"}
	}
	outputs := 0
	for _, is := range [...]bool{a.json, o.junit == "-", o.sarif == "-"} {
		if is {
			outputs++
		}
	}
	if outputs > 1 {
		return &usageError{"more than one report for standard output", "give the others a file"}
	}
	for _, name := range [...]string{o.junit, o.sarif} {
		if name == "" || name == "-" {
			continue
		}
		// Now, and not when the proof is there.
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return &usageError{"write report: " + err.Error(), "name a file that can be written"}
		}
		f.Close()
	}
	gate, err := o.gates()
	if err != nil {
		return err
	}
	if o.selfCheck && len(prefix) > 0 {
		return &usageError{"--self-check runs without a sandbox", "leave the command away"}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	scratch := []string{o.scratch}
	if o.scratch == "" {
		scratch[0] = "/var/tmp"
		if home, err := os.UserHomeDir(); err == nil {
			scratch = append(scratch, home)
		}
	}
	var s *subject
	p := &probe.Proof{Bailey: bailey.Version(), Target: "bailey", Gate: gate, Lenient: o.lenient, Self: o.selfCheck}
	opts := probe.Options{Probes: selected, Self: self, Scratch: scratch, SelfCheck: o.selfCheck}
	switch {
	case o.selfCheck:
		p.Target = "no sandbox"
	case len(prefix) > 0:
		p.Target = printable(strings.Join(prefix, " "))
		opts.Command = func(w probe.World) []string { return fill(prefix, w) }
		opts.Probes = probe.ForOthers(selected)
	default:
		if s, err = a.subject(o); err != nil {
			return err
		}
		p.Root, p.Tier, p.Mode, p.Policy, p.Weaker = s.root, string(s.plan.Tier()), string(s.plan.Mode()), s.plan.Hash(), s.plan.Weaker()
		opts.Command = func(w probe.World) []string {
			return slices.Concat([]string{self, verbRun, w.Home, "--quiet"}, s.flags(w), []string{"--"})
		}
		opts.Gate = func(w probe.World, g probe.Grants) ([]string, string, error) { return s.gate(self, w, g) }
		opts.Prepare, opts.Explain = s.prepare, func(w probe.World, paths []string) []probe.Rule { return s.explain(self, w, paths) }
		p.Notes = s.notes
		opts.ReadOnly = s.plan.Mode() == bailey.ReadOnly
		if opts.Policy, err = s.policy(); err != nil {
			return err
		}
	}
	progress := a.progress()
	opts.Progress = progress.step
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	var got atomic.Int32
	go func() {
		if s, ok := (<-signals).(syscall.Signal); ok {
			got.Store(int32(s))
			cancel()
		}
	}()
	began := time.Now()
	p.Results, err = probe.Run(ctx, opts)
	p.Took = time.Since(began)
	progress.erase()
	var start *probe.StartError
	switch {
	case got.Load() != 0:
		return exitCode(exitSignalled + int(got.Load()))
	case errors.As(err, &start):
		hint := "bailey run -- true says what is wrong"
		if len(prefix) > 0 {
			hint = "the command is put in front of a program in the project: try it with true"
		}
		return &usageError{"nothing was proved: " + err.Error(), hint}
	case err != nil:
		return err
	}
	if s != nil {
		s.real(p.Results)
	}
	return a.printProof(o, p)
}

// printProof prints the proof in all forms that were asked for.
func (a *app) printProof(o *proveOptions, p *probe.Proof) error {
	for _, f := range []struct {
		to    string
		write func(io.Writer) error
	}{{o.junit, p.WriteJUnit}, {o.sarif, p.WriteSARIF}} {
		if f.to == "" {
			continue
		}
		if err := writeTo(a.out, f.to, f.write); err != nil {
			return err
		}
	}
	var err error
	switch {
	case a.json:
		err = p.WriteJSON(a.out)
	case o.junit != "-" && o.sarif != "-":
		err = p.WriteText(a.out, a.verbose, printable)
	}
	if err != nil {
		return err
	}
	switch {
	case p.Failed():
		return exitCode(1)
	case !p.Tried():
		return &usageError{"nothing was proved: none of the selected probes can be shown here", "what each lacks is printed above; select more"}
	}
	return nil
}

func writeTo(out *os.File, name string, write func(io.Writer) error) error {
	if name == "-" {
		return write(out)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	err = write(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (o *proveOptions) gates() ([]probe.Severity, error) {
	known := []string{string(probe.Boundary), string(probe.Persistence), string(probe.Hardening), string(probe.Resource)}
	text := o.gate
	if text == "" {
		text = "boundary,persistence,hardening"
	}
	var out []probe.Severity
	for s := range strings.SplitSeq(text, ",") {
		s = strings.TrimSpace(s)
		if !slices.Contains(known, s) {
			hint := "the tiers are " + strings.Join(known, ", ")
			if near := policy.Nearest(s, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, &usageError{"unknown severity " + quote(s) + " for --gate", hint}
		}
		out = append(out, probe.Severity(s))
	}
	return out, nil
}

func (a *app) listProbes(o *proveOptions) error {
	selected := probe.All()
	if len(o.only)+len(o.skip) > 0 {
		var err error
		if selected, err = probe.Select(selected, o.only, o.skip, policy.Nearest); err != nil {
			return &usageError{err.Error(), "bailey prove --list lists them all"}
		}
	}
	if a.json {
		return (&probe.Proof{Bailey: bailey.Version(), Gate: []probe.Severity{}, Results: probe.Listed(selected)}).WriteJSON(a.out)
	}
	var b strings.Builder
	for i := range selected {
		p := &selected[i]
		severity := string(p.Severity)
		if p.Control {
			severity = "control"
		}
		fmt.Fprintf(&b, "%-36s %-12s %s\n", p.ID, severity, p.Title)
	}
	_, err := a.out.WriteString(b.String())
	return err
}

// fill puts the scratch paths into the words of a prefix.
func fill(prefix []string, w probe.World) []string {
	r := strings.NewReplacer("{ws}", w.WS, "{home}", w.Home, "{bin}", filepath.Join(w.WS, "tools"), "{base}", w.Base)
	out := make([]string, len(prefix))
	for i, s := range prefix {
		out[i] = r.Replace(s)
	}
	return out
}

// subject is the policy that is proved: that of the current project, moved into
// scratch worlds.
type subject struct {
	plan   *bailey.Plan
	root   string   // the project's directory
	dir    string   // where the box would start: flags are relative to it
	home   string   // the person's home directory
	notes  []string // what the proof does not cover
	given  []string // the flags of the policy, as words
	files  []policyFile
	config string // where the user's own file is
}

type policyFile struct {
	from    string // where it is really
	to      string // "ws" or "config": where it goes
	name    string // below that
	content []byte
	trusted bool
}

// subject reads the policy of the current project. It must load as it is.
func (a *app) subject(o *proveOptions) (*subject, error) {
	pl, err := bailey.Prepare(o.config)
	if err != nil {
		return nil, err
	}
	project, err := layers.FindProject(o.config.Dir)
	if err != nil {
		return nil, err
	}
	facts, err := layers.Look(o.config.Dir, "")
	if err != nil {
		return nil, err
	}
	var notes []string
	if facts.UID != facts.Account.UID {
		notes = append(notes, "the project belongs to user "+strconv.Itoa(facts.Account.UID)+", who bailey run works as; the scratch project belongs to root: run this as that user too")
	}
	s := &subject{plan: pl, notes: notes, root: project.Root, dir: facts.StartDir, home: facts.Home, given: o.given}
	for _, f := range project.Files {
		content, err := layers.Read(f)
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		rel, err := filepath.Rel(project.Root, f)
		if err != nil {
			return nil, fmt.Errorf("read policy: %w", err)
		}
		s.files = append(s.files, policyFile{f, "ws", rel, content, project.Store.Trusted(f, content)})
	}
	s.config = o.config.PolicyFile
	if s.config == "" && facts.ConfigDir != "" {
		for _, f := range policy.Candidates(facts.ConfigDir, "", nil) {
			if f.Layer == policy.LayerUser {
				s.config = f.Path
			}
		}
	}
	if s.config != "" {
		content, err := layers.Read(s.config)
		switch {
		case err == nil:
			s.files = append(s.files, policyFile{s.config, "config", "config.toml", content, false})
		case !errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("read policy: %w", err)
		}
	}
	return s, nil
}

// policy says what of the policy leaves some probes without a meaning: a program of the
// person's that would be run to answer, and rules for programs that are switched off.
func (s *subject) policy() (p probe.Policy, err error) {
	text, err := s.plan.Policy().MarshalJSON()
	if err != nil {
		return p, err
	}
	var pol struct {
		Permissions struct {
			Delegate policy.Value[string] `json:"delegate"`
		} `json:"permissions"`
		Exec struct {
			Supervise policy.Value[string] `json:"supervise"`
		} `json:"exec"`
	}
	if err := json.Unmarshal(text, &pol); err != nil {
		return p, fmt.Errorf("read the policy: %w", err)
	}
	if d := pol.Permissions.Delegate; d.Set {
		p.Answered = "the policy lets a program answer in place of a person (" + plan.Where(d.From) + ")"
	}
	switch x := pol.Exec.Supervise; {
	case s.plan.Mode() == bailey.DangerFullAccess:
		p.Unsupervised = "in mode danger-full-access no program inside is held against rules"
	case x.Set && x.V != "rules":
		p.Unsupervised = "the policy does not hold programs inside against rules (" + plan.Where(x.From) + ")"
	}
	return p, nil
}

func configDir(w probe.World) string { return filepath.Join(w.Home, ".config/bailey") }

// prepare puts copies of the policy files into a world, and trusts those that are.
func (s *subject) prepare(w probe.World) error {
	store, err := trust.Open(filepath.Join(w.Home, ".local/state/bailey"))
	if err != nil {
		return err
	}
	for _, f := range s.files {
		dir := w.WS
		if f.to == "config" {
			dir = configDir(w)
		}
		to := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("copy policy: %w", err)
		}
		if err := os.WriteFile(to, f.content, 0o644); err != nil {
			return fmt.Errorf("copy policy: %w", err)
		}
		if f.trusted {
			if err := store.Add(to, f.content, time.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// flags are the policy's flags with paths moved into the world: what lies below the
// person's home or the project lies below the scratch ones.
func (s *subject) flags(w probe.World) []string {
	out := make([]string, 0, len(s.given))
	for _, f := range s.given {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "--config", "--chdir":
			continue
		case "--read", "--write":
			if !filepath.IsAbs(value) && !strings.HasPrefix(value, "~") && !strings.ContainsAny(value, "*?[") {
				value = filepath.Join(s.dir, value)
			}
			value = s.move(value, w)
		case "--deny":
			value = s.move(value, w)
		}
		out = append(out, name+"="+value)
	}
	return out
}

func (s *subject) move(path string, w probe.World) string {
	if strings.ContainsAny(path, "*?[") || !filepath.IsAbs(path) {
		return path
	}
	for _, m := range [...][2]string{{s.root, w.WS}, {s.home, w.Home}} {
		if path == m[0] {
			return m[1]
		}
		if rest, ok := strings.CutPrefix(path, m[0]+"/"); ok && m[0] != "" && m[0] != "/" {
			return filepath.Join(m[1], rest)
		}
	}
	return path
}

// verbRun is bailey run with a home directory that is not the person's: only a
// program that prove starts is run that way.
const verbRun = "prove-run"

// verbExplain is the program as the one that explains paths of a scratch world: only
// in a process with that world's home and directory are the policy's paths right.
const verbExplain = "prove-explain"

// explain asks for the rules that grant paths.
func (s *subject) explain(self string, w probe.World, paths []string) []probe.Rule {
	text, err := json.Marshal(paths)
	if err != nil {
		return nil
	}
	c := exec.Command(self, append([]string{verbExplain, w.Home}, s.flags(w)...)...)
	c.Dir, c.Env, c.Stdin = w.WS, w.Environ(), strings.NewReader(string(text))
	for _, path := range paths {
		if name, ok := strings.CutPrefix(path, "$"); ok {
			c.Env = append(c.Env, name+"=set") // a variable that is not set passes nowhere
		}
	}
	out, err := c.Output()
	var rules []probe.Rule
	if err != nil || json.Unmarshal(out, &rules) != nil {
		return nil // a reason without the rule is a reason still
	}
	for i := range rules {
		r := &rules[i]
		r.Where = strings.Replace(r.Where, configDir(w)+"/config.toml", s.config, 1)
		r.Where = strings.Replace(r.Where, w.WS+"/", s.root+"/", 1)
		r.Rule = strings.NewReplacer(w.WS, s.root, w.Home, "~").Replace(r.Rule)
	}
	return rules
}

// explainMain is that process.
func explainMain(a *app, args []string) int {
	config := bailey.Config{Home: args[0]}
	args = args[1:]
	v := &verb{name: verbExplain, flags: policyFlags(&config)}
	var paths []string
	_, _, err := v.parse(args)
	if err == nil {
		err = json.NewDecoder(a.in).Decode(&paths)
	}
	var p *bailey.Plan
	if err == nil {
		p, err = bailey.Prepare(config)
	}
	if err != nil {
		return a.code(err)
	}
	rules := make([]probe.Rule, len(paths))
	for i, path := range paths {
		if name, ok := strings.CutPrefix(path, "$"); ok {
			rules[i] = variableRule(p, name)
			continue
		}
		e := p.Explain(path)
		if (e.Read || e.Write) && !e.Own {
			rules[i] = probe.Rule{Granted: true, Rule: e.Rule, Where: plan.Where(e.From)}
			if rules[i].Rule == "" {
				rules[i].Rule = e.Why
			}
		}
	}
	return a.code(a.printJSON(rules))
}

// variableRule is what lets a variable into the box.
func variableRule(p *bailey.Plan, name string) probe.Rule {
	text, err := p.MarshalJSON()
	var pl struct {
		Env []struct {
			Name string        `json:"name"`
			From policy.Source `json:"from"`
		} `json:"env"`
	}
	if err != nil || json.Unmarshal(text, &pl) != nil {
		return probe.Rule{}
	}
	for _, v := range pl.Env {
		if v.Name == name {
			return probe.Rule{Granted: true, Rule: name, Where: plan.Where(v.From)}
		}
	}
	return probe.Rule{}
}

// real goes through what held once more. A policy may give a file of the person's own
// home directory by an absolute path, which no scratch home stands for: then the
// plan itself says that it is open.
func (s *subject) real(results []probe.Result) {
	for i := range results {
		r := &results[i]
		rest, inHome := strings.CutPrefix(r.Path, r.World.Home+"/")
		if r.Status != probe.Held || !r.Reads || !inHome || strings.HasPrefix(r.Path, r.World.WS+"/") {
			continue
		}
		e := s.plan.Explain(filepath.Join(s.home, rest))
		if !e.Read || e.Own || e.Rule == "" || e.From.Layer == "" || e.From.Layer == policy.LayerBuiltin {
			continue
		}
		r.Status, r.Evidence = probe.Escaped, "policy"
		r.Reason = "the plan of this project shows the real one, " + s.plan.Short(e.Path)
		r.Rule = probe.Rule{Granted: true, Rule: e.Rule, Where: plan.Where(e.From)}
	}
}

// hidden runs the program as one of prove's helpers.
func hidden(a *app, args []string) (int, bool) {
	switch {
	case args[0] == verbExplain && len(args) > 1:
		return explainMain(a, args[1:]), true
	case args[0] == verbRun && len(args) > 1:
		return a.code(a.invoke(runVerbAt(a, args[1]), args[2:])), true
	}
	return probe.Hidden(args)
}

// progressLine is one line on a terminal that is written over and over.
type progressLine struct {
	to    *os.File
	shown bool
}

func (a *app) progress() *progressLine {
	if a.quiet || a.json || !term.IsTerminal(int(a.err.Fd())) {
		return &progressLine{}
	}
	return &progressLine{to: a.err}
}

func (p *progressLine) step(done, total int, r *probe.Result) {
	if p.to == nil {
		return
	}
	p.shown = true
	fmt.Fprintf(p.to, "\r\x1b[K%d/%d %s %s", done, total, r.Probe.ID, r.Status)
}

func (p *progressLine) erase() {
	if p.shown {
		p.to.WriteString("\r\x1b[K")
	}
}
