//go:build linux

package linux

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// hostDir is a directory of the host that no plan of a test shows.
func hostDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for p := dir; p != "/"; p = filepath.Dir(p) {
		// Root's box is somebody else.
		if fi, err := os.Stat(p); err == nil && fi.Mode().Perm()&5 != 5 && os.Geteuid() == 0 {
			os.Chmod(p, fi.Mode().Perm()|5)
		}
	}
	write := func(name, content string) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("data/a", "content\n")
	write("data/secret", "hidden\n")
	write("data/keys/k", "hidden too\n")
	write("file", "one file\n")
	return dir
}

func pinned(t *testing.T, p string) *os.File {
	t.Helper()
	fd, err := unix.Open(p, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), p)
	t.Cleanup(func() { f.Close() })
	return f
}

// steps is a shell in a box that does what it is told, line by line.
type steps struct {
	t   *testing.T
	in  *os.File
	out *os.File
}

func startSteps(t *testing.T, p *plan.Plan) (*Box, *steps) {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	b, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh"}, Env: []string{"PATH=/usr/bin:/bin"}, Stdin: inR, Stdout: outW, Stderr: outW}, Options{})
	inR.Close()
	outW.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		inW.Close()
		proc.Wait()
		b.Close()
		outR.Close()
	})
	return b, &steps{t, inW, outR}
}

// do runs one line and returns what it printed.
func (s *steps) do(line string) string {
	s.t.Helper()
	if _, err := io.WriteString(s.in, line+"\necho ::end::\n"); err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(b.String(), "::end::\n") {
		n, err := s.out.Read(buf)
		if err != nil {
			s.t.Fatalf("after %q: %v", b.String(), err)
		}
		b.Write(buf[:n])
	}
	return strings.TrimSuffix(b.String(), "::end::\n")
}

// TestShow shows a directory with something to hide in it, and a file, to a shell
// that runs already; to write them stays refused.
func TestShow(t *testing.T) {
	p := testPlan(t)
	dir := hostDir(t)
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "file")
	b, sh := startSteps(t, p)
	if out := sh.do("cat " + data + "/a " + file); !strings.Contains(out, "No such file") {
		t.Fatalf("it is there before: %s", out)
	}
	err := b.Show(Show{Path: data, File: pinned(t, data), Dir: true, Masks: []plan.Node{
		{Kind: plan.Mask, Path: data + "/secret", Mode: unix.S_IFREG}, {Kind: plan.Mask, Path: data + "/keys", Mode: unix.S_IFDIR},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Show(Show{Path: file, File: pinned(t, file)}); err != nil {
		t.Fatal(err)
	}
	if out := sh.do("cat " + data + "/a " + file); out != "content\none file\n" {
		t.Errorf("not shown: %s", out)
	}
	if out := sh.do("cat " + data + "/secret " + data + "/keys/k; ls " + data + "/keys"); strings.Contains(out, "hidden") || !strings.Contains(out, "ermission denied") {
		t.Errorf("not masked: %s", out)
	}
	if out := sh.do("echo x >" + file + "; touch " + data + "/b; rm " + file + "; mv " + data + " " + data + "x; ls " + dir); strings.Contains(out, "b\n") || !strings.Contains(out, "ead-only") {
		t.Errorf("not read-only: %s", out)
	}
	for _, name := range []string{"data/b"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was made on the host", name)
		}
	}
	if out := sh.do("touch /x; mkdir /opt /home/y"); strings.Count(out, "ead-only") != 3 {
		t.Errorf("the root can be written: %s", out)
	}
	// Another box does not see it.
	_, other := startSteps(t, testPlan(t))
	if out := other.do("cat " + file); !strings.Contains(out, "No such file") {
		t.Errorf("another box: %s", out)
	}
}

// TestShowInHome shows what lies where the box itself may write: links that the
// box has planted on the way are not followed.
func TestShowInHome(t *testing.T) {
	dir := hostDir(t)
	p := testPlan(t)
	p.Tree = append(p.Tree, plan.Node{Kind: plan.Scratch, Path: dir, Mode: 0o755})
	p.Landlock.Paths = append(p.Landlock.Paths, plan.PathRule{Path: dir, Access: plan.ReadWrite})
	data := filepath.Join(dir, "data")
	b, sh := startSteps(t, p)
	sh.do("ln -s /tmp " + data)
	if err := b.Show(Show{Path: data + "/a", File: pinned(t, data+"/a")}); err == nil {
		t.Error("a planted link was followed")
	}
	if out := sh.do("ls /tmp | grep -x a"); out != "" {
		t.Errorf("made behind the link: %s", out)
	}
	sh.do("rm " + data)
	if err := b.Show(Show{Path: data + "/a", File: pinned(t, data+"/a")}); err != nil {
		t.Fatal(err)
	}
	if out := sh.do("cat " + data + "/a"); out != "content\n" {
		t.Errorf("not shown: %s", out)
	}
}

// TestShowSwapped puts something else in the place of what was asked about.
func TestShowSwapped(t *testing.T) {
	dir := hostDir(t)
	file := filepath.Join(dir, "file")
	b, sh := startSteps(t, testPlan(t))
	was := pinned(t, file)
	for name, swap := range map[string]func() error{
		"link":  func() error { return os.Symlink(filepath.Join(dir, "data/secret"), file) },
		"other": func() error { return os.WriteFile(file, []byte("other\n"), 0o644) },
	} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := swap(); err != nil {
			t.Fatal(err)
		}
		err := b.Show(Show{Path: file, File: was})
		if err == nil || name == "other" && !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if out := sh.do("cat " + file); !strings.Contains(out, "No such file") {
			t.Errorf("%s: shown: %s", name, out)
		}
	}
}

// TestShowStrict: Landlock keeps what runs already from reading, and lets what is
// started later.
func TestShowStrict(t *testing.T) {
	p := testPlan(t)
	if p.Landlock.MinABI == 0 {
		t.Skip("no Landlock")
	}
	p.Landlock.Strict, p.Landlock.Scoped = true, nil
	// Where tests have their files, the box has a place of its own.
	p.Landlock.Paths = slices.DeleteFunc(p.Landlock.Paths, func(r plan.PathRule) bool { return r.Path == "/tmp" })
	dir := hostDir(t)
	file := filepath.Join(dir, "file")
	b, sh := startSteps(t, p)
	if err := b.Show(Show{Path: file, File: pinned(t, file)}); err != nil {
		t.Fatal(err)
	}
	if out := sh.do("cat " + file); !strings.Contains(out, "ermission denied") {
		t.Errorf("Landlock of a running command: %s", out)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	proc, err := b.Start(&Command{Path: "/bin/cat", Args: []string{"cat", file}, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	proc.Wait()
	if got, _ := os.ReadFile(out.Name()); string(got) != "one file\n" {
		t.Errorf("a later command: %s", got)
	}
}

// TestHide takes back what was shown: it is gone for every later open, and what is
// open stays.
func TestHide(t *testing.T) {
	dir := hostDir(t)
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "file")
	b, sh := startSteps(t, testPlan(t))
	for range 2 {
		if err := b.Show(Show{Path: data, File: pinned(t, data), Dir: true, Masks: []plan.Node{{Kind: plan.Mask, Path: data + "/secret", Mode: unix.S_IFREG}}}); err != nil {
			t.Fatal(err)
		}
		if err := b.Show(Show{Path: file, File: pinned(t, file)}); err != nil {
			t.Fatal(err)
		}
		if out := sh.do("exec 3<" + file + "; cd " + data + "; cat a " + file); out != "content\none file\n" {
			t.Fatalf("not shown: %s", out)
		}
		for _, p := range []string{data, file} {
			if err := b.Hide(p); err != nil {
				t.Error(err)
			}
		}
		if out := sh.do("cat " + data + "/a " + file + "; ls " + data); strings.Contains(out, "content") || strings.Contains(out, "one file") {
			t.Errorf("still shown: %s", out)
		}
		if out := sh.do("cat <&3; cat secret; cd /"); !strings.HasPrefix(out, "one file\n") || strings.Contains(out, "hidden") {
			t.Errorf("what is open: %s", out)
		}
	}
	if err := b.Hide(file); err == nil {
		t.Error("hidden twice")
	}
	if err := b.Hide("/tmp"); err == nil {
		t.Error("what was never shown is unmounted")
	}
	if len(b.shown) != 0 {
		t.Errorf("later commands get %v", b.shown)
	}
}

// TestHideElsewhere: a box that may rename the directories above what was shown leads
// to another mount, one that hides something.
func TestHideElsewhere(t *testing.T) {
	dir, own := hostDir(t), hostDir(t)
	p := testPlan(t)
	p.Tree = append(p.Tree, plan.Node{Kind: plan.Scratch, Path: own, Mode: 0o755})
	p.Landlock.Paths = append(p.Landlock.Paths, plan.PathRule{Path: own, Access: plan.ReadWrite})
	data, mine := filepath.Join(dir, "data"), filepath.Join(own, "data")
	b, sh := startSteps(t, p)
	if err := b.Show(Show{Path: data, File: pinned(t, data), Dir: true, Masks: []plan.Node{{Kind: plan.Mask, Path: data + "/secret", Mode: unix.S_IFREG}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Show(Show{Path: mine + "/secret", File: pinned(t, mine+"/secret")}); err != nil {
		t.Fatal(err)
	}
	for _, plant := range []string{"ln -s " + data + " " + mine, "rm " + mine + "; mkdir " + mine + "; echo x > " + mine + "/secret"} {
		sh.do("test -e " + own + "/x || mv " + mine + " " + own + "/x")
		sh.do(plant)
		if err := b.Hide(mine + "/secret"); err == nil {
			t.Errorf("after %q something was unmounted", plant)
		}
		if out := sh.do("cat " + data + "/secret"); strings.Contains(out, "hidden") {
			t.Errorf("after %q the mask is gone: %s", plant, out)
		}
	}
	sh.do("rm -r " + mine + "; mv " + own + "/x " + mine)
	if err := b.Hide(mine + "/secret"); err != nil {
		t.Error(err)
	}
}
