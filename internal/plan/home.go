package plan

import (
	"path"
	"strings"

	"github.com/bailey-run/bailey/internal/policy"
)

// relocated names the variables that move a tool's home on the host, with its
// default below HOME. Paths that the built-in profiles name follow them.
var relocated = [...]struct{ env, dir string }{
	{"GOPATH", "go"}, {"CARGO_HOME", ".cargo"}, {"RUSTUP_HOME", ".rustup"}, {"GRADLE_USER_HOME", ".gradle"}, {"NVM_DIR", ".nvm"},
	{"PYENV_ROOT", ".pyenv"}, {"RBENV_ROOT", ".rbenv"}, {"SDKMAN_DIR", ".sdkman"}, {"ASDF_DATA_DIR", ".asdf"}, {"VOLTA_HOME", ".volta"},
	{"BUN_INSTALL", ".bun"}, {"DENO_INSTALL", ".deno"}, {"PNPM_HOME", ".local/share/pnpm"}, {"MISE_DATA_DIR", ".local/share/mise"},
}

// goEnvFile is what `go env -w` writes.
const goEnvFile = ".config/go/env"

// hostEnv is a variable as it is in force on the host for the box's account:
// the environment of root says nothing about another's files.
func (c *compiler) hostEnv(name string) string {
	if c.f.foreign() {
		return ""
	}
	if v, ok := c.f.env(name); ok && v != "" {
		return v
	}
	if strings.HasPrefix(name, "GO") {
		for line := range strings.Lines(c.f.Files[path.Join(c.f.Account.Home, goEnvFile)]) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == name {
				return v
			}
		}
	}
	return ""
}

// relocation is one tool's home that a variable moves on this host.
type relocation struct{ env, from, to string }

// relocations are those in force.
func (c *compiler) relocations() []relocation {
	if c.relocs == nil {
		c.relocs = make([]relocation, 0, len(relocated))
		for _, r := range relocated {
			to := c.hostEnv(r.env)
			if r.env == "GOPATH" {
				to, _, _ = strings.Cut(to, ":")
			}
			if clean(to) && to != "/" {
				c.relocs = append(c.relocs, relocation{r.env, path.Join(c.f.Account.Home, r.dir), to})
			}
		}
	}
	return c.relocs
}

// follow gives the place where a built-in path really is on this host: moved by
// a variable, which then must be set inside too.
func (c *compiler) follow(v policy.Value[string]) (string, string) {
	if v.From.Layer == policy.LayerBuiltin {
		for _, r := range c.relocations() {
			if under(v.V, r.from) {
				return rebase(v.V, r.from, r.to), r.env
			}
		}
	}
	return v.V, ""
}

// reads puts the paths that the policy makes visible.
func (c *compiler) reads() error {
	for _, v := range c.p.Files.Read {
		p, env := c.follow(v)
		own := v.From.Layer == policy.LayerBuiltin
		if env == "" && !own {
			if err := c.checkRead(p, v.From); err != nil {
				return err
			}
		}
		f := c.f.path(p)
		switch {
		case !f.Exists:
			if err := c.missing(v); err != nil {
				return err
			}
		case own && (c.checkRead(p, v.From) != nil || !c.mayFollow(p, f)):
			c.note("skipped: %s leads out of the home directory", Show(p))
		case c.planted(p, f.Real):
			c.note("not readable: %s (%s): a symbolic link in the workspace leads out of it", Show(p), Where(v.From))
		case c.rootOver(p) != nil:
			// The workspace shows it already.
		case c.checkRead(f.Real, v.From) != nil:
			return c.checkRead(f.Real, v.From)
		default:
			c.t.put(Node{Kind: Bind, Path: p, Source: f.Real, Exec: true, From: v.From})
			c.keepVar(env)
		}
	}
	return nil
}

// keepVar passes a variable of the host on, because the paths of the tree follow it.
func (c *compiler) keepVar(env string) {
	if env != "" {
		c.moved[env] = Var{Name: env, Value: c.hostEnv(env), From: builtin("your environment")}
	}
}

// checkRead refuses to show what would undo the private home.
func (c *compiler) checkRead(p string, from policy.Source) error {
	hint := "name the directories below it that are needed"
	switch {
	case !clean(p):
		return &Error{What: "the readable path is not absolute", Path: p, From: from, Hint: "write it in full, or with ~/"}
	case p == "/":
		return &Error{What: "the root of the file system cannot be made readable as a whole", Path: p, From: from, Hint: hint}
	case under(c.f.Home, p) || under(c.f.Account.Home, p):
		return &Error{What: "the home directory cannot be made readable as a whole", Path: p, From: from, Hint: hint}
	case p == "/home" || p == "/run" || p == "/tmp" || p == "/var/tmp" || p == "/etc":
		return &Error{What: "the directory cannot be made readable as a whole", Path: p, From: from, Hint: hint}
	case under(p, "/proc"), under(p, "/dev"):
		return &Error{What: "the box has its own " + p[:strings.IndexByte(p[1:]+"/", '/')+1] + ", the host's cannot be shown", Path: p, From: from, Hint: "remove the rule"}
	}
	return nil
}

// mayFollow says whether what bailey itself looks for may be shown where a link
// takes it. When root works for someone else, links that leave that one's home
// could lead into root's.
func (c *compiler) mayFollow(p string, f Path) bool {
	if c.checkRead(f.Real, policy.Source{}) != nil {
		return false
	}
	return !c.f.foreign() || under(f.Real, c.f.Account.Home) || c.shown(f.Real)
}

// homeFiles puts the small files of HOME that bailey makes: configuration cleaned
// of everything secret or executable, and a prompt that shows where one is.
func (c *compiler) homeFiles() {
	home := c.f.Account.Home
	extra := ""
	if c.f.Workspace.OwnerUID != c.pl.Identity.HostUID {
		extra = "[safe]\n\tdirectory = " + quoteGit(c.f.Workspace.Root) + "\n"
	}
	from := builtin("git configuration")
	for i, name := range gitConfigs {
		content, dropped := SanitizeGitConfig(c.f.Files[path.Join(home, name)])
		if i == 0 {
			content += extra
		}
		if content != "" {
			c.data(path.Join(c.home, name), content, 0o644, from)
		}
		if dropped > 0 {
			c.note("~/%s: %d settings that hold secrets or run programs are not passed on", name, dropped)
		}
	}
	if env := sanitizeGoEnv(c.f.Files[path.Join(home, goEnvFile)]); env != "" {
		c.data(path.Join(c.home, goEnvFile), env, 0o644, builtin("go env"))
	}
	from = builtin("prompt")
	c.data(path.Join(c.home, ".bashrc"), bashrc, 0o644, from)
	c.data(path.Join(c.home, ".bash_profile"), "[ -r ~/.bashrc ] && . ~/.bashrc\n", 0o644, from)
	c.data(path.Join(c.home, ".zshrc"), zshrc, 0o644, from)
}

// kept puts the directories that are the program's own. They are no writable roots:
// names that act on the host are free in them, because nothing outside looks there.
func (c *compiler) kept() {
	for _, k := range c.f.Kept {
		if c.t.put(Node{Kind: Bind, Path: path.Join(c.home, k.Name), Source: k.Source, Writable: true, Exec: true, From: k.From}) {
			c.pl.Make = append(c.pl.Make, k.Source)
		}
	}
}

// gitConfigs are the files that git reads below HOME.
var gitConfigs = [...]string{".gitconfig", ".config/git/config"}

const bashrc = `# Made by bailey for this box: your own is not visible inside.
for f in /etc/bash.bashrc /etc/bashrc; do [ -r "$f" ] && . "$f" && break; done
case $- in *i*) PS1="(bailey) ${PS1:-\u@\h:\w\$ }" ;; esac
`

const zshrc = `# Made by bailey for this box: your own is not visible inside.
PROMPT="(bailey) ${PROMPT:-%n@%m %~ %# }"
`

// sanitizeGoEnv drops values with a user name or password in an address.
func sanitizeGoEnv(content string) string {
	var b strings.Builder
	for line := range strings.Lines(content) {
		k, v, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || !strings.HasPrefix(k, "GO") && !strings.HasPrefix(k, "CGO") || hasUserinfo(v) || !printable(v) {
			continue
		}
		b.WriteString(k + "=" + v + "\n")
	}
	return b.String()
}
