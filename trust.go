package bailey

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/anchor"
	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// Where the list of trust anchors is inside.
const (
	anchorFile     = "/etc/bailey-anchors.pem"
	anchorFileWeak = ".bailey-anchors.pem" // in the private home directory
)

// maxBundle bounds the host's list of trust anchors, in bytes; usual ones have a
// quarter of a megabyte. A larger one is an error.
const maxBundle = 4 << 20

// dressed is a plan with what only this box has: trust anchors, placeholders.
type dressed struct {
	plan *plan.Plan
	vars []string // NAME=VALUE that the plan did not have
	temp []string // files of the host that the box has open once it stands
}

// environ adds what is this box's own to an environment that was made without it.
func (d *dressed) environ(env []string) []string {
	names := map[string]bool{}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		names[name] = true
	}
	for _, kv := range d.vars {
		if name, _, _ := strings.Cut(kv, "="); !names[name] {
			env = append(env, kv)
		}
	}
	return env
}

// dress returns the box's plan with the session's authority among the trust
// anchors, and placeholders where the secrets would be. Nothing of the host
// changes.
func dress(pl *plan.Plan, facts *plan.Facts, session string, ca []byte, env, files map[string]string) (_ *dressed, err error) {
	d := &dressed{plan: pl}
	c := *pl
	c.Tree, c.Env = slices.Clone(pl.Tree), slices.Clone(pl.Env)
	d.plan = &c
	defer func() {
		if err != nil {
			d.opened()
		}
	}()
	d.browsers()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		d.set(name, env[name])
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		p := name
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			p = filepath.Join(c.Identity.Home, rest)
		}
		if err := d.file(p, files[name]); err != nil {
			return nil, err
		}
	}
	if ca != nil {
		if err := d.trust(facts, session, ca); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *dressed) set(name, value string) {
	d.vars = append(d.vars, name+"="+value)
	v := plan.Var{Name: name, Value: value, From: policy.Source{Layer: policy.LayerBuiltin, File: "box"}}
	i, found := slices.BinarySearchFunc(d.plan.Env, name, func(v plan.Var, n string) int { return strings.Compare(v.Name, n) })
	if found {
		d.plan.Env[i] = v
	} else {
		d.plan.Env = slices.Insert(d.plan.Env, i, v)
	}
}

// file puts a small file into the box.
func (d *dressed) file(p, content string) error {
	n := plan.Node{Kind: plan.Data, Path: p, Content: content, Mode: 0o444, From: policy.Source{Layer: policy.LayerBuiltin, File: "gate"}}
	if pr := d.plan.Private; pr != nil {
		if p != pr.Dir && !strings.HasPrefix(p, pr.Dir+"/") {
			return fmt.Errorf("put %s into the box: in tier landlock only the home directory is the box's own", plan.Show(p))
		}
		c := *pr
		c.Nodes = append(slices.Clone(pr.Nodes), n)
		d.plan.Private = &c
		return nil
	}
	if up := above(d.plan.Tree, p); up != nil && (up.Kind == plan.Bind || up.Kind == plan.Overlay) {
		return fmt.Errorf("put %s into the box: %s is the host's there", plan.Show(p), plan.Show(up.Path))
	}
	d.plan.Tree = append(d.plan.Tree, n)
	return nil
}

// browsers switches Encrypted ClientHello off in the box's browsers: they send a
// false one to every host (GREASE), which the gate refuses because it cannot tell
// it from one that hides a name. Where the box shows the host's own policies of a
// browser, those stay.
func (d *dressed) browsers() {
	if d.plan.Private != nil {
		return
	}
	for _, b := range [...]struct{ path, policy string }{
		{"/etc/chromium/policies/managed/bailey.json", chromiumPolicy},
		{"/etc/opt/chrome/policies/managed/bailey.json", chromiumPolicy},
		{"/etc/opt/chrome_for_testing/policies/managed/bailey.json", chromiumPolicy},
		{"/etc/firefox/policies/policies.json", firefoxPolicy},
	} {
		if up := above(d.plan.Tree, b.path); up == nil || up.Kind == plan.Dir {
			d.plan.Tree = append(d.plan.Tree, plan.Node{Kind: plan.Data, Path: b.path, Content: b.policy, Mode: 0o444, From: policy.Source{Layer: policy.LayerBuiltin, File: "gate"}})
		}
	}
}

// The policies of browsers, https://chromeenterprise.google/policies/ and
// https://mozilla.github.io/policy-templates/.
const (
	chromiumPolicy = `{"EncryptedClientHelloEnabled": false}` + "\n"
	firefoxPolicy  = `{"policies": {"DisableEncryptedClientHello": true}}` + "\n"
)

// above is the node that holds p, the nearest one.
func above(tree []plan.Node, p string) *plan.Node {
	var best *plan.Node
	for i := range tree {
		n := &tree[i]
		if (p == n.Path || n.Path == "/" || strings.HasPrefix(p, n.Path+"/")) && (best == nil || len(n.Path) >= len(best.Path)) {
			best = n
		}
	}
	return best
}

// trust makes the box trust the session's authority, wherever its programs look.
func (d *dressed) trust(facts *plan.Facts, session string, ca []byte) error {
	at := anchorFile
	if d.plan.Private != nil {
		at = d.plan.Private.Dir + "/" + anchorFileWeak
	}
	host, err := hostAnchors(d.plan.Env)
	if err != nil {
		return err
	}
	bundle := anchor.Bundle(host, ca)
	if err := d.file(at, string(bundle)); err != nil {
		return err
	}
	for _, name := range anchor.Variables() {
		d.set(name, at)
	}
	if d.plan.Private != nil {
		return nil
	}
	// Programs that look at the system's list alone: another is mounted over it.
	dir := sessionsDir(facts)
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("place trust anchors: %w", err)
	}
	over := func(paths []string, name string, content func() []byte) error {
		var source string
		for _, p := range paths {
			real, err := filepath.EvalSymlinks(p)
			if err != nil {
				continue
			}
			if up := above(d.plan.Tree, real); up == nil || up.Kind != plan.Bind || up.Source != up.Path || up.Path == real {
				continue
			}
			if source == "" {
				source = filepath.Join(dir, session+name)
				if err := os.WriteFile(source, content(), 0o444); err != nil {
					return fmt.Errorf("place trust anchors: %w", err)
				}
				d.temp = append(d.temp, source)
			}
			n := plan.Node{Kind: plan.Bind, Path: real, Source: source, From: policy.Source{Layer: policy.LayerBuiltin, File: "gate"}}
			if !slices.ContainsFunc(d.plan.Tree, func(o plan.Node) bool { return o.Path == real && o.Source == source }) {
				d.plan.Tree = append(d.plan.Tree, n)
			}
		}
		return nil
	}
	if err := over(anchor.BundlePaths(), ".pem", func() []byte { return bundle }); err != nil {
		return err
	}
	java := anchor.JavaPaths()
	for _, v := range d.plan.Env {
		if v.Name == "JAVA_HOME" {
			java = append(java, v.Value+"/lib/security/cacerts")
		}
	}
	return over(java, ".jks", func() []byte { return anchor.JavaStore(bundle) })
}

// hostAnchors reads what the box would trust: the file that its environment names,
// or the system's.
func hostAnchors(env []plan.Var) ([]byte, error) {
	var paths []string
	for _, v := range env {
		if v.Name == "SSL_CERT_FILE" && v.Value != "" {
			paths = append(paths, v.Value)
		}
	}
	for _, p := range append(paths, anchor.BundlePaths()...) {
		b, err := os.ReadFile(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil && len(b) > maxBundle {
			err = fmt.Errorf("larger than %d bytes", maxBundle)
		}
		if err != nil {
			return nil, fmt.Errorf("read trust anchors: %w", err)
		}
		return b, nil
	}
	return nil, nil
}

// opened removes what the box has open by now, or will never open.
func (d *dressed) opened() {
	for _, f := range d.temp {
		os.Remove(f)
	}
	d.temp = nil
}
