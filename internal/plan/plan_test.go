package plan

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bailey-run/bailey/internal/policy"
)

var update = flag.Bool("update", false, "write the golden files")

// machine is a host made of a table: a path, and what it is. A line ending in a
// slash is a directory, one with an arrow a symbolic link, anything else a file.
type machine map[string]Path

func newMachine(lines string) machine {
	m := machine{}
	links := map[string]string{}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if p, target, ok := strings.Cut(line, " -> "); ok {
			links[p] = target
			continue
		}
		mode := uint32(0o644)
		if p, private := strings.CutSuffix(line, " private"); private {
			line, mode = p, 0o600
		}
		if p, ok := strings.CutSuffix(line, "/"); ok {
			m[p] = Path{Exists: true, IsDir: true, Real: p, Mode: mode | 0o111}
		} else {
			m[line] = Path{Exists: true, Regular: !strings.HasPrefix(line, "/dev/"), Real: line, Mode: mode | 0o111, Size: 100}
		}
		for d := path.Dir(strings.TrimSuffix(line, "/")); d != "/"; d = path.Dir(d) {
			if _, ok := m[d]; !ok {
				m[d] = Path{Exists: true, IsDir: true, Real: d, Mode: 0o755}
			}
		}
	}
	for p, target := range links {
		to := target
		if !strings.HasPrefix(to, "/") {
			to = path.Join(path.Dir(p), to)
		}
		e := m[to]
		e.Link = target
		m[p] = e
	}
	return m
}

// look resolves the links of directories on the way too.
func (m machine) look(p string) Path {
	for d := path.Dir(p); d != "/"; d = path.Dir(d) {
		if e := m[d]; e.Link != "" && e.Exists {
			inner := m.look(e.Real + p[len(d):])
			return inner
		}
	}
	return m[p]
}

// answer fills in the facts like package host does.
func (m machine) answer(p *policy.Policy, f *Facts) {
	w := Wants(p, f)
	f.Paths, f.Globs = map[string]Path{}, map[string][]string{}
	for _, q := range w.Paths {
		f.Paths[q] = m.owned(q, f)
	}
	for _, g := range w.Globs {
		for q := range m {
			if ok, _ := path.Match(g, q); ok {
				f.Globs[g] = append(f.Globs[g], q)
				f.Paths[q] = m.owned(q, f)
			}
		}
		slices.Sort(f.Globs[g])
	}
}

// owned gives the account what lies below its home.
func (m machine) owned(p string, f *Facts) Path {
	e := m.look(p)
	if e.Exists && under(e.Real, f.Account.Home) {
		e.UID = f.Account.UID
	}
	return e
}

const system = `
/usr/bin/
/usr/local/bin/
/usr/local/go/bin/
/usr/lib/
/usr/share/zoneinfo/Europe/Berlin
/usr/bin/bash
/usr/bin/zsh
/bin -> usr/bin
/lib -> usr/lib
/opt/
/etc/passwd
/etc/group
/etc/hosts
/etc/hostname
/etc/nsswitch.conf
/etc/secret.conf private
/etc/ssl/certs/
/etc/ssl/openssl.cnf
/etc/ssl/private/ private
/etc/alternatives/
/etc/java-21/
/etc/bash.bashrc
/etc/resolv.conf -> /run/systemd/resolve/stub-resolv.conf
/etc/localtime -> /usr/share/zoneinfo/Europe/Berlin
/run/systemd/resolve/stub-resolv.conf
/dev/null
/dev/zero
/dev/full
/dev/random
/dev/urandom
/dev/tty
/dev/pts/
/dev/ptmx
/proc/keys
/proc/key-users
/proc/sysrq-trigger
/sys/devices/system/cpu/
/sys/kernel/mm/transparent_hugepage/enabled
/sys/kernel/mm/transparent_hugepage/hpage_pmd_size
`

func val[T any](v T, layer policy.Layer, file string, line int) policy.Value[T] {
	return policy.Value[T]{V: v, Set: true, From: policy.Source{Layer: layer, File: file, Line: line}}
}

func vals(layer policy.Layer, file string, vs ...string) []policy.Value[string] {
	var out []policy.Value[string]
	for i, v := range vs {
		out = append(out, val(v, layer, file, i+1))
	}
	return out
}

// rules is a policy like the default one for a Go project of ann.
func rules(home string) *policy.Policy {
	b := policy.LayerBuiltin
	return &policy.Policy{
		Mode:     val(policy.WorkspaceWrite, b, "profile:default", 1),
		MinTier:  val(policy.TierFull, b, "profile:default", 2),
		Profiles: []policy.Value[string]{val("default", b, "profile:default", 0), val("go", b, "detected:go.mod", 0)},
		Files: policy.Files{
			System:  vals(b, "profile:default", "/usr", "/bin", "/lib", "/lib64", "/opt"),
			Etc:     vals(b, "profile:default", "ssl/certs", "ssl/openssl.cnf", "ssl/private", "alternatives", "nsswitch.conf", "secret.conf", "resolv.conf", "localtime", "hosts", "bash.bashrc", "java-*", "missing"),
			Read:    vals(b, "profile:go", home+"/go/bin", home+"/sdk", home+"/.nvm"),
			Protect: vals(b, "profile:default", ".envrc", ".vscode", "**/.config/fish", "bailey.toml", "*.code-workspace"),
			Caches: []policy.Value[policy.Cache]{
				val(policy.Cache{Path: home + "/.cache/go-build", Env: "GOCACHE"}, b, "profile:go", 4),
				val(policy.Cache{Path: home + "/go/pkg/mod", Env: "GOMODCACHE"}, b, "profile:go", 5),
				val(policy.Cache{Path: home + "/.cache/staticcheck"}, b, "profile:go", 6),
			},
			Missing:   val("skip", b, "profile:default", 3),
			NestedGit: val("deny", b, "profile:default", 4),
		},
		Env: policy.Env{
			Allow: vals(b, "profile:default", "LANG", "LC_*", "TERM", "PATH", "HOME", "GOFLAGS", "GOROOT", "SSL_CERT_FILE"),
			Deny:  vals(b, "profile:default", "*TOKEN*", "AWS_*"),
			Set:   map[string]policy.Value[string]{},
		},
		Limits: policy.Limits{Memory: val(int64(8<<30), b, "profile:default", 9), Pids: val(int64(4096), b, "profile:default", 10), Timeout: val(int64(0), b, "", 0)},
	}
}

var strong = Kernel{Release: "6.18.0", UserNS: true, LandlockABI: 7, SeccompNotify: true, Overlay: "upper", FreshProc: true}

// laptop is ann in her Go project.
func laptop() (*policy.Policy, *Facts, machine) {
	f := &Facts{
		OS: "linux", Arch: "amd64", UID: 1000, GID: 1000, User: "ann", Home: "/home/ann",
		Account:   Account{UID: 1000, GID: 1000, Name: "ann", Home: "/home/ann", Shell: "/bin/zsh"},
		StartDir:  "/home/ann/src/app/cmd",
		Workspace: Workspace{Root: "/home/ann/src/app", OwnerUID: 1000, OwnerGID: 1000, Names: []string{".envrc", ".git", ".vscode", "app.code-workspace", "cmd", "go.mod"}},
		Env:       []string{"PATH=/home/ann/.local/bin:/home/ann/go/bin:/home/ann:/home/ann/src:/usr/local/go/bin:/usr/bin:/bin:relative::/mnt/c/Windows:/home/ann/src/app/bin", "HOME=/evil", "LANG=de_DE.UTF-8", "GITHUB_TOKEN=s3cret", "TERM=xterm", "EDITOR=vi", "XDG_RUNTIME_DIR=/run/user/1000", "SSL_CERT_FILE=/home/ann/ca.pem"},
		Kernel:    strong,
		StateDir:  "/home/ann/.local/state/bailey", CacheDir: "/home/ann/.cache/bailey/projects/0123", ConfigDir: "/home/ann/.config/bailey",
		Files: map[string]string{
			"/home/ann/.gitconfig":     "[user]\n\tname = Ann\n\temail = ann@example.org\n[credential]\n\thelper = store\n[url \"https://ann:pw@x/\"]\n\tinsteadOf = x:\n[commit]\n\tgpgsign = true\n",
			"/home/ann/.config/go/env": "GOFLAGS=-mod=mod\nGOPROXY=https://ann:pw@proxy/\n",
		},
	}
	m := newMachine(system + `
/home/ann/.local/bin/
/home/ann/.local/share/uv/tools/
/home/ann/go/bin/
/home/ann/go/pkg/mod/
/home/ann/.cache/go-build/
/home/ann/.ssh/id_ed25519 private
/home/ann/ca.pem
/home/ann/src/other/
/home/ann/src/app/bin/
/home/ann/src/app/cmd/
/home/ann/src/app/.envrc
/home/ann/src/app/.git/hooks/
/home/ann/src/app/.git/config
/home/ann/src/app/.vscode -> ../other
/home/ann/src/app/app.code-workspace
/home/ann/src/app/secrets/key.pem
/mnt/c/Windows/
`)
	return rules("/home/ann"), f, m
}

// scenarios are the machines of the golden files.
func scenarios() map[string]func() (*policy.Policy, *Facts, machine) {
	return map[string]func() (*policy.Policy, *Facts, machine){
		"laptop": laptop,
		"read-only": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			p.Mode = val(policy.ReadOnly, policy.LayerFlag, "--mode", 0)
			return p, f, m
		},
		"deny": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			p.Files.Deny = vals(policy.LayerUser, "/home/ann/.config/bailey/config.toml", "**/.env", "/home/ann/src/app/secrets", "/home/ann/go/bin", "/usr/lib", "/home/ann/nothing")
			return p, f, m
		},
		"landlock": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			p.MinTier = val(policy.TierLandlock, policy.LayerFlag, "--min-tier", 0)
			f.Kernel.UserNS, f.Kernel.LandlockABI = false, 6
			return p, f, m
		},
		"danger": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			p.Mode = val(policy.DangerFullAccess, policy.LayerFlag, "--mode", 0)
			return p, f, m
		},
		"worktree": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			f.StartDir = "/home/ann/trees/fix"
			f.Workspace = Workspace{Root: "/home/ann/trees/fix", OwnerUID: 1000, OwnerGID: 1000, Names: []string{".git", "go.mod"}, GitDirs: []string{"/home/ann/src/app/.git"}}
			m["/home/ann/trees/fix"] = Path{Exists: true, IsDir: true, Real: "/home/ann/trees/fix", Mode: 0o755}
			return p, f, m
		},
		"submodule-weak-kernel": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			f.StartDir = "/home/ann/src/app/sub"
			f.Workspace = Workspace{Root: "/home/ann/src/app/sub", OwnerUID: 1000, OwnerGID: 1000, Names: []string{".git"}, GitDirs: []string{"/home/ann/src/app/.git/modules/sub"}}
			for _, d := range []string{"/home/ann/src/app/sub", "/home/ann/src/app/.git/modules/sub", "/home/ann/src/app/.git/modules/sub/hooks"} {
				m[d] = Path{Exists: true, IsDir: true, Real: d, Mode: 0o755}
			}
			f.Kernel.Overlay, f.Kernel.LandlockABI = "", 0
			return p, f, m
		},
		"root-for-ann": func() (*policy.Policy, *Facts, machine) {
			p, f, m := laptop()
			f.UID, f.GID, f.User, f.Home = 0, 0, "root", "/root"
			f.StateDir, f.ConfigDir = "/root/.local/state/bailey", "/root/.config/bailey"
			f.Env = append(f.Env, "GOCACHE=/root/cache")
			m["/home/ann/.nvm"] = Path{Exists: true, IsDir: true, Real: "/root/nvm", Link: "/root/nvm", Mode: 0o755}
			return p, f, m
		},
		"root": func() (*policy.Policy, *Facts, machine) {
			_, f, m := laptop()
			f.UID, f.GID, f.User, f.Home = 0, 0, "root", "/root"
			f.Account = Account{Name: "root", Home: "/root", Shell: "/bin/bash"}
			f.StartDir = "/usr/local/src/my app\n\xff"
			f.Workspace = Workspace{Root: f.StartDir, Names: []string{".git"}}
			f.StateDir, f.CacheDir, f.ConfigDir = "/root/.local/state/bailey", "/root/.cache/bailey/projects/1", "/root/.config/bailey"
			m[f.StartDir] = Path{Exists: true, IsDir: true, Real: f.StartDir, Mode: 0o755}
			return rules("/root"), f, m
		},
	}
}

func compile(t *testing.T, p *policy.Policy, f *Facts, m machine) *Plan {
	t.Helper()
	m.answer(p, f)
	pl, err := Compile(p, f)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func TestGolden(t *testing.T) {
	for name, make := range scenarios() {
		t.Run(name, func(t *testing.T) {
			p, f, m := make()
			pl := compile(t, p, f, m)
			data, err := json.MarshalIndent(pl, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			for ext, got := range map[string]string{".txt": pl.Text(), ".json": string(data) + "\n"} {
				file := filepath.Join("testdata", name+ext)
				if *update {
					if err := os.MkdirAll("testdata", 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("%s (-want +got; go test -update writes it):\n%s", file, d)
				}
				for _, secret := range []string{"s3cret", "ann:pw", "/mnt/c/Windows:"} {
					if strings.Contains(got, secret) && name != "danger" {
						t.Errorf("%s holds %q", file, secret)
					}
				}
			}
		})
	}
}

// A version manager's programs look for the version to run in the whole of its
// directory: one entry of PATH in it shows all of it, once.
func TestVersionManagers(t *testing.T) {
	p, f, m := laptop()
	f.Env = append(f.Env[1:], "PATH=/home/ann/.pyenv/plugins/x/shims:/home/ann/.pyenv/shims:/home/ann/.cargo/bin:/usr/bin")
	for _, d := range []string{"/home/ann/.pyenv", "/home/ann/.pyenv/shims", "/home/ann/.pyenv/plugins/x/shims", "/home/ann/.cargo/bin", "/home/ann/.rustup"} {
		m[d] = Path{Exists: true, IsDir: true, Real: d, UID: 1000, Mode: 0o755}
	}
	var got []string
	for _, n := range compile(t, p, f, m).Tree {
		if n.Kind == Bind && (under(n.Path, "/home/ann/.pyenv") || under(n.Path, "/home/ann/.rustup") || under(n.Path, "/home/ann/.cargo")) {
			got = append(got, n.Path)
		}
	}
	if want := []string{"/home/ann/.cargo/bin", "/home/ann/.pyenv", "/home/ann/.rustup"}; !reflect.DeepEqual(got, want) {
		t.Errorf("shown: %q, want %q", got, want)
	}
}

func TestDeterministic(t *testing.T) {
	for name, make := range scenarios() {
		p, f, m := make()
		first := compile(t, p, f, m)
		for range 20 {
			p, f, m := make()
			m.answer(p, f)
			if got, err := Compile(p, f); err != nil || !reflect.DeepEqual(first, got) {
				t.Fatalf("%s: another compilation differs: %v\n%s", name, err, cmp.Diff(first.Text(), got.Text()))
			}
		}
	}
}

// Whatever the machine: parents before children, one node a path, nothing
// mounted into a host directory where the host has nothing, no secret place
// shown, and every protection over something that is shown writable.
func TestTreeProperties(t *testing.T) {
	for name, make := range scenarios() {
		p, f, m := make()
		pl := compile(t, p, f, m)
		tr := tree{nodes: map[string]Node{}}
		for i, n := range pl.Tree {
			if !clean(n.Path) || n.Path == "/" {
				t.Errorf("%s: node at %q", name, n.Path)
			}
			if !tr.put(n) {
				t.Errorf("%s: two nodes at %q", name, n.Path)
			}
			for _, later := range pl.Tree[i+1:] {
				if later.Path != n.Path && under(n.Path, later.Path) {
					t.Errorf("%s: %q comes before its parent %q", name, n.Path, later.Path)
				}
			}
		}
		for _, n := range pl.Tree {
			up, ok := tr.above(n.Path)
			if ok && hostBacked(up) && !m.look(rebase(n.Path, up.Path, up.Source)).Exists {
				t.Errorf("%s: %q would have to be made in the host's %q", name, n.Path, up.Source)
			}
			if n.Pin && n.Kind == Bind && (!ok || !up.Writable) {
				t.Errorf("%s: %q is protected in something that is not writable", name, n.Path)
			}
			for _, secret := range []string{"/home/ann/.ssh", "/home/ann/.gitconfig", "/etc/shadow", "/etc/secret.conf", "/etc/ssl/private", "/home/ann/src/other", "/root"} {
				if n.Source != "" && n.Kind != Symlink && hostBacked(n) && overlap(n.Source, secret) && f.Account.Home != "/root" {
					t.Errorf("%s: %q shows %q", name, n.Path, n.Source)
				}
			}
		}
		if id := pl.Identity; pl.Tier == policy.TierFull && (id.UID == 0 || id.GID == 0) {
			t.Errorf("%s: id 0 inside: %+v", name, id)
		}
	}
}

func TestRefusedWorkspaces(t *testing.T) {
	for _, tt := range []struct{ root, say string }{
		{"/", "root of the file system"}, {"/home/ann", "the home directory"}, {"/home/ann/.ssh", "a place for keys"}, {"/home/ann/.config/gh/x", "a place for keys"}, {"/home", "home"}, {"/usr", "system"}, {"/tmp", "system"}, {"/proc/1", "kernel"},
		{"/home/ann/.config/bailey", "bailey's own"}, {"/home/ann/.cache", "bailey's own"}, {"/home/ann/.local/state/bailey/x", "bailey's own"}, {"/dev/shm", "system"}, {"/usr/local", "system"},
	} {
		for _, mode := range []policy.Mode{policy.WorkspaceWrite, policy.ReadOnly} {
			p, f, m := laptop()
			p.Mode.V = mode
			f.StartDir, f.Workspace.Root = tt.root, tt.root
			m.answer(p, f)
			_, err := Compile(p, f)
			var e *Error
			if e, _ = err.(*Error); e == nil {
				t.Errorf("%s in %s: %v", tt.root, mode, err)
				continue
			}
			if !strings.Contains(e.Error(), tt.say) || e.Hint == "" {
				t.Errorf("%s: %q, hint %q", tt.root, e, e.Hint)
			}
		}
	}
}

func TestOddWorkspaces(t *testing.T) {
	for _, root := range []string{"/tmp/x/y", "/tmp/x", "/var/tmp/p", "/home/ann/a b", "/home/ann/new\nline/p", "/home/ann/\xff\xfe", "/root/p", "/opt/p", "/usr/local/src/p", "/dev/shm/p", "/srv/p", "/run/p/q", "/home/ann/.cache/go-build/p", "/home/ann/go/src/p", "/etc/nixos"} {
		p, f, m := laptop()
		f.StartDir, f.Workspace.Root, f.Workspace.Names = root, root, nil
		m[root] = Path{Exists: true, IsDir: true, Real: root, Mode: 0o755}
		pl := compile(t, p, f, m)
		if e := Explain(p, pl, root+"/file"); !e.Read || !e.Write || e.Host != root+"/file" {
			t.Errorf("%q: %+v", root, e)
		}
		if !slices.Equal(pl.Writable, []string{root}) {
			t.Errorf("%q: writable %q", root, pl.Writable)
		}
		if strings.Contains(pl.Text(), root) && (strings.Contains(root, "\n") || strings.Contains(root, "\xff")) {
			t.Errorf("%q is printed as it is", root)
		}
	}
}

// In a scratch directory the box could rename what is above the workspace.
func TestParentsAreHeld(t *testing.T) {
	for root, want := range map[string]string{"/tmp/a/b/c": "/tmp/a", "/home/ann/src/app": "/home/ann/src", "/tmp/a": "", "/srv/a/b": "", "/usr/local/src/a": ""} {
		p, f, m := laptop()
		f.StartDir, f.Workspace.Root, f.Workspace.Names = root, root, nil
		m[root] = Path{Exists: true, IsDir: true, Real: root, Mode: 0o755}
		var held []string
		for _, n := range compile(t, p, f, m).Tree {
			if n.Kind == Dir && n.Pin {
				held = append(held, n.Path)
			}
		}
		if got := strings.Join(held, " "); got != want {
			t.Errorf("%s: held %q, want %q", root, got, want)
		}
	}
}

// A link in the workspace, which an earlier run may have planted, opens nothing.
func TestPlantedLinks(t *testing.T) {
	p, f, m := laptop()
	m["/home/ann/src/app/out"] = Path{Exists: true, IsDir: true, Real: "/home/ann/.ssh", Link: "../../.ssh", Mode: 0o700}
	m["/home/ann/src/app/vendor"] = m["/home/ann/src/app/out"]
	p.Files.Write = vals(policy.LayerUser, "u.toml", "/home/ann/src/app/out")
	p.Files.Read = append(p.Files.Read, vals(policy.LayerUser, "u.toml", "/home/ann/src/app/vendor")...)
	pl := compile(t, p, f, m)
	for _, n := range pl.Tree {
		if under(n.Source, "/home/ann/.ssh") {
			t.Errorf("%s shows %s", n.Path, n.Source)
		}
	}
	if notes := strings.Join(pl.Notes, "\n"); strings.Count(notes, "symbolic link in the workspace") != 2 {
		t.Errorf("notes: %s", notes)
	}
}

func TestConfiguredPaths(t *testing.T) {
	user := func(ps ...string) []policy.Value[string] { return vals(policy.LayerUser, "/u.toml", ps...) }
	for _, tt := range []struct {
		name   string
		change func(*policy.Policy)
		err    string
	}{
		{"write home", func(p *policy.Policy) { p.Files.Write = user("/home/ann") }, "/u.toml:1: the writable path cannot be used, it is the home directory"},
		{"read home", func(p *policy.Policy) { p.Files.Read = user("/home/ann") }, "/u.toml:1: the home directory cannot be made readable as a whole"},
		{"read all", func(p *policy.Policy) { p.Files.Read = user("/") }, "root of the file system cannot be made readable"},
		{"read proc", func(p *policy.Policy) { p.Files.Read = user("/proc/1") }, "the box has its own /proc"},
		{"missing is an error", func(p *policy.Policy) { p.Files.Missing.V = "error"; p.Files.Read = user("/home/ann/none") }, "does not exist"},
		{"missing write is an error", func(p *policy.Policy) { p.Files.Missing.V = "error"; p.Files.Write = user("/home/ann/none") }, "does not exist"},
		{"missing is skipped", func(p *policy.Policy) { p.Files.Read, p.Files.Write = user("/home/ann/none"), user("/home/ann/none") }, ""},
		{"deny the workspace", func(p *policy.Policy) { p.Files.Deny = user("/home/ann/src") }, "the denied path holds the workspace"},
		{"deny the start directory", func(p *policy.Policy) { p.Files.Deny = user("/home/ann/src/app/cmd") }, "the denied path holds the workspace"},
		{"deny all", func(p *policy.Policy) { p.Files.Deny = user("/home/**") }, "the denied pattern holds the workspace"},
	} {
		p, f, m := laptop()
		tt.change(p)
		m.answer(p, f)
		pl, err := Compile(p, f)
		switch {
		case tt.err == "" && (err != nil || !strings.Contains(strings.Join(pl.Notes, "\n"), "does not exist")):
			t.Errorf("%s: %v", tt.name, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestTiers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*policy.Policy, *Facts)
		tier   policy.Tier
		wall   string
	}{
		{"all", func(*policy.Policy, *Facts) {}, policy.TierFull, ""},
		{"no namespaces", func(_ *policy.Policy, f *Facts) { f.Kernel.UserNS = false }, "", "namespaces"},
		{"no namespaces, weak allowed", func(p *policy.Policy, f *Facts) { f.Kernel.UserNS = false; p.MinTier.V = policy.TierLandlock }, policy.TierLandlock, ""},
		{"weak allowed, not needed", func(p *policy.Policy, f *Facts) { p.MinTier.V = policy.TierLandlock }, policy.TierFull, ""},
		{"nothing at all", func(p *policy.Policy, f *Facts) { f.Kernel = Kernel{}; p.MinTier.V = policy.TierNone }, "", "name broker"},
		{"no landlock either", func(p *policy.Policy, f *Facts) {
			f.Kernel.UserNS, f.Kernel.LandlockABI = false, 0
			p.MinTier.V = policy.TierLandlock
		}, "", "namespaces"},
		{"a landlock that holds no signals", func(p *policy.Policy, f *Facts) {
			f.Kernel.UserNS, f.Kernel.LandlockABI = false, 5
			p.MinTier.V = policy.TierLandlock
		}, "", "namespaces"},
		{"masked proc", func(_ *policy.Policy, f *Facts) { f.Kernel.FreshProc = false }, "", "proc"},
		{"mac", func(_ *policy.Policy, f *Facts) { f.OS = "darwin" }, "", "backend"},
		{"danger on mac", func(p *policy.Policy, f *Facts) { f.OS, p.Mode.V = "darwin", policy.DangerFullAccess }, policy.TierNone, ""},
	} {
		p, f, m := laptop()
		tt.change(p, f)
		m.answer(p, f)
		pl, err := Compile(p, f)
		if tt.wall == "" {
			if err != nil || pl.Tier != tt.tier || (pl.Tier != policy.TierFull && len(pl.Weaker) == 0) {
				t.Errorf("%s: %v, tier %v", tt.name, err, pl)
			}
			continue
		}
		if e, ok := err.(*Error); !ok || e.Wall != tt.wall || e.Hint == "" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	p, f, m := laptop()
	p.Env.Allow = append(p.Env.Allow, vals(policy.LayerUser, "u.toml", "MY_TOKEN", "NAME")...)
	p.Env.Set["EXTRA"] = val("1", policy.LayerUser, "u.toml", 3)
	p.Env.Set["PATH"] = val("/usr/bin", policy.LayerUser, "u.toml", 4)
	f.Env = append(f.Env, "MY_TOKEN=hush", "NAME=hush", "LC_TIME=C", "AWS_X=1", "GOROOT=/home/ann/none", "NAME=last hush")
	pl := compile(t, p, f, m)
	env := map[string]Var{}
	for _, v := range pl.Env {
		env[v.Name] = v
	}
	for k, want := range map[string]string{"HOME": "/home/ann", "USER": "ann", "TMPDIR": "/tmp", "BAILEY": "1", "LC_TIME": "C", "MY_TOKEN": "hush", "NAME": "last hush", "EXTRA": "1", "PATH": "/usr/bin", "SHELL": "/bin/zsh"} {
		if env[k].Value != want {
			t.Errorf("%s=%q, want %q", k, env[k].Value, want)
		}
	}
	for _, k := range []string{"GITHUB_TOKEN", "AWS_X", "EDITOR", "XDG_RUNTIME_DIR", "GOROOT", "SSL_CERT_FILE"} {
		if v, ok := env[k]; ok {
			t.Errorf("%s=%s passed", k, v.Value)
		}
	}
	data, err := json.Marshal(pl)
	if err != nil || strings.Contains(string(data)+pl.Text(), "hush") {
		t.Errorf("a value that a person let through is printed: %v", err)
	}
}

// What the plan says and what Explain says must be one thing.
func TestExplain(t *testing.T) {
	p, f, m := laptop()
	p.Files.Deny = vals(policy.LayerUser, "/u.toml", "**/.env", "/home/ann/src/app/secrets")
	pl := compile(t, p, f, m)
	for _, tt := range []struct {
		path              string
		read, write, exec bool
		why               string
	}{
		{"/home/ann/src/app/main.go", true, true, true, "writable"},
		{"/home/ann/src/app/.envrc", true, false, true, "protected"},
		{"/home/ann/src/app/deep/.envrc", true, false, true, "protected"},
		{"/home/ann/src/app/.vscode/tasks.json", true, false, true, "protected"},
		{"/home/ann/src/app/.git/hooks/pre-commit", true, false, true, "protected"},
		{"/home/ann/src/app/x/.env", false, false, false, "**/.env"},
		{"/home/ann/src/app/secrets/key.pem", false, false, false, "denied"},
		{"/home/ann/.ssh/id_ed25519", false, false, false, "box's own"},
		{"/home/ann/src/other/x", false, false, false, "not there"},
		{"/home/bob/x", false, false, false, "not there"},
		{"/home", true, false, false, "only the directories"},
		{"/usr/bin/cc", true, false, true, "read-only"},
		{"/bin/sh", true, false, true, "leads to /usr/bin/sh"},
		{"/etc/shadow", false, false, false, "not there"},
		{"/etc/passwd", true, false, false, "makes this file"},
		{"/proc/keys", false, false, false, "hidden"},
		{"/dev/null", true, true, false, "device"},
		{"/home/ann/.cache/go-build/aa", true, true, true, "cache"},
		{"relative", false, false, false, "absolute"},
	} {
		e := Explain(p, pl, tt.path)
		if e.Read != tt.read || e.Write != tt.write || e.Exec != tt.exec || !strings.Contains(e.Why, tt.why) {
			t.Errorf("%s: %+v", tt.path, e)
		}
	}
	if e := Explain(p, pl, "/home/ann/src/app/x/.env"); e.From != p.Files.Deny[0].From {
		t.Errorf("the rule is said to be in %+v", e.From)
	}
	if e := Explain(p, pl, "/home/ann/src/app/deep/.envrc"); e.From != p.Files.Protect[0].From {
		t.Errorf("the rule is said to be in %+v", e.From)
	}
}

// A policy of 10,000 entries compiles in reasonable time.
func TestManyEntries(t *testing.T) {
	p, f, m := laptop()
	for i := range 10000 {
		d := fmt.Sprintf("/home/ann/src/app/d%d", i)
		p.Files.Deny = append(p.Files.Deny, val(d, policy.LayerUser, "u.toml", i+1))
		m[d] = Path{Exists: true, IsDir: true, Real: d}
	}
	pl := compile(t, p, f, m)
	masks := 0
	for _, n := range pl.Tree {
		if n.Kind == Mask && n.Mode == maskDir {
			masks++
		}
	}
	if masks != 10000 {
		t.Errorf("%d masks", masks)
	}
}

func BenchmarkCompile(b *testing.B) {
	p, f, m := laptop()
	m.answer(p, f)
	for b.Loop() {
		if _, err := Compile(p, f); err != nil {
			b.Fatal(err)
		}
	}
}
