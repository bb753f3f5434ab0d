package host

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// kernel is one that can do everything.
var kernel = plan.Kernel{UserNS: true, LandlockABI: 7, SeccompNotify: true, Overlay: "upper", FreshProc: true}

// collect is Collect for the test's own user.
func collect(t *testing.T, dir string, env ...string) *plan.Facts {
	t.Helper()
	f, err := Collect(Options{Dir: dir, Env: append([]string{"PATH=/usr/bin:/bin", "HOME=" + os.Getenv("HOME")}, env...), Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// temp is a temporary directory without symbolic links in its path.
func temp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dirs ...string) {
	t.Helper()
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func TestWorkspaceRoot(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/repo/.git", dir+"/repo/a/b", dir+"/plain/x", dir+"/conf/y/z")
	write(t, dir+"/conf/bailey.toml", "")
	for _, tt := range []struct{ start, want string }{
		{"repo/a/b", "repo"}, {"repo", "repo"}, {"conf/y/z", "conf"}, {"plain/x", "plain/x"},
	} {
		f := collect(t, filepath.Join(dir, tt.start))
		if want := filepath.Join(dir, tt.want); f.Workspace.Root != want {
			t.Errorf("start %s: root %s, want %s", tt.start, f.Workspace.Root, want)
		}
		if f.StartDir != filepath.Join(dir, tt.start) {
			t.Errorf("start directory %s", f.StartDir)
		}
	}
}

func TestRootStaysBelowHome(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/home/.git", dir+"/home/work/p", dir+"/.git")
	h := newHost()
	if got := h.findRoot(dir+"/home/work/p", []string{dir + "/home"}, os.Getuid()); got != dir+"/home/work/p" {
		t.Errorf("a repository in the home directory gave the root %s", got)
	}
}

func TestRootIgnoresMarkersInSharedDirectories(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/shared/.git", dir+"/shared/p")
	if err := os.Chmod(dir+"/shared", 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if f := collect(t, dir+"/shared/p"); f.Workspace.Root != dir+"/shared/p" {
		t.Errorf("the root is %s: a marker in a directory for everyone widened it", f.Workspace.Root)
	}
}

func TestStartDirThroughLink(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/real/p/.git")
	if err := os.Symlink("real", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if f := collect(t, dir+"/link/p"); f.StartDir != dir+"/real/p" || f.Workspace.Root != dir+"/real/p" {
		t.Errorf("start %s, root %s", f.StartDir, f.Workspace.Root)
	}
	if _, err := Collect(Options{Dir: dir + "/none", Env: []string{}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
}

func TestHomeComesFromTheDatabase(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/db", dir+"/other")
	f, err := Collect(Options{Dir: dir, Env: []string{"HOME=" + dir + "/other"}, passwd: "root:x:0:0::/root:/bin/sh\nann:x:4711:4712::" + dir + "/db:/bin/zsh\n", uid: 4711})
	if err != nil {
		t.Fatal(err)
	}
	if f.Home != dir+"/db" || f.User != "ann" || f.GID != 4712 || f.Account.Shell != "/bin/zsh" {
		t.Errorf("got %q %q %d %q", f.Home, f.User, f.GID, f.Account.Shell)
	}
	if len(f.Notes) == 0 || !strings.Contains(f.Notes[0], "HOME=") {
		t.Errorf("nothing was said about HOME: %q", f.Notes)
	}
}

func TestUnknownUserNeedsAHomeOfTheirs(t *testing.T) {
	dir := temp(t)
	if os.Getuid() == 0 {
		if err := os.Chown(dir, 4242, 4242); err != nil {
			t.Fatal(err)
		}
		f, err := Collect(Options{Dir: dir, Env: []string{"HOME=" + dir}, passwd: "x:x:1:1::/:/bin/sh\n", uid: 4242})
		if err != nil || f.Home != dir {
			t.Errorf("a home of theirs: %v", err)
		}
	}
	if _, err := Collect(Options{Dir: dir, Env: []string{"HOME=/"}, passwd: "x:x:1:1::/:/bin/sh\n", uid: 4243}); err == nil {
		t.Error("a HOME of another user's was believed")
	}
}

func TestLinkedWorktree(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/main")
	git(t, dir+"/main", "init", "-q")
	git(t, dir+"/main", "commit", "-q", "--allow-empty", "-m", "x")
	git(t, dir+"/main", "worktree", "add", "-q", "../tree")
	f := collect(t, dir+"/tree")
	if want := []string{dir + "/main/.git"}; !slices.Equal(f.Workspace.GitDirs, want) {
		t.Errorf("git directories %q, want %q; %q", f.Workspace.GitDirs, want, f.Notes)
	}

	// The same .git file somewhere else is not what the repository points back to.
	content, err := os.ReadFile(dir + "/tree/.git")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/copy/.git", string(content))
	if f := collect(t, dir+"/copy"); len(f.Workspace.GitDirs) != 0 || len(f.Notes) == 0 {
		t.Errorf("a copied .git file was believed: %q", f.Workspace.GitDirs)
	}
}

func TestSubmodule(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/lib", dir+"/top")
	for _, d := range []string{"/lib", "/top"} {
		git(t, dir+d, "init", "-q")
		git(t, dir+d, "commit", "-q", "--allow-empty", "-m", "x")
	}
	git(t, dir+"/top", "submodule", "--quiet", "add", dir+"/lib", "sub")
	f := collect(t, dir+"/top/sub")
	if want := []string{dir + "/top/.git/modules/sub"}; !slices.Equal(f.Workspace.GitDirs, want) {
		t.Errorf("git directories %q, want %q; %q", f.Workspace.GitDirs, want, f.Notes)
	}
}

// fakeGit makes a directory that passes for a git directory.
func fakeGit(t *testing.T, dir string) {
	t.Helper()
	mkdir(t, dir+"/objects", dir+"/refs")
	write(t, dir+"/HEAD", "ref: refs/heads/main\n")
}

// A repository can be unpacked with any .git file in it. None of these may make
// the victim's repository writable.
func TestPlantedGitFiles(t *testing.T) {
	for name, plant := range map[string]func(t *testing.T, dir, victim string){
		"straight": func(t *testing.T, dir, victim string) {
			write(t, dir+"/p/.git", "gitdir: "+victim+"\n")
		},
		"own worktree directory with the victim's common directory": func(t *testing.T, dir, victim string) {
			fakeGit(t, dir+"/evil")
			write(t, dir+"/evil/commondir", victim+"\n")
			write(t, dir+"/evil/gitdir", dir+"/p/.git\n")
			write(t, dir+"/p/.git", "gitdir: ../evil\n")
		},
		"worktrees behind a link": func(t *testing.T, dir, victim string) {
			mkdir(t, dir+"/x/.git/worktrees")
			fakeGit(t, dir+"/x/.git/worktrees/w")
			write(t, dir+"/x/.git/worktrees/w/commondir", victim+"\n")
			write(t, dir+"/x/.git/worktrees/w/gitdir", dir+"/p/.git\n")
			write(t, dir+"/p/.git", "gitdir: "+dir+"/x/.git/worktrees/w\n")
		},
		"modules behind a link": func(t *testing.T, dir, victim string) {
			mkdir(t, dir+"/x/.git/modules")
			if err := os.Symlink(victim, dir+"/x/.git/modules/m"); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/p/.git", "gitdir: ../x/.git/modules/m\n")
		},
		"link": func(t *testing.T, dir, victim string) {
			mkdir(t, dir+"/p")
			if err := os.Symlink(victim, dir+"/p/.git"); err != nil {
				t.Fatal(err)
			}
		},
		"two lines": func(t *testing.T, dir, victim string) {
			write(t, dir+"/p/.git", "gitdir: "+victim+"\ngitdir: x\n")
		},
		"not a git directory": func(t *testing.T, dir, victim string) {
			mkdir(t, dir+"/p/inner")
			write(t, dir+"/p/.git", "gitdir: inner\n")
		},
		"empty": func(t *testing.T, dir, victim string) { write(t, dir+"/p/.git", "") },
		"huge":  func(t *testing.T, dir, victim string) { write(t, dir+"/p/.git", "gitdir: "+strings.Repeat("/", 1<<20)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := temp(t)
			victim := dir + "/victim/.git"
			fakeGit(t, victim)
			plant(t, dir, victim)
			f := collect(t, dir+"/p")
			if len(f.Workspace.GitDirs) != 0 {
				t.Errorf("believed: %q", f.Workspace.GitDirs)
			}
			if len(f.Notes) == 0 || !strings.Contains(f.Notes[len(f.Notes)-1], ".git is ignored") {
				t.Errorf("nothing was said: %q", f.Notes)
			}
		})
	}
}

func TestGitDirInsideIsGuarded(t *testing.T) {
	dir := temp(t)
	fakeGit(t, dir+"/p/.bare")
	write(t, dir+"/p/.git", "gitdir: ./.bare\n")
	if f := collect(t, dir+"/p"); !slices.Equal(f.Workspace.GitDirs, []string{dir + "/p/.bare"}) {
		t.Errorf("git directories %q, notes %q", f.Workspace.GitDirs, f.Notes)
	}
}

func TestLook(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/a/b")
	write(t, dir+"/a/b/f", "12345")
	for link, target := range map[string]string{"l1": "a", "a/up": "../a/b", "l2": "l1/up/f", "loop": "loop", "dangling": "none", "abs": dir + "/l1/b/../b/f"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	h := newHost()
	for p, want := range map[string]string{
		"a/b/f": "a/b/f", "l1/b": "a/b", "l2": "a/b/f", "abs": "a/b/f", "l1/up/f": "a/b/f", "loop": "", "dangling": "", "loop/x": "", "a/b/f/x": "", "none/x": "",
	} {
		got := h.look(filepath.Join(dir, p))
		real := ""
		if want != "" {
			real = filepath.Join(dir, want)
		}
		if got.Real != real || got.Exists != (real != "") {
			t.Errorf("%s: %+v, want %q", p, got, real)
		}
		if want != "" {
			std, err := filepath.EvalSymlinks(filepath.Join(dir, p))
			if err != nil || std != real {
				t.Errorf("%s: the standard library says %q, %v", p, std, err)
			}
		}
	}
	if got := h.look(dir + "/l2"); !got.Regular || got.Size != 5 || got.Link != "l1/up/f" || got.UID != os.Getuid() {
		t.Errorf("l2: %+v", got)
	}
	if got := h.look("/"); !got.Exists || !got.IsDir || got.Real != "/" {
		t.Errorf("/: %+v", got)
	}
}

func TestReadFileIgnoresWhatIsNoFile(t *testing.T) {
	dir := temp(t)
	write(t, dir+"/big", strings.Repeat("x", maxFile+1))
	write(t, dir+"/ok", "content")
	h := newHost()
	for _, name := range []string{"big", "none", "."} {
		if _, ok := h.readFile(filepath.Join(dir, name), os.Getuid()); ok {
			t.Errorf("%s was read", name)
		}
	}
	if s, ok := h.readFile(dir+"/ok", os.Getuid()); !ok || s != "content" {
		t.Errorf("ok: %q %v", s, ok)
	}
	if err := os.Chmod(dir+"/ok", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := newHost().readFile(dir+"/ok", os.Getuid()+1); ok {
		t.Error("a private file of another user was read")
	}
}

func TestPasswd(t *testing.T) {
	const text = "root:x:0:0:root:/root:/bin/bash\n+nis:x:5:5::/x:/bin/sh\nbad:x:7:nan::/x:/bin/sh\nshort:x:8\nann:x:1000:1001:A,,:/home/ann/:/bin/zsh\r\n"
	if a, ok := parsePasswd(text, 1000); !ok || a.Name != "ann" || a.GID != 1001 || a.Home != "/home/ann" || a.Shell != "/bin/zsh" {
		t.Errorf("%+v %v", a, ok)
	}
	for _, uid := range []int{5, 7, 8, 9} {
		if a, ok := parsePasswd(text, uid); ok {
			t.Errorf("user %d: %+v", uid, a)
		}
	}
}

func FuzzPointer(f *testing.F) {
	f.Add("gitdir: ../x\n")
	f.Add("gitdir: \x00\n")
	f.Add("gitdir: a\r\n\r\nb")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parsePointer(s, "gitdir: ")
		if ok && (p == "" || strings.ContainsAny(p, "\x00\n\r") || !strings.HasPrefix(s, "gitdir: "+p)) {
			t.Errorf("%q gave %q", s, p)
		}
	})
}

func FuzzPasswd(f *testing.F) {
	f.Add("root:x:0:0::/root:/bin/sh\nann:x:1000:1000:Ann,,,:/home/ann:/bin/zsh\n", 1000)
	f.Add("ann:x:1000:1000\n", 1000)
	f.Add("a:x:-1:4294967295::relative:\n", -1)
	f.Fuzz(func(t *testing.T, text string, uid int) {
		a, ok := parsePasswd(text, uid)
		if ok && (a.UID != uid || strings.ContainsAny(a.Name+a.Home+a.Shell, ":\n") || !strings.Contains("\n"+text, "\n"+a.Name+":")) {
			t.Errorf("%q gave %+v", text, a)
		}
	})
}

// loaded is the default policy for facts.
func loaded(t testing.TB, f *plan.Facts) *policy.Policy {
	t.Helper()
	p, err := policy.Load(policy.LoadInput{ReadFile: os.ReadFile, Home: f.Account.Home, StartDir: f.StartDir, Workspace: f.Workspace.Root, Names: f.Workspace.Names})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What git's configuration in place makes git run or read lies in the work tree
// sometimes; it is as good as the configuration.
func TestGitNames(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/.git", dir+"/tools/hooks", dir+"/src", dir+"/log")
	write(t, dir+"/shared.inc", "[filter \"y\"]\n\tprocess = tools/late.sh --x\n[include]\n\tpath = .git/config\n")
	write(t, dir+"/clean.py", "")
	if err := os.Symlink("tools", dir+"/t"); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/.git/config", `[core]
	hooksPath = t/hooks
	fsmonitor = true
[include]
	path = ../shared.inc
	path = ~/elsewhere
[filter "x"]
	clean = python3 clean.py %f
	smudge = "sh -c './tools/smudge.sh'"
[alias]
	a = "!cd src && git log"
	b = log src/x
[diff "z"]
	textconv = /usr/bin/cat
`)
	// A nested repository, and a submodule.
	write(t, dir+"/nested/.git/config", "[core]\n\thooksPath = checks\n[include]\n\tpath = ../more.inc\n")
	write(t, dir+"/sub/.git", "gitdir: ../.git/modules/sub\n")
	write(t, dir+"/.git/modules/sub/config", "[filter \"s\"]\n\tclean = ./sub.sh\n")
	write(t, dir+"/away/.git", "gitdir: /nonexistent/x\n")
	f := collect(t, dir)
	f.Files = map[string]string{}
	h := newHost()
	h.gitNames(f)
	var got []string
	for _, p := range f.Workspace.GitNames {
		got = append(got, strings.TrimPrefix(p, dir+"/"))
	}
	slices.Sort(got)
	want := []string{"clean.py", "nested/checks", "nested/more.inc", "shared.inc", "sub/sub.sh", "t/hooks", "tools/hooks", "tools/late.sh", "tools/smudge.sh"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestOtherRoot: root of a user namespace is not the one of the user database, whose
// home is somebody else's there.
func TestOtherRoot(t *testing.T) {
	theirs := t.TempDir()
	if os.Getuid() == 0 {
		if err := os.Chown(theirs, 4711, -1); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ entry, env, want string }{
		{theirs, "/usr", "/usr"}, // /usr stands for a home that uid 0 owns
		{"/usr", "/etc", "/usr"}, // the database is believed
		{theirs, theirs, theirs}, // not a home of uid 0
	} {
		f, err := Collect(Options{Dir: "/", Env: []string{"HOME=" + tt.env}, passwd: "root:x:0:0::" + tt.entry + ":/bin/sh\n", uid: 0})
		if err != nil {
			t.Fatal(err)
		}
		if f.Home != tt.want {
			t.Errorf("entry %s, HOME=%s: home is %s", tt.entry, tt.env, f.Home)
		}
	}
}
