package host

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bailey-run/bailey/internal/plan"
	"github.com/bailey-run/bailey/internal/policy"
)

// compiled is the whole way from a directory to a plan.
func compiled(t testing.TB, f *plan.Facts, p *policy.Policy) *plan.Plan {
	t.Helper()
	f.OS = "linux"
	Answer(p, f)
	pl, err := plan.Compile(p, f)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

// What the compiler asks for must be all that it looks at: knowing more of the
// host may not change the plan.
func TestWantsIsComplete(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/p/.git/hooks", dir+"/p/.vscode", dir+"/p/sub")
	write(t, dir+"/p/go.mod", "module x\n")
	write(t, dir+"/p/package.json", "{}\n")
	f := collect(t, dir+"/p", "PATH="+os.Getenv("PATH")+":"+os.Getenv("HOME")+"/.local/bin", "GOTMPDIR=/tmp", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt")
	p := loaded(t, f)
	first := compiled(t, f, p)
	h := newHost()
	for _, n := range first.Tree {
		for q := n.Path; q != "/"; q = filepath.Dir(q) {
			h.answer(f, q)
			h.answer(f, q+"/lib")
		}
		if n.Source != "" && filepath.IsAbs(n.Source) {
			h.answer(f, n.Source)
		}
	}
	second, err := plan.Compile(p, f)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first, second) {
		t.Errorf("the plan depends on paths that Wants does not ask for:\n%s\n---\n%s", first.Text(), second.Text())
	}
}

// Every mount point below a host directory must exist on the host: bailey makes
// nothing there.
func TestMountPointsExist(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/p/.git/hooks")
	f := collect(t, dir+"/p", "PATH="+os.Getenv("PATH"))
	pl := compiled(t, f, loaded(t, f))
	for i, n := range pl.Tree {
		for j := i - 1; j >= 0; j-- {
			up := pl.Tree[j]
			if len(n.Path) <= len(up.Path) || n.Path[:len(up.Path)] != up.Path || n.Path[len(up.Path)] != '/' {
				continue
			}
			if up.Kind == plan.Bind && !up.Device {
				if _, err := os.Lstat(filepath.Join(up.Source, n.Path[len(up.Path):])); err != nil {
					t.Errorf("%s in %s: %v", n.Path, up.Path, err)
				}
			}
			break
		}
	}
}

func TestPrepare(t *testing.T) {
	dir := temp(t)
	mkdir(t, dir+"/p", dir+"/cache", dir+"/gocache")
	write(t, dir+"/p/go.mod", "module x\n")
	f := collect(t, dir+"/p", "XDG_CACHE_HOME="+dir+"/cache", "GOCACHE="+dir+"/gocache")
	if f.UID != f.Account.UID {
		t.Skip("the workspace is not ours")
	}
	pl := compiled(t, f, loaded(t, f))
	upper := func(p *plan.Plan) string {
		for _, n := range p.Tree {
			if n.Path == dir+"/gocache" {
				return n.Upper
			}
		}
		t.Fatalf("no cache in\n%s", p.Text())
		return ""
	}
	var open []*Ready
	seen := map[string]bool{}
	for i := range maxLayers {
		r, err := Prepare(pl, f)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
		u := upper(r.Plan)
		if seen[u] {
			t.Errorf("box %d shares the layer %s", i, u)
		}
		seen[u] = true
		for _, d := range r.Plan.Make {
			if fi, err := os.Lstat(d); err != nil || !fi.IsDir() || fi.Mode().Perm() != 0o700 {
				t.Errorf("%s: %v %v", d, fi, err)
			}
		}
	}
	r, err := Prepare(pl, f)
	if err != nil {
		t.Fatal(err)
	}
	if u := upper(r.Plan); u != "" {
		t.Errorf("one box too many keeps its layer in %s", u)
	}
	r.Close()

	// What a box put in the place of one of its caches does not stop the next.
	victim := dir + "/cache/victim"
	mkdir(t, victim)
	own := ""
	for _, d := range pl.Make {
		if strings.Contains(d, "/own/") {
			own = d
		}
	}
	if own == "" {
		t.Skip("kernel feature missing: overlayfs in a user namespace")
	}
	if err := os.Remove(own); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, own); err != nil {
		t.Fatal(err)
	}
	if r, err = Prepare(pl, f); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if fi, err := os.Lstat(own); err != nil || !fi.IsDir() {
		t.Errorf("%s: %v", own, err)
	}

	first := upper(open[0].Plan)
	for _, r := range open {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if r, err = Prepare(pl, f); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got := upper(r.Plan); got != first {
		t.Errorf("after all have ended the layer is %q, want the first again, %q", got, first)
	}
}

// Root prepares in another's home: what it makes is theirs, and their links lead
// it nowhere.
func TestPrepareForAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := temp(t)
	const uid = 4711
	mkdir(t, dir+"/home/p/.git", dir+"/outside")
	write(t, dir+"/home/p/go.mod", "module x\n")
	if err := filepath.WalkDir(dir+"/home", func(p string, _ os.DirEntry, err error) error { return os.Lchown(p, uid, uid) }); err != nil {
		t.Fatal(err)
	}
	passwd := "root:x:0:0::/root:/bin/sh\nann:x:4711:4711::" + dir + "/home:/bin/sh\n"
	f, err := Collect(Options{Dir: dir + "/home/p", Env: []string{"PATH=/usr/bin", "HOME=/root", "XDG_CACHE_HOME=/root/x"}, Kernel: kernel, passwd: passwd, uid: 0})
	if err != nil {
		t.Fatal(err)
	}
	if f.Account.UID != uid || f.Account.Home != dir+"/home" || f.Home != "/root" {
		t.Fatalf("account %+v, home %s", f.Account, f.Home)
	}
	pl := compiled(t, f, loaded(t, f))
	if id := pl.Identity; id.HostUID != uid || id.UID != uid || id.User != "ann" {
		t.Errorf("identity %+v", id)
	}
	if len(pl.Make) == 0 {
		t.Fatal("nothing to make")
	}
	r, err := Prepare(pl, f)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	for _, d := range pl.Make {
		for ; d != dir+"/home"; d = filepath.Dir(d) {
			if e, _ := newHost().stat(d); e.uid != uid || e.gid != uid {
				t.Errorf("%s belongs to %d:%d", d, e.uid, e.gid)
			}
		}
	}

	if err := os.RemoveAll(dir + "/home/.cache"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+"/outside", dir+"/home/.cache"); err != nil {
		t.Fatal(err)
	}
	if r, err := Prepare(pl, f); err == nil {
		r.Close()
		t.Error("a link out of the home directory was followed")
	}
	if names := newHost().names(dir + "/outside"); len(names) != 0 {
		t.Errorf("made outside: %q", names)
	}
}

func BenchmarkCollectCompile(b *testing.B) {
	dir := b.TempDir()
	for _, d := range []string{"/.git/hooks", "/cmd", "/internal"} {
		if err := os.MkdirAll(dir+d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/go.mod", []byte("module x\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	first, err := Collect(Options{Dir: dir, Kernel: kernel})
	if err != nil {
		b.Fatal(err)
	}
	p := loaded(b, first)
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			Collect(Options{Dir: dir, Kernel: kernel})
		}
	})
	b.Run("answer", func(b *testing.B) {
		for b.Loop() {
			Answer(p, first)
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			plan.Compile(p, first)
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			f, err := Collect(Options{Dir: dir, Kernel: kernel})
			if err != nil {
				b.Fatal(err)
			}
			Answer(p, f)
			if _, err := plan.Compile(p, f); err != nil {
				b.Fatal(err)
			}
		}
	})
}
