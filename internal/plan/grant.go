package plan

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/name"
	"github.com/bailey-run/bailey/internal/policy"
)

// RefuseGrant says why the path p of the host can never be granted to a program
// inside that asks for it, or "". It goes by the name alone, so it is asked for the
// path as it was written and again for what that leads to.
//
// What a rule denies stays denied, and a place for keys is shown on the command
// line or in a policy file alone, where a person thinks of it without being asked.
func RefuseGrant(pol *policy.Policy, f *Facts, p string, write bool) string {
	c := &compiler{p: pol, f: f, moved: map[string]Var{}}
	if err, ok := c.checkRead(p, policy.Source{}).(*Error); ok && err != nil {
		return err.What
	}
	if write {
		if err := c.checkRoot("the path", p, policy.Source{}); err != nil {
			return err.What
		}
	}
	for _, own := range c.ownDirs() {
		if under(p, own) {
			return "it lies in bailey's own directories"
		}
	}
	for _, k := range c.keyPlaces() {
		if under(p, k) {
			return "it is a place for keys, which is not granted to a program that asks; a person can name it in the policy"
		}
	}
	m, err := name.Compile(name.Rules{Deny: values(pol.Files.Deny)})
	if err != nil {
		return "the rules about names are not valid"
	}
	if v := m.Check(name.Read, []byte(p), false); v.Act == name.Refuse {
		return "files.deny has " + v.Rule
	}
	return ""
}

func (c *compiler) ownDirs() []string {
	var out []string
	for _, d := range [...]string{c.f.StateDir, c.f.CacheDir, c.f.ConfigDir} {
		if d != "" {
			out = append(out, d)
		}
	}
	return out
}

// keyFiles, below HOME, hold passwords and tokens beside the directories for keys: of
// programs that fetch, of package managers, and of browsers.
var keyFiles = [...]string{
	".netrc", ".git-credentials", ".config/git/credentials", ".docker", ".npmrc", ".yarnrc.yml", ".pypirc", ".gem/credentials", ".cargo/credentials", ".cargo/credentials.toml",
	".vault-token", ".pgpass", ".my.cnf", ".mozilla", ".config/google-chrome", ".config/chromium", ".config/BraveSoftware", ".config/microsoft-edge", ".config/op", ".config/sops",
}

func (c *compiler) keyPlaces() []string {
	var out []string
	for _, home := range [...]string{c.f.Home, c.f.Account.Home} {
		if home == "" {
			continue
		}
		for _, d := range append(keyDirs[:], keyFiles[:]...) {
			out = append(out, path.Join(home, d))
		}
	}
	return out
}

// hiddenPlaces are the paths that no grant opens: bailey's own, places for keys, and
// what rules deny by its path.
func (c *compiler) hiddenPlaces() []string {
	list := append(c.ownDirs(), c.keyPlaces()...)
	for _, v := range c.p.Files.Deny {
		if p, ok := policy.Literal(v.V); ok {
			list = append(list, p)
		}
	}
	return list
}

// LeadsHidden says whether real, a path without links, is what one of the paths that
// no grant opens leads to: ~/.ssh may be a link to a directory of another name. look
// is as in [GrantMasks].
func LeadsHidden(pol *policy.Policy, f *Facts, real string, look func(string) Path) bool {
	c := &compiler{p: pol, f: f, moved: map[string]Var{}}
	for _, p := range c.hiddenPlaces() {
		if at := look(p); at.Exists && under(real, at.Real) {
			return true
		}
	}
	return false
}

// GrantMasks are what stays hidden below a directory that is granted: what rules
// deny by its path, bailey's own, and places for keys. Patterns are the name
// broker's, which looks at every open when there is one. look says what a path of
// the host leads to.
func GrantMasks(pol *policy.Policy, f *Facts, dir string, look func(string) Path) []Node {
	c := &compiler{p: pol, f: f, moved: map[string]Var{}}
	t := tree{nodes: map[string]Node{}}
	for _, p := range c.hiddenPlaces() {
		at := look(p)
		if !at.Exists || at.Real == dir || !under(at.Real, dir) {
			continue
		}
		mode := uint32(maskFile)
		if at.IsDir {
			mode = maskDir
		}
		t.put(Node{Kind: Mask, Path: at.Real, Mode: mode, From: builtin("denied")})
	}
	for p := range t.nodes {
		if _, ok := t.above(p); ok { // nothing lies below what is masked
			delete(t.nodes, p)
		}
	}
	return t.sorted()
}

// GrantLater says why p cannot be shown to what runs in a box of pl already, or "".
func GrantLater(pl *Plan, p string) string {
	switch {
	case pl.Tier != policy.TierFull:
		return "in tier " + string(pl.Tier) + " what a command may read is fixed when it starts"
	case pl.Landlock.Strict:
		return "with files.strict what a command may read is fixed when it starts"
	}
	// A directory that the box can rename changes the name under which a pattern
	// for one place would be looked for.
	t := tree{nodes: make(map[string]Node, len(pl.Tree))}
	for _, n := range pl.Tree {
		t.nodes[n.Path] = n
	}
	if up, ok := t.above(p); ok && up.Kind == Scratch && strings.Contains(p[len(up.Path)+1:], "/") {
		for _, d := range pl.Names.Deny {
			if _, literal := policy.Literal(d); !literal && strings.Contains(strings.TrimPrefix(d, "**/"), "/") {
				return "files.deny has " + d + ", a pattern for one place"
			}
		}
	}
	return ""
}

// With is the network with one more rule.
func (n *Network) With(rule string, from policy.Source) (*Network, error) {
	r, err := netRule(policy.Value[string]{V: rule, From: from})
	if err != nil {
		return nil, err
	}
	out := *n
	out.Allow = append(out.Allow[:len(out.Allow):len(out.Allow)], r)
	return &out, nil
}
