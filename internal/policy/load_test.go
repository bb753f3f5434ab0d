package policy

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	p := world{}.load(t)
	if p.Mode.V != WorkspaceWrite || p.MinTier.V != TierFull || p.Approval.V != OnRequest {
		t.Errorf("mode %q, min-tier %q, approval %q", p.Mode.V, p.MinTier.V, p.Approval.V)
	}
	if p.Files.NestedGit.V != "deny" || p.Files.Missing.V != "skip" || p.Files.Strict.V || p.Process.Debug.V {
		t.Errorf("files %+v, process %+v", p.Files.NestedGit, p.Process)
	}
	if p.Limits.Memory.V != 8<<30 || p.Limits.Pids.V != 4096 || p.Limits.Timeout.Set {
		t.Errorf("limits %+v", p.Limits)
	}
	if from := p.Mode.From; from.Layer != LayerBuiltin || from.File != "profile:default" || from.Line == 0 || from.Column == 0 {
		t.Errorf("mode comes from %+v", from)
	}
	for _, name := range []string{".claude", "bailey.toml", ".bailey", ".vscode", ".envrc", ".bashrc", "**/.config/fish"} {
		if !has(p.Files.Protect, name) {
			t.Errorf("%s is not protected", name)
		}
	}
	for _, name := range []string{"ssl/private", "shadow", "npmrc", "ssl", "sudoers", "passwd", "pip.conf", "maven", "ssh"} {
		if has(p.Files.Etc, name) {
			t.Errorf("/etc/%s is visible", name)
		}
	}
	if len(p.Files.Write) != 0 {
		t.Errorf("the default profile writes %v", p.Files.Write)
	}
}

func TestProfilesNeverReadTokens(t *testing.T) {
	secrets := []string{
		".npmrc", ".yarnrc", ".pypirc", ".cargo/credentials.toml", ".cargo/credentials", ".cargo/config.toml", ".m2/settings.xml",
		".m2/settings-security.xml", ".gem/credentials", ".local/share/gem/credentials", ".bundle/config", ".gradle/gradle.properties",
		".netrc", ".ssh/id_ed25519", ".aws/credentials", ".config/gh/hosts.yml", ".docker/config.json", ".kube/config",
		".git-credentials", ".gnupg/x", ".password-store/x", ".local/share/keyrings/x", ".config/pip/pip.conf", ".config/pypoetry/auth.toml",
		".ivy2/.credentials", ".sbt/.credentials", ".conan2/credentials.json", ".bash_history", ".config/google-chrome/x", ".mozilla/x", ".config/uv/credentials.toml", ".local/share/uv/credentials/x",
	}
	p := world{flags: Overrides{Profiles: Profiles()}}.load(t)
	if len(p.Profiles) != len(Profiles()) {
		t.Fatalf("profiles %v", p.Profiles)
	}
	if len(p.Files.Write) != 0 {
		t.Errorf("a profile writes %v", p.Files.Write)
	}
	for _, secret := range secrets {
		for _, v := range p.Files.Read {
			if within(testHome+"/"+secret, v.V) && !hiddenByDeny(p, testHome+"/"+secret) {
				t.Errorf("%s shows ~/%s (%s)", v.V, secret, v.From)
			}
		}
		for _, v := range p.Files.Caches {
			if within(testHome+"/"+secret, v.V.Path) {
				t.Errorf("cache %s shows ~/%s (%s)", v.V.Path, secret, v.From)
			}
		}
	}
	for _, name := range []string{"GOPROXY", "GOAUTH", "NPM_TOKEN", "MISE_GITHUB_TOKEN", "AWS_PROFILE", "SSH_AUTH_SOCK", "GITHUB_TOKEN", "NODE_AUTH_TOKEN", "CARGO_REGISTRY_TOKEN", "DATABASE_URL", "KUBECONFIG", "XDG_RUNTIME_DIR", "CMAKE_API_KEY"} {
		if pass, rule, _ := p.Env.Decide(name); pass {
			t.Errorf("%s passes by %v", name, rule)
		}
	}
	for _, name := range []string{"PATH", "LC_ALL", "GOFLAGS", "VIRTUAL_ENV", "JAVA_HOME", "CARGO_TERM_COLOR", "TERM", "GIT_AUTHOR_NAME"} {
		if pass, _, _ := p.Env.Decide(name); !pass {
			t.Errorf("%s does not pass", name)
		}
	}
}

func hiddenByDeny(p *Policy, name string) bool {
	l := linter{denied: map[string]*Value[string]{}}
	for i := range p.Files.Deny {
		if literal, ok := Literal(p.Files.Deny[i].V); ok {
			l.denied[literal] = &p.Files.Deny[i]
		}
	}
	return l.above(name) != nil
}

func TestDetect(t *testing.T) {
	p := world{names: []string{"README", "go.mod", "thing.gemspec"}}.load(t)
	got := map[string]string{}
	for _, v := range p.Profiles {
		got[v.V] = v.From.File
	}
	want := map[string]string{"default": "profile:default", "go": "detected:go.mod", "ruby": "detected:thing.gemspec"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("profiles %v, want %v", got, want)
	}
	if v := find(p.Files.Read, "/home/ann/go/bin"); v == nil || v.From.File != "profile:go" || v.From.Line == 0 {
		t.Errorf("~/go/bin comes from %v", v)
	}
	for _, c := range p.Files.Caches {
		if c.V.Env == "GOCACHE" && c.V.Path == "/home/ann/.cache/go-build" {
			return
		}
	}
	t.Errorf("no build cache in %v", p.Files.Caches)
}

func TestLayerOrder(t *testing.T) {
	w := world{trusted: true, files: map[string]string{
		userFile: "approval = \"untrusted\"\n[limits]\nmemory = \"1GiB\"\npids = 7\n[env.set]\nA = \"user\"\nB = \"user\"\n",
		projFile: "[limits]\nmemory = \"2GiB\"\n[env.set]\nA = \"project\"\n[files]\nread = [\"../app/data\", \"~/lib\"]\n",
		locFile:  "[limits]\nmemory = \"3GiB\"\n[files]\nread = [\"near\"]\n",
	}, flags: Overrides{Memory: "4GiB", Read: []string{"x", "../y"}, SetEnv: []string{"B=flag=1"}}}
	p := w.load(t)
	if p.Limits.Memory.V != 4<<30 || p.Limits.Memory.From.File != "--memory" || p.Limits.Memory.From.Layer != LayerFlag {
		t.Errorf("memory %+v", p.Limits.Memory)
	}
	if p.Limits.Pids.V != 7 || p.Limits.Pids.From != (Source{LayerUser, userFile, 4, 8}) {
		t.Errorf("pids %+v", p.Limits.Pids)
	}
	if p.Env.Set["A"].V != "project" || p.Env.Set["B"].V != "flag=1" {
		t.Errorf("env.set %+v", p.Env.Set)
	}
	for _, path := range []string{testRoot + "/data", testHome + "/lib", testRoot + "/near", testRoot + "/cmd/x", testRoot + "/y"} {
		if !has(p.Files.Read, path) {
			t.Errorf("%s is not readable: %v", path, p.Files.Read)
		}
	}
	if v := find(p.Files.Read, testRoot+"/near"); v.From != (Source{LayerLocal, locFile, 4, 9}) {
		t.Errorf("near comes from %+v", v.From)
	}
}

func TestConfigReplacesTheUserLayer(t *testing.T) {
	w := world{files: map[string]string{userFile: "mode = \"read-only\"", "/home/ann/other.toml": "[limits]\npids = 9\n[files]\nread=[\"data\"]"}, flags: Overrides{Config: "/home/ann/other.toml"}}
	p := w.load(t)
	if p.Mode.V != WorkspaceWrite || p.Limits.Pids.V != 9 || !has(p.Files.Read, "/home/ann/data") {
		t.Errorf("mode %v, pids %v, read %v", p.Mode, p.Limits.Pids, p.Files.Read)
	}
	w.flags.Config = "none.toml"
	if e := w.fail(t); e.File != testRoot+"/cmd/none.toml" {
		t.Errorf("error at %s", e.File)
	}
}

func TestUnreadableFileIsAnError(t *testing.T) {
	in := world{}.input()
	in.ReadFile = func(path string) ([]byte, error) {
		if path == mngFile {
			return nil, fs.ErrPermission
		}
		return nil, fs.ErrNotExist
	}
	if _, err := Load(in); err == nil || !strings.Contains(err.Error(), mngFile) {
		t.Errorf("error %v", err)
	}
}

func TestExtends(t *testing.T) {
	p := world{files: map[string]string{userFile: "extends = [\"rust\", \"rust\"]"}}.load(t)
	if len(p.Profiles) != 2 || p.Profiles[1].V != "rust" || p.Profiles[1].From.File != userFile || p.Profiles[1].From.Line != 1 {
		t.Errorf("profiles %+v", p.Profiles)
	}
	e := world{files: map[string]string{userFile: "extends = [\"rsut\"]"}}.fail(t)
	if e.Nearest != "rust" || e.Line != 1 || e.Column != 12 {
		t.Errorf("error %+v", e)
	}
}

func TestExtendsCircle(t *testing.T) {
	in := world{flags: Overrides{Profiles: []string{"go"}}}.input()
	in.profile = profilesOf(t, map[string]string{"go": "extends = [\"c\"]\n[files]\nread = [\"~/go\"]", "c": "extends = [\"go\"]", "default": ""})
	_, err := Load(in)
	if err == nil || !strings.Contains(err.Error(), "circle: go extends c extends go") {
		t.Errorf("error %v", err)
	}
}

func TestExtendsBringsTheBaseFirst(t *testing.T) {
	in := world{flags: Overrides{Profiles: []string{"go"}}}.input()
	in.profile = profilesOf(t, map[string]string{"go": "extends = [\"c\"]\n[limits]\npids = 1", "c": "[limits]\npids = 2\ncpu = \"1s\"", "default": ""})
	p, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	if p.Limits.Pids.V != 1 || p.Limits.CPU.V != 1 || len(p.Profiles) != 3 || p.Profiles[1].V != "c" {
		t.Errorf("limits %+v, profiles %+v", p.Limits, p.Profiles)
	}
}

// typical is a project file as people write them.
const typical = `
[files]
deny = [".env", "**/*.pem", "secrets"]
protect = ["ci"]

[limits]
memory = "4GiB"
timeout = "30m"
`

func TestBigPolicy(t *testing.T) {
	const entries = 10_000
	var b strings.Builder
	b.WriteString("[files]\ndeny = [")
	for i := range entries {
		fmt.Fprintf(&b, "%q,\n", fmt.Sprintf("~/private/%d/file%d", i%100, i))
	}
	b.WriteString("]\n")
	w := world{files: map[string]string{userFile: b.String()}}
	start := time.Now()
	p := w.load(t)
	took := time.Since(start)
	t.Logf("%d entries in %v", entries, took)
	if len(p.Files.Deny) != entries {
		t.Errorf("%d entries", len(p.Files.Deny))
	}
	if last := p.Files.Deny[entries-1].From; last.Line != entries+1 {
		t.Errorf("the last entry is at %v", last)
	}
	// Far above what it takes, to fail only when something became quadratic.
	if took > time.Second {
		t.Errorf("took %v", took)
	}
	if found := Lint(p); len(found) != 0 {
		t.Errorf("lint: %d findings, first %+v", len(found), found[0])
	}
}

func BenchmarkLoad(b *testing.B) {
	in := world{names: []string{"go.mod", "go.sum", "main.go", "README.md", "LICENSE", "cmd", "internal"}, files: map[string]string{projFile: typical}}.input()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	p, err := Load(world{}.input())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Hash(p)
	}
}
