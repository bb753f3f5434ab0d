//go:build linux

package attempt

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, StartArg); i > 0 && i+1 < len(os.Args) {
		os.Exit(Start(os.Args[i+1:]))
	}
	os.Exit(m.Run())
}

func serve(t *testing.T, tries ...Try) []Answer {
	t.Helper()
	in, err := json.Marshal(tries)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Serve(bytes.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&out, len(tries))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return got
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	file, empty := write("file", "content", 0o644), write("empty", "", 0o644)
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	for _, p := range []string{file, dir} {
		if err := os.Chtimes(p, long, long); err != nil {
			t.Fatal(err)
		}
	}
	got := serve(t,
		Try{"read", []string{file}}, Try{"read", []string{empty}}, Try{"read", []string{dir}}, Try{"read", []string{dir + "/none"}}, Try{"read", []string{pipe}},
		Try{"write", []string{file}}, Try{"write", []string{dir}}, Try{"write", []string{dir + "/new"}}, Try{"write", []string{dir + "/none/new"}}, Try{"write", []string{pipe}}, Try{"write", []string{link}},
		Try{"write", []string{file + "/x"}}, Try{"read", []string{"/dev/null"}}, Try{"write", []string{"/dev/null"}}, Try{"env", []string{"PATH"}}, Try{"env", []string{"NO_SUCH_NAME"}}, Try{"fly", []string{"x"}}, Try{"read", nil},
	)
	for i, want := range []string{
		"read", "read", "list", "ENOENT", "skip", "open for writing", "create", "create", "ENOENT", "skip", "skip", "ENOTDIR", "read", "open for writing",
		"look at the environment", "ENOENT", "skip", "skip",
	} {
		a := got[i]
		ok := false
		switch want {
		case "skip":
			ok = a.Skip != ""
		case "ENOENT":
			ok = a.Errno == int(syscall.ENOENT)
		case "ENOTDIR":
			ok = a.Errno == int(syscall.ENOTDIR)
		default:
			ok = a.Done && a.Step == want
		}
		if !ok || a.Left != "" {
			t.Errorf("%d: want %s, got %+v", i, want, a)
		}
	}
	// Nothing changed, nothing is left, no time is another.
	if content, _ := os.ReadFile(file); string(content) != "content" {
		t.Errorf("the file holds %q", content)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("left behind: %v", entries)
	}
	for _, p := range []string{file, dir} {
		if info, err := os.Stat(p); err != nil || info.ModTime().After(long.Add(time.Minute)) {
			t.Errorf("%s was changed: %v", p, info.ModTime())
		}
	}
}

// A program starts and does nothing: without the filter it would leave a file.
func TestStart(t *testing.T) {
	dir := t.TempDir()
	made := filepath.Join(dir, "made")
	write := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	script := write("script", "#!/bin/sh\n: >"+made+"\n", 0o755)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got := serve(t,
		Try{"exec", []string{script}}, Try{"exec", []string{self}}, Try{"exec", []string{"env", "-i"}},
		Try{"exec", []string{write("broken", "#!/no/such\n", 0o755)}}, Try{"exec", []string{write("data", "", 0o644)}},
		Try{"exec", []string{"no-such-program"}}, Try{"exec", []string{dir}}, Try{"exec", []string{write("shell", "true\n", 0o755)}},
	)
	for i, want := range []syscall.Errno{0, 0, 0, syscall.ENOENT, syscall.EACCES, syscall.ENOENT, syscall.EACCES, 0} {
		if a := got[i]; a.Done != (want == 0) || a.Errno != int(want) || a.Skip != "" {
			t.Errorf("%d: want %v, got %+v", i, want, a)
		}
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("the script ran")
	}
	if p, err := os.StartProcess(script, []string{script}, &os.ProcAttr{}); err != nil {
		t.Fatal(err)
	} else if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(made); err != nil {
		t.Errorf("the script does nothing when it runs, so this test shows nothing: %v", err)
	}
}

func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ":" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	got := serve(t, Try{"connect", []string{"127.0.0.1" + port}}, Try{"connect", []string{"[::ffff:127.0.0.1]" + port}}, Try{"connect", []string{"nonsense"}})
	if !got[0].Done || !got[1].Done || got[2].Skip == "" {
		t.Errorf("%+v", got)
	}
	l.Close()
	if got := serve(t, Try{"connect", []string{"127.0.0.1" + port}}); got[0].Errno != int(syscall.ECONNREFUSED) {
		t.Errorf("%+v", got)
	}
}

func TestRead(t *testing.T) {
	for _, bad := range []string{
		"", `{"i":0,"done":true}`, `{"i":0,"done":true}{"i":0,"done":true}`, `{"i":2,"done":true}{"i":0,"done":true}`, `{"i":-1,"done":true}`,
		`{"i":0,"done":true}{"i":1}`, `{"i":0,"done":true}{"i":1,"done":true,"errno":13}`, `{"i":0,"done":true}{"i":1,"done":true,"more":1}`,
		`{"i":0,"done":true}{"i":1,"done":true}{"i":1,"done":true}`, `{"i":0,"done":true}{"i":1,"done":true}x`, "[]", strings.Repeat(" ", 1<<20),
	} {
		if got, err := Read(strings.NewReader(bad), 2); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
	got, err := Read(strings.NewReader(`{"i":1,"errno":13,"step":"open"} {"i":0,"done":true}`), 2)
	if err != nil || !got[0].Done || got[1].Errno != 13 {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"i":1,"errno":13,"step":"open"} {"i":0,"done":true,"dev":1,"ino":2}`))
	f.Add([]byte(`{"i":0,"skip":"x"}`))
	f.Add([]byte(`{"i":18446744073709551616}`))
	f.Add([]byte("{\"i\":0,\"left\":\"\\u001b\xff\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Read(bytes.NewReader(text), 2)
		if err == nil && len(got) != 2 {
			t.Fatalf("%d answers", len(got))
		}
		for _, a := range got {
			if a.Done == (a.Errno != 0 || a.Skip != "") {
				t.Fatalf("%+v", a)
			}
		}
	})
}

// FuzzAddress compares address with package net/netip, which a bailey has no
// room for.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "1.2.3", "01.2.3.4", "256.1.1.1", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "1.2.3.4::", "1:2:3:4:5:6:1.2.3.4",
		"1::2::3", ":1", "1:", "12345::", "fe80::1%eth0", "g::", "+1.2.3.4", "::+1", "0x1::", "1_0::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := []byte(nil)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			want = a.AsSlice()
		}
		if got := address(s); !bytes.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	})
}
