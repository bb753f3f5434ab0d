package policy

import (
	"strings"
	"testing"
)

// An untrusted project file, or its local companion, may only tighten.
func TestUntrustedTightens(t *testing.T) {
	for _, text := range []string{
		"mode = \"read-only\"", "mode = \"workspace-write\"", "min-tier = \"full\"", "approval = \"untrusted\"",
		"[files]\ndeny = [\".env\"]\nprotect = [\"x\"]\nmissing = \"error\"\nnested-git = \"deny\"\nstrict = true",
		"[env]\ndeny = [\"X_*\"]", "[network]\ndefault = \"deny\"\ndeny = [\"example.org\"]\nallow = []", "[limits]\nmemory = \"1GiB\"\npids = 5\ncpu = \"10m\"\ntimeout = \"1h\"", "[process]\ndebug = false",
		"[files]\nsystem = [\"/usr\"]\n[env]\nallow = [\"PATH\"]", "extends = [\"default\", \"go\"]", Init("go"), typical,
	} {
		for _, file := range []string{projFile, locFile} {
			w := world{files: map[string]string{file: text}, names: []string{"go.mod"}}
			if _, err := Load(w.input()); err != nil {
				t.Errorf("%s %q: %v", file, text, err)
			}
		}
	}
}

func TestUntrustedLoosens(t *testing.T) {
	for _, c := range []struct{ text, key string }{
		{"mode = \"danger-full-access\"", "mode"},
		{"min-tier = \"landlock\"", "min-tier"},
		{"approval = \"never\"", "approval"},
		{"extends = [\"rust\"]", "extends"},
		{"[files]\nread = [\"/srv/data\"]", "files.read"},
		{"[files]\nwrite = [\"out\"]", "files.write"},
		{"[files]\ncaches = [\"~/.cache/x\"]", "files.caches"},
		{"[files]\netc = [\"shadow\"]", "files.etc"},
		{"[files]\nsystem = [\"/srv\"]", "files.system"},
		{"[files]\nnested-git = \"hold\"", "files.nested-git"},
		{"[env]\nallow = [\"SECRET\"]", "env.allow"},
		{"[env]\nset = {A = \"1\"}", "env.set"},
		{"[limits]\nmemory = \"64GiB\"", "limits.memory"},
		{"[limits]\npids = \"none\"", "limits.pids"},
		{"[process]\ndebug = true", "process.debug"},
		{"[exec]\nsupervise = \"off\"", "exec.supervise"},
		{"[network]\nallow = [\"example.org\"]", "network.allow"},
		{"[network]\nallow = [{host = \"example.org\"}]", "network.allow"},
		{"[network]\ndefault = \"ask\"", "network.default"},
		{"[network]\nlocalhost = [5432]", "network.localhost"},
		{"[network]\npublish = [3000]", "network.publish"},
		{"[network]\nresolver = \"127.0.0.1:53\"", "network.resolver"},
		{"[network]\nupstream = \"http://p:1\"", "network.upstream"},
		{"[network.hosts]\n\"example.test\" = \"127.0.0.1\"", "network.hosts"},
		{"[secrets]\nx = {source = \"env:X\", hosts = [\"example.org\"]}", "secrets"},
	} {
		for _, file := range []string{projFile, locFile} {
			w := world{files: map[string]string{file: c.text}}
			e := w.fail(t)
			if e.File != file || e.Line != strings.Count(c.text, "\n")+1 || e.Key != c.key {
				t.Errorf("%q: error at %s:%d %s", c.text, e.File, e.Line, e.Key)
			}
			wantIn(t, e.Error(), "bailey trust")
			w.trusted = true
			if _, err := Load(w.input()); err != nil {
				t.Errorf("%q trusted: %v", c.text, err)
			}
			// The same text in the user's own file needs no trust.
			own := world{files: map[string]string{userFile: strings.Replace(c.text, `"out"`, `"~/out"`, 1)}}
			if _, err := Load(own.input()); err != nil {
				t.Errorf("%q by the user: %v", c.text, err)
			}
		}
	}
}

func TestUntrustedLoosensAgainstTheUser(t *testing.T) {
	w := world{files: map[string]string{userFile: "mode = \"read-only\"\n[files]\nmissing = \"error\"\n", projFile: "mode = \"workspace-write\"\nfiles.missing = \"skip\"\n"}}
	_, err := Load(w.input())
	errs, ok := err.(Errors)
	if !ok || len(errs) != 2 || errs[0].Key != "mode" || errs[1].Key != "files.missing" {
		t.Errorf("errors %v", err)
	}
}

// Naming what is in force is harmless; giving it another value is not.
func TestUntrustedChangesNothing(t *testing.T) {
	user := "[env.set]\nA = \"1\"\n[files]\ncaches = [{path = \"~/c/x\", env = \"X\"}]\n"
	for text, ok := range map[string]bool{
		"env.set.A = \"1\"": true, "env.set.A = \"2\"": false,
		"files.caches = [{path = \"~/c/x\", env = \"X\"}]": true, "files.caches = [{path = \"~/c/x\", env = \"Y\"}]": false, "files.caches = [\"~/c/x\"]": false,
	} {
		if _, err := Load(world{files: map[string]string{userFile: user, projFile: text}}.input()); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTrustIsAskedOnlyWhenNeeded(t *testing.T) {
	asked := 0
	in := world{files: map[string]string{projFile: typical}}.input()
	in.Trusted = func(string, []byte) bool { asked++; return false }
	p, err := Load(in)
	if err != nil || asked != 0 {
		t.Errorf("asked %d times, error %v", asked, err)
	}
	if last := p.Layers[len(p.Layers)-1]; last.File != projFile || last.Trust != TrustNotNeeded {
		t.Errorf("layers %+v", p.Layers)
	}
	in = world{files: map[string]string{projFile: "[files]\nread=[\"a\", \"b\"]"}}.input()
	in.Trusted = func(path string, content []byte) bool {
		asked++
		return path == projFile && string(content) == "[files]\nread=[\"a\", \"b\"]"
	}
	if _, err := Load(in); err != nil || asked != 1 {
		t.Errorf("asked %d times, error %v", asked, err)
	}
	in.Trusted = nil
	if _, err := Load(in); err == nil {
		t.Errorf("without a judge everything was trusted")
	}
}

func TestManagedIsACeiling(t *testing.T) {
	managed := "mode = \"workspace-write\"\nmin-tier = \"landlock\"\n[limits]\nmemory = \"2GiB\"\ntimeout = \"1h\"\n[process]\ndebug = false\n"
	for _, c := range []struct {
		name  string
		w     world
		key   string
		wants string
	}{
		{"flag", world{flags: Overrides{Mode: "danger-full-access"}}, "mode", mngFile + ":1:8"},
		{"user", world{files: map[string]string{userFile: "[limits]\nmemory = \"3GiB\""}}, "limits.memory", mngFile + ":4:10"},
		{"user none", world{files: map[string]string{userFile: "[limits]\ntimeout = \"none\""}}, "limits.timeout", mngFile + ":5:11"},
		{"trusted project", world{trusted: true, files: map[string]string{projFile: "process.debug = true"}}, "process.debug", mngFile + ":7:9"},
		{"tier", world{flags: Overrides{MinTier: "none"}}, "min-tier", mngFile + ":2:12"},
	} {
		if c.w.files == nil {
			c.w.files = map[string]string{}
		}
		c.w.files[mngFile] = managed
		e := c.w.fail(t)
		if e.Key != c.key {
			t.Errorf("%s: key %s: %v", c.name, e.Key, e)
		}
		wantIn(t, e.Error(), c.wants)
	}
	p := world{files: map[string]string{mngFile: managed, userFile: "mode = \"read-only\""}, flags: Overrides{Memory: "1GiB"}}.load(t)
	if p.Mode.V != ReadOnly || p.Limits.Memory.V != 1<<30 || p.Limits.Timeout.V != 3600 || p.Limits.Timeout.From.Layer != LayerManaged {
		t.Errorf("mode %v memory %v timeout %v", p.Mode, p.Limits.Memory, p.Limits.Timeout)
	}
	// Defaults are nobody's wish: they are lowered without a word.
	p = world{files: map[string]string{mngFile: managed}}.load(t)
	if p.Limits.Memory.V != 2<<30 || p.Limits.Memory.From.Line != 4 || p.MinTier.V != TierFull {
		t.Errorf("memory %+v, min-tier %+v", p.Limits.Memory, p.MinTier)
	}
}

func TestManagedFilesAddUp(t *testing.T) {
	w := world{files: map[string]string{
		mngFile:                             "[limits]\npids = 100\n[files]\ndeny = [\"*.pem\"]",
		"/etc/bailey/managed.d/10-a.toml":   "[limits]\npids = 50\n[env.set]\nA = \"managed\"",
		"/etc/bailey/managed.d/20-b.toml":   "[limits]\npids = 70\n[files]\ndeny = [\"*.key\"]\nwrite = [\"/srv/out\"]",
		"/etc/bailey/managed.d/ignored.txt": "not toml",
		userFile:                            "[env.set]\nA = \"user\"",
	}}
	p := w.load(t)
	if p.Limits.Pids.V != 50 || p.Limits.Pids.From.File != "/etc/bailey/managed.d/10-a.toml" {
		t.Errorf("pids %+v", p.Limits.Pids)
	}
	if !has(p.Files.Deny, "*.pem") || !has(p.Files.Deny, "*.key") || !has(p.Files.Write, "/srv/out") || p.Env.Set["A"].V != "managed" {
		t.Errorf("files %+v env %+v", p.Files.Deny, p.Env.Set)
	}
}

func TestManagedLocks(t *testing.T) {
	managed := "[managed]\nlock = [\"files.write\", \"env.set\", \"extends\"]\n[files]\nwrite = [\"/srv/out\"]"
	for _, w := range []world{
		{flags: Overrides{Write: []string{"/srv/mine"}}},
		{files: map[string]string{userFile: "[files]\nwrite = [\"/srv/mine\"]"}},
		{flags: Overrides{SetEnv: []string{"A=1"}}},
		{flags: Overrides{Profiles: []string{"go"}}},
	} {
		if w.files == nil {
			w.files = map[string]string{}
		}
		w.files[mngFile] = managed
		wantIn(t, w.fail(t).Error(), "locked the key at "+mngFile+":2:")
	}
	p := world{files: map[string]string{mngFile: managed}, names: []string{"go.mod"}}.load(t)
	if len(p.Profiles) != 2 || !has(p.Files.Write, "/srv/out") {
		t.Errorf("profiles %v, write %v", p.Profiles, p.Files.Write)
	}
	e := world{files: map[string]string{mngFile: "managed.lock = [\"files.deny\"]"}}.fail(t)
	wantIn(t, e.Error(), "cannot be locked")
}

func TestDenyAddsUp(t *testing.T) {
	p := world{files: map[string]string{userFile: "[files]\ndeny = [\"*.key\"]", projFile: "[files]\ndeny = [\"*.key\", \"a/b\", \"./c/*.x\", \"dir/\", \"{d,e/f}\"]"}, flags: Overrides{Deny: []string{"x/y", "~/z"}}}.load(t)
	for _, want := range []string{"*.key", testRoot + "/a/b", testRoot + "/c/*.x", "dir", "d", testRoot + "/e/f", testRoot + "/cmd/x/y", testHome + "/z"} {
		if !has(p.Files.Deny, want) {
			t.Errorf("%q is not denied: %v", want, p.Files.Deny)
		}
	}
	if v := find(p.Files.Deny, "*.key"); v.From.File != userFile {
		t.Errorf("*.key comes from %v", v.From)
	}
}

func TestRoots(t *testing.T) {
	refused := []string{
		"/", "//", "/..", "~", "~/", "~/.", "~/x/..", "/home", "/home/ann", "/home/ann/", "/home/./ann/../ann",
		"~/.config", "~/.config/bailey", "~/.config/bailey/x", "~/.local", "~/.local/state", "~/.cache", "~/.cache/bailey/a", "/etc", "/etc/bailey", "/usr", "/proc", "/proc/1", "/dev", "/sys/kernel", "/tmp",
	}
	for _, path := range refused {
		e := world{files: map[string]string{userFile: "[files]\nwrite = [\"" + path + "\"]"}}.fail(t)
		if e.Key != "files.write" || e.Line != 2 || !strings.Contains(e.Problem, "cannot be writable") {
			t.Errorf("%s: %v", path, e)
		}
		e = world{files: map[string]string{userFile: "[files]\ncaches = [{path = \"" + path + "\"}]"}}.fail(t)
		if e.Key != "files.caches" {
			t.Errorf("cache %s: %v", path, e)
		}
		e = world{flags: Overrides{Write: []string{path}}}.fail(t)
		if e.File != "--write" {
			t.Errorf("--write %s: %v", path, e)
		}
	}
	for _, path := range []string{"/*", "~/*", "/home/*", "/hom?"} {
		wantIn(t, world{flags: Overrides{Write: []string{path}}}.fail(t).Error(), "is a pattern")
	}
	for _, path := range []string{"~/src", "~/.cache/other", "/srv/x", "/tmp/x", "/home/annette", "~/[id]", "/data/{x}"} {
		world{flags: Overrides{Write: []string{path}}}.load(t)
	}
}

func TestPathsThatEscape(t *testing.T) {
	for _, text := range []string{
		"[files]\nread = [\"../other\"]", "[files]\nread = [\"a/../../b\"]", "[files]\ndeny = [\"../x\"]", "[files]\ndeny = [\"a/../../../*\"]",
		"[files]\ndeny = [\"..\"]", "[files]\ndeny = [\"**/../x\"]", "[files]\nread = [\"~bob/x\"]", "[files]\ndeny = [\"/\"]", "[files]\ndeny = [\"[x\"]", "[files]\nprotect = [\"{a\"]", "[files]\ndeny = [\"{!a,b}\"]", "[files]\ndeny = [\"*\"]", "[files]\nprotect = [\"**/*\"]", "[files]\nprotect = [\"**\"]", "[files]\ndeny = [\"/**\"]", "[files]\ndeny = [\"{a,*}\"]", "[files]\ndeny = [\"./*/..\"]", "[files]\ndeny = [\"/./\"]", "[files]\ndeny = [\"{,b}\"]",
		"[files]\ndeny = [\"x\\\\\"]", "[files]\ndeny=[\"" + strings.Repeat("{a,b}", 9) + "\"]",
	} {
		for _, file := range []string{projFile, locFile} {
			e := world{trusted: true, files: map[string]string{file: text}}.fail(t)
			if e.File != file || e.Line == 0 {
				t.Errorf("%q: %v", text, e)
			}
		}
	}
	// In bailey's own directories a relative path cannot mean what it says.
	for _, file := range []string{userFile, mngFile} {
		wantIn(t, world{files: map[string]string{file: "[files]\ndeny = [\"secrets/prod\"]"}}.fail(t).Error(), "bailey's own directory")
	}
	long := "{a,b}"
	e := world{files: map[string]string{userFile: "[files]\ndeny = [\"" + strings.Repeat(long, 4000) + "\"]"}}.fail(t)
	wantIn(t, e.Error(), "longer than any path")
}

func TestOddDirectories(t *testing.T) {
	in := world{flags: Overrides{Deny: []string{"x/y*"}, Protect: []string{"./plain"}}}.input()
	in.StartDir = "/srv/a [b] {c}*"
	p, err := Load(in)
	if err != nil {
		t.Fatal(err)
	}
	if !has(p.Files.Deny, `/srv/a \[b\] \{c\}\*/x/y*`) {
		t.Errorf("deny %v", p.Files.Deny)
	}
	if got, ok := Literal(p.Files.Protect[len(p.Files.Protect)-1].V); !ok || got != "/srv/a [b] {c}*/plain" {
		t.Errorf("literal %q %v", got, ok)
	}
	in = world{files: map[string]string{projFile: "[files]\ndeny=[\"~/b*\"]\n"}}.input()
	in.Home = ""
	if _, err := Load(in); err == nil || !strings.Contains(err.Error(), "needs a home directory") {
		t.Errorf("without a home: %v", err)
	}
	in = world{names: []string{"go.mod"}}.input()
	in.Home = ""
	if p, err := Load(in); err != nil || len(p.Files.Caches) != 0 {
		t.Errorf("without a home and without ~: %v", err)
	}
}

func TestFlagErrors(t *testing.T) {
	for _, c := range []struct {
		flags Overrides
		text  string
	}{
		{Overrides{Mode: "workspace"}, "--mode: mode: \"workspace\" is not one of"},
		{Overrides{Read: []string{""}}, "--read: files.read: an empty string"},
		{Overrides{Deny: []string{"a\x00b"}}, "--deny: files.deny: a NUL"},
		{Overrides{Env: []string{"A=1"}}, "--env: env.allow: \"A=1\" is not the name"},
		{Overrides{SetEnv: []string{"A"}}, "--setenv: env.set: \"A\" has no value"},
		{Overrides{SetEnv: []string{"=1"}}, "--setenv: env.set: an empty string"},
		{Overrides{SetEnv: []string{"A=\x00"}}, "--setenv: env.set: a NUL"},
		{Overrides{Profiles: []string{"ruts"}}, "did you mean rust?"},
		{Overrides{Memory: "4G"}, "--memory: limits.memory: \"4G\" is not a size"},
		{Overrides{Memory: "0"}, "0 is not a limit"},
		{Overrides{Pids: "many"}, "--pids: limits.pids: \"many\" is not a whole number"},
		{Overrides{Pids: "99999999999999999999999"}, "too large"},
		{Overrides{Extra: []Setting{{Key: "mode", Flag: "--mode"}}}, "--mode: mode: \"\" is not one of"},
		{Overrides{Extra: []Setting{{Key: "limits.cpus", Value: "1"}}, Caller: "options"}, "options.limits.cpus: limits.cpus: unknown key (did you mean limits.cpu?)"},
		{Overrides{Extra: []Setting{{Key: "managed.lock", Value: "x"}}}, "unknown key"},
		{Overrides{Extra: []Setting{{Key: "files.strict", Value: "yes"}}}, "is not true or false"},
	} {
		wantIn(t, world{flags: c.flags}.fail(t).Error(), c.text)
	}
	p := world{flags: Overrides{Pids: "64", Memory: "1048576", Timeout: "none", Extra: []Setting{{Key: "files.strict", Value: "true"}, {Key: "limits.cpu", Value: "2m"}}}}.load(t)
	if p.Limits.Pids.V != 64 || p.Limits.Memory.V != 1<<20 || !p.Limits.Timeout.Set || p.Limits.Timeout.V != 0 || !p.Files.Strict.V || p.Limits.CPU.V != 120 {
		t.Errorf("limits %+v", p.Limits)
	}
}

func TestEnvDecide(t *testing.T) {
	p := world{files: map[string]string{userFile: "[env]\nallow = [\"MY_TOKEN\", \"YOUR_*\", \"BOTH\"]\ndeny = [\"BOTH\", \"LC_ALL\"]\nset = {SOME_SECRET = \"x\", PLAIN = \"y\"}"}}.load(t)
	for name, want := range map[string]bool{
		"MY_TOKEN": true, "your_x": false, "YOUR_X": true, "YOUR_TOKEN": false, "my_token": false, "BOTH": false, "LC_ALL": false, "LC_TIME": true,
		"SOME_SECRET": true, "PLAIN": true, "OTHER": false, "Path": false, "npm_config__authToken": false,
	} {
		if pass, rule, found := p.Env.Decide(name); pass != want || pass && !found {
			t.Errorf("%s: %v by %+v", name, pass, rule)
		}
	}
}

func TestMatchName(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"A", "A", true}, {"A", "AB", false}, {"A*", "A", true}, {"*A", "BA", true}, {"*A", "AB", false}, {"*A*", "BAB", true},
		{"A*A", "A", false}, {"A*A", "AA", true}, {"*", "", true}, {"A*B*C", "AxBxC", true}, {"A*B*C", "AxCxB", false}, {"**", "x", true}, {"*_KEY", "_KEY", true},
	} {
		if got := matchName(c.pattern, c.name, false); got != c.want {
			t.Errorf("%s %s: %v", c.pattern, c.name, got)
		}
	}
}

// What a hostile file holds must not reach the terminal as it is.
func TestErrorsAreQuoted(t *testing.T) {
	for _, text := range []string{
		"\"a\\u001b]52;c;x\\u0007b\" = 1", "[\"a\\nb\"]", "[env.set]\n\"\\u001b\" = \"x\"", "[env.set]\n\"\\u001b\" = 1", "mode = \"\\u001b\"", "extends = [\"\\u001b\"]",
		"[files]\ndeny = [\"!\\u001b\"]", "[files]\nread = [\"../\\u001b\"]", "[files]\nwrite = [\"~/.config/bailey/\\u001b\"]", "[env]\nallow = [\"\\u001b\"]", "[limits]\nmemory = \"\\u001b\"",
		"[[files.caches]]\n\"\\u001b\" = 1", "\x1b = 1",
	} {
		_, err := Load(world{files: map[string]string{projFile: text}}.input())
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07\n") {
			t.Errorf("%q: %q", text, err)
		}
	}
}
