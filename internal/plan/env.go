package plan

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// defaultPath is PATH inside when the caller has none that leads anywhere.
const defaultPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

// pathVars name files and directories of the host; they pass only when what they
// name can be seen inside.
var pathVars = [...]string{
	"GOTMPDIR", "GOROOT", "GOPATH", "GOBIN", "GOMODCACHE", "GOCACHE", "GOENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
	"PIP_CERT", "AWS_CA_BUNDLE", "JAVA_HOME", "NVM_DIR", "NVM_BIN", "PYENV_ROOT", "RBENV_ROOT", "ASDF_DATA_DIR", "SDKMAN_DIR", "VOLTA_HOME", "BUN_INSTALL", "DENO_INSTALL", "PNPM_HOME", "CARGO_HOME", "RUSTUP_HOME",
	"GRADLE_USER_HOME", "MISE_DATA_DIR", "VIRTUAL_ENV", "CONDA_PREFIX", "npm_config_cache", "PIP_CACHE_DIR", "UV_CACHE_DIR", "TERMINFO", "LOCPATH",
}

// npmRetries is set where there is no network for npm to try again.
const npmRetries = "NPM_CONFIG_FETCH_RETRIES"

// ownVars are set by bailey and never taken from the caller.
var ownVars = [...]string{"HOME", "PATH", "TMPDIR", "TMP", "TEMP", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "BAILEY", "BAILEY_MODE", "GIT_TEMPLATE_DIR"}

// env makes the environment of a walled box: an allow list.
func (c *compiler) env() {
	vars := c.passed(func(v string) bool { return c.visible(v) })
	own := builtin("box")
	for _, v := range [...][2]string{
		{"HOME", c.home}, {"TMPDIR", "/tmp"}, {"USER", c.pl.Identity.User}, {"LOGNAME", c.pl.Identity.User}, {"SHELL", c.shell()},
		{"PATH", c.searchPath()}, {"BAILEY", "1"}, {"BAILEY_MODE", string(c.pl.Mode)},
	} {
		vars[v[0]] = Var{Name: v[0], Value: v[1], From: own}
	}
	for _, k := range c.f.Kept {
		if k.Env != "" {
			vars[k.Env] = Var{Name: k.Env, Value: path.Join(c.home, k.Name), From: k.From}
		}
	}
	if c.p.Files.NestedGit.V == "hold" {
		// The sample hooks of git's template are protected names: without this a new
		// repository could not be made.
		vars["GIT_TEMPLATE_DIR"] = Var{Name: "GIT_TEMPLATE_DIR", From: own}
	}
	c.pl.Env = c.finish(vars)
}

// openEnv is the environment without walls: the caller's, without what the policy denies.
func (c *compiler) openEnv() {
	vars := map[string]Var{}
	for _, e := range c.f.Env {
		if k, v, ok := strings.Cut(e, "="); ok && k != "" && !c.personDenies(k) {
			vars[k] = Var{Name: k, Value: v, Inherited: true}
		}
	}
	vars["BAILEY"] = Var{Name: "BAILEY", Value: "1", From: builtin("box")}
	vars["BAILEY_MODE"] = Var{Name: "BAILEY_MODE", Value: string(c.pl.Mode), From: builtin("box")}
	c.pl.Env = c.finish(vars)
}

// personDenies leaves out the built-in net of names that look like secrets.
func (c *compiler) personDenies(name string) bool {
	pass, rule, found := c.p.Env.Decide(name)
	return found && !pass && rule.From.Layer != policy.LayerBuiltin
}

// passed are the caller's variables that the policy lets through. seen says
// whether a path is visible inside.
func (c *compiler) passed(seen func(string) bool) map[string]Var {
	vars := make(map[string]Var, 32)
	for _, e := range c.f.Env {
		k, v, ok := strings.Cut(e, "=")
		if !ok || k == "" || has(ownVars[:], k) || strings.HasPrefix(k, "XDG_") || strings.IndexByte(e, 0) >= 0 {
			continue
		}
		from, pass := c.decide(k)
		if !pass {
			continue
		}
		if has(pathVars[:], k) && !seen(v) {
			c.note("%s is not passed on: what it names is not visible inside", k)
			continue
		}
		vars[k] = Var{Name: k, Value: v, Inherited: true, From: from}
	}
	for k, v := range c.moved {
		if !c.denied(k) {
			vars[k] = v
		}
	}
	return vars
}

// Printable is the variable's value for people and logs: what comes from the
// caller through a rule that someone added may be a secret, and is not shown.
func (v Var) Printable() string {
	if v.Inherited && v.From.Layer != policy.LayerBuiltin {
		return "(from your environment, not shown)"
	}
	return v.Value
}

// MarshalJSON writes the printable form.
func (v Var) MarshalJSON() ([]byte, error) {
	type plain Var
	v.Value = v.Printable()
	return json.Marshal(plain(v))
}

// finish adds what the policy sets, and sorts.
func (c *compiler) finish(vars map[string]Var) []Var {
	for k, v := range c.p.Env.Set {
		if c.pl.Network != nil && k == npmRetries && v.From.Layer == policy.LayerBuiltin {
			continue // it is for boxes without a network
		}
		if v.Set && k != "" && !c.denied(k) {
			vars[k] = Var{Name: k, Value: v.V, From: v.From}
		}
	}
	out := make([]Var, 0, len(vars))
	for _, v := range vars {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Var) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// decide asks the policy about a variable of the caller. Most are named by no
// rule at all, and the deny list is long: those never reach it.
func (c *compiler) decide(name string) (policy.Source, bool) {
	for i := range c.p.Env.Allow {
		if star(c.p.Env.Allow[i].V, name) {
			pass, rule, _ := c.p.Env.Decide(name)
			return rule.From, pass
		}
	}
	return policy.Source{}, false
}

// denied says that the policy forbids a variable that bailey itself would pass.
func (c *compiler) denied(name string) bool {
	pass, _, found := c.p.Env.Decide(name)
	return found && !pass
}

// star matches a name against a pattern in which * is any run of characters.
func star(pattern, name string) bool {
	head, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], after
	}
}

// visible says whether the host's path p can be seen inside under the same name.
func (c *compiler) visible(p string) bool {
	f := c.f.path(path.Clean(p))
	if !clean(path.Clean(p)) || !f.Exists {
		return false
	}
	if _, _, ok := c.t.host(path.Clean(p)); !ok {
		return false
	}
	_, _, ok := c.t.host(f.Real)
	n, at := c.t.nodes[path.Clean(p)]
	return ok || at && hostBacked(n)
}

// searchPath is PATH inside: the caller's entries that are there, in their order.
func (c *compiler) searchPath() string {
	var out []string
	for _, e := range c.f.pathEntries() {
		if c.f.path(e).IsDir && c.visibleDir(e) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return defaultPath
	}
	return strings.Join(out, ":")
}

// visibleDir is visible for directories that the tree may show under a place of
// their own, with a source elsewhere.
func (c *compiler) visibleDir(p string) bool {
	host, _, ok := c.t.host(p)
	if !ok {
		return false
	}
	if host == c.f.path(p).Real {
		return true
	}
	return c.visible(p)
}
