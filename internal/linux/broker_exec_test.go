//go:build linux

package linux

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// watcher is a supervision that keeps what it is told.
type watcher struct {
	mu      sync.Mutex
	started []Exec
	ended   map[int]ExecEnd // by Inside
}

func (w *watcher) supervision(concerns func(string) bool, judge func(context.Context, *Exec) syscall.Errno) *Supervision {
	w.ended = map[int]ExecEnd{}
	return &Supervision{Concerns: concerns, Judge: judge,
		Started: func(e *Exec) { w.mu.Lock(); defer w.mu.Unlock(); w.started = append(w.started, *e) },
		Ended:   func(e *ExecEnd) { w.mu.Lock(); defer w.mu.Unlock(); w.ended[e.Inside] = *e },
	}
}

// named returns what was started under a name.
func (w *watcher) named(name string) (out []Exec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.started {
		if lastPart(e.Path) == name {
			out = append(out, e)
		}
	}
	return out
}

// supervised runs a script under s and returns what it printed.
func supervised(t *testing.T, p *plan.Plan, s *Supervision, args ...string) (string, int) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	b, proc, err := Open(p, &Command{Path: args[0], Args: args, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out}, Options{Execs: s, Failed: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	st, err := proc.Wait()
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text), st.ExitCode()
}

// tiers runs a test in both kinds of box.
func tiers(t *testing.T, test func(t *testing.T, p *plan.Plan)) {
	t.Run("full", func(t *testing.T) {
		p := testPlan(t)
		p.Syscalls.Exec = true
		test(t, p)
	})
	t.Run("landlock", func(t *testing.T) {
		p := weakPlan(t)
		p.Syscalls.Exec, p.Syscalls.Broker = true, true
		test(t, p)
	})
}

func TestExecRecord(t *testing.T) {
	tiers(t, func(t *testing.T, p *plan.Plan) {
		script := filepath.Join(p.Dir, "script")
		if err := os.WriteFile(script, []byte("#!/bin/sh -e\nexit 7\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		var w watcher
		out, code := supervised(t, p, w.supervision(nil, nil), "/bin/sh", "-c", `
/usr/bin/env A=b true one "two words"
./script x; echo $?
nosuch-program; echo $?
sh -c 'kill -9 $$'; echo $?
cd /usr; exec /bin/sh -c 'exit 3'`)
		if code != 3 || !strings.Contains(out, "7\n") || !strings.Contains(out, "127\n") || !strings.Contains(out, "137\n") {
			t.Fatalf("exit %d: %s", code, out)
		}
		if list := w.named("true"); len(list) != 1 || !slices.Equal(list[0].Args, []string{"true", "one", "two words"}) || list[0].Dir != p.Dir || lastPart(list[0].By) != "env" {
			t.Errorf("true: %+v", list)
		}
		list := w.named("script")
		if len(list) != 1 || len(list[0].Scripts) != 1 || !slices.Equal(list[0].Scripts[0].Words, []string{"/bin/sh", "-e"}) || list[0].Real != script {
			t.Fatalf("script: %+v", list)
		}
		if len(w.named("nosuch-program")) != 0 {
			t.Error("a program that is not there was told of")
		}
		if last := w.named("sh"); len(last) != 2 || last[1].Dir != "/usr" || last[1].Parent != os.Getpid() && p.Tier == "full" {
			t.Errorf("sh: %+v", last)
		}
		end, ok := w.ended[list[0].Inside]
		if !ok {
			t.Fatalf("its end was not told: %+v", w.ended)
		}
		if end.Known && end.Status.ExitStatus() != 7 {
			t.Errorf("ended with %v", end.Status)
		}
		if !end.Known && kernelAtLeast(6, 15) {
			t.Error("its status is not known")
		}
	})
}

// TestExecOff holds that without it no execve stops anywhere.
func TestExecOff(t *testing.T) {
	var w watcher
	p := testPlan(t)
	p.Syscalls.Broker = true
	supervised(t, p, w.supervision(func(string) bool { return true }, func(context.Context, *Exec) syscall.Errno { return unix.EACCES }), "/bin/sh", "-c", "/bin/true; true > x")
	if len(w.started) != 0 {
		t.Errorf("told of %+v", w.started)
	}
}

// TestExecJudge refuses a program in every way there is to execute it, after it has
// been seen to run in each.
func TestExecJudge(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip(err)
	}
	ways := []string{
		`./forbidden`, `"$PWD/forbidden"`, `sh ways`, `env ./forbidden`, `timeout 20 ./forbidden`, `nohup ./forbidden`, `xargs ./forbidden </dev/null`, `find forbidden -exec ./{} \;`,
		`./link`, `./script`, `./second`, `./third`, `./linked`, `cd sub; ../forbidden`, `(exec -a other ./forbidden)`, `(exec -a forbidden /bin/sh -c ": >ran")`, `(exec -a /x/forbidden /bin/sh -c ": >ran")`, `setsid -w ./forbidden`, `nice ./forbidden`, `perl -e 'exec "./forbidden"'`, `perl -e 'system "./forbidden"'`, `make -s -f mk`, `PATH=. forbidden`,
		`python3 -c 'import subprocess; subprocess.run("./forbidden")'`,
		`python3 -c 'import os; os.posix_spawn("./forbidden", ["f"], {})'; sleep 0.2`,
		`python3 -c 'import os; f = os.open("forbidden", os.O_RDONLY); os.set_inheritable(f, True); os.execve(f, ["f"], {})'`,
		`python3 -c 'import os; f = os.open("forbidden", os.O_RDONLY); os.set_inheritable(f, True); os.execv("/proc/self/fd/%d" % f, ["f"])'`,
		`python3 -c 'import os; f = os.open("forbidden", os.O_RDONLY); os.set_inheritable(f, True); os.execv("/dev/fd/%d" % f, ["f"])'`,
		`python3 -c 'import os, threading; t = threading.Thread(target=lambda: os.execv("./forbidden", ["f"])); t.start(); t.join()'`,
		`python3 -c 'import os; os.execv("./forbidden", ["f"] + ["x"*1000]*100)'`,
	}
	tiers(t, func(t *testing.T, p *plan.Plan) {
		write := func(name, text string, mode os.FileMode) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(text), mode); err != nil {
				t.Fatal(err)
			}
		}
		write("forbidden", "#!/bin/sh\n: >>"+p.Dir+"/ran\n", 0o755)
		write("ways", "cd "+p.Dir+"\n./forbidden\n", 0o755)
		write("mk", "all:\n\t./forbidden\n", 0o644)
		os.Mkdir(filepath.Join(p.Dir, "sub"), 0o755)
		write("script", "#!"+p.Dir+"/forbidden x\n", 0o755)
		write("second", "#!"+p.Dir+"/script\n", 0o755)
		write("third", "#!"+p.Dir+"/second x\n", 0o755)
		write("linked", "#!"+p.Dir+"/link\n", 0o755)
		if err := os.Symlink("forbidden", filepath.Join(p.Dir, "link")); err != nil {
			t.Fatal(err)
		}
		for _, refuse := range []bool{false, true} {
			var asked sync.Map
			var w watcher
			s := w.supervision(func(name string) bool { return name == "forbidden" }, func(_ context.Context, e *Exec) syscall.Errno {
				asked.Store(e.Path, true)
				if refuse {
					return unix.EACCES
				}
				return 0
			})
			var script strings.Builder
			for i, way := range ways {
				fmt.Fprintf(&script, "rm -f ran; ( %s ); [ -e ran ]; echo way %d: $?\n", way, i)
			}
			out, _ := supervised(t, p, s, "/bin/bash", "-c", script.String())
			for i, way := range ways {
				want := map[bool]string{false: "0", true: "1"}[refuse]
				if !strings.Contains(out, fmt.Sprintf("way %d: %s\n", i, want)) {
					t.Errorf("refused %v: %s: %s", refuse, way, out)
				}
			}
		}
	})
}

// TestExecLimits holds what arguments that are too long, or not there, lead to.
func TestExecLimits(t *testing.T) {
	p := testPlan(t)
	p.Syscalls.Exec = true
	var w watcher
	var longest int
	s := w.supervision(func(name string) bool { return name == "false" }, func(_ context.Context, e *Exec) syscall.Errno {
		longest = max(longest, len(e.Args))
		return 0
	})
	out, _ := supervised(t, p, s, "/bin/bash", "-c", `
/bin/true $(seq 5000); echo $?
/bin/false $(seq 5000); echo $?
/bin/false $(seq 100000) 2>/dev/null; echo $?
/bin/false "$(printf %0100000d 1)"; echo $?`)
	if got := strings.Fields(out); !slices.Equal(got, []string{"0", "1", "126", "1"}) {
		t.Errorf("%q", got)
	}
	list := w.named("true")
	if len(list) != 1 || len(list[0].Args) != keptWords || list[0].More != 5001-keptWords || longest != 5001 {
		t.Errorf("%d told of, longest %d", len(list), longest)
	}
}

// TestExecHeld holds that a question about a program keeps nobody else waiting, and
// ends when whoever asks is gone, or the box.
func TestExecHeld(t *testing.T) {
	for _, way := range []string{"killed", "closed"} {
		t.Run(way, func(t *testing.T) {
			p := testPlan(t)
			p.Syscalls.Exec, p.Syscalls.Broker = true, true
			asked, over := make(chan int, 1), make(chan struct{})
			var w watcher
			s := w.supervision(func(name string) bool { return name == "false" }, func(ctx context.Context, e *Exec) syscall.Errno {
				asked <- e.Inside
				<-ctx.Done()
				close(over)
				return 0
			})
			marker := filepath.Join(p.Dir, "others-went-on")
			b, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh", "-c", `
/bin/false & while ! /bin/kill -0 $!; do :; done
i=0; while [ $i -lt 50 ]; do /bin/true; mkdir d$i; i=$((i+1)); done; : > ` + marker + `
[ ` + way + ` = closed ] || { sleep 0.1; kill -9 $!; }
wait`}}, Options{Execs: s})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			<-asked
			for range 3000 {
				if _, err = os.Stat(marker); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if err != nil {
				t.Error("nobody else went on")
			}
			if way == "closed" {
				b.Close()
			} else if st, err := proc.Wait(); err != nil {
				t.Errorf("%v, %v", st, err)
			}
			select {
			case <-over:
			case <-time.After(time.Minute):
				t.Error("the question is still open")
			}
		})
	}
}

// TestExecFlood starts more programs than a slow receiver takes.
func TestExecFlood(t *testing.T) {
	p := testPlan(t)
	p.Syscalls.Exec = true
	told, missed := 0, 0
	release := make(chan struct{})
	s := &Supervision{Started: func(e *Exec) {
		<-release
		told++
	}, Ended: func(*ExecEnd) {}, Missed: func(n int) { missed += n }}
	const n = 2*recordQueue + 500
	b, proc, err := Open(p, &Command{Path: "/bin/sh", Args: []string{"sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do /bin/true; i=$((i+1)); done", n)}}, Options{Execs: s})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := proc.Wait(); err != nil || !st.Success() {
		t.Errorf("%v, %v", st, err)
	}
	close(release)
	b.Close()
	if told+missed != n || missed == 0 {
		t.Errorf("told of %d, missed %d of %d", told, missed, n)
	}
}

// FuzzArgs reads argument lists from memory that the box has laid out.
func FuzzArgs(f *testing.F) {
	f.Add([]byte("sh\x00-c\x00true\x00"), uint8(3), true)
	f.Add([]byte{}, uint8(0), true)
	f.Add([]byte("no end"), uint8(9), false)
	f.Add([]byte(strings.Repeat("x", 9000)+"\x00"), uint8(1), true)
	f.Fuzz(func(t *testing.T, text []byte, count uint8, closed bool) {
		// Both end where memory ends, so that a read too far is seen.
		texts, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Skip(err)
		}
		defer unix.Munmap(texts)
		if len(text) > 1<<15 {
			return
		}
		at := len(texts) - len(text)
		copy(texts[at:], text)
		base := uint64(uintptr(unsafe.Pointer(&texts[0])))
		var list []byte
		for i := range int(count) {
			list = binary.LittleEndian.AppendUint64(list, base+uint64(at+i*len(text)/(int(count)+1)))
		}
		if closed {
			list = binary.LittleEndian.AppendUint64(list, 0)
		}
		where := len(texts) - len(text) - len(list) - 1
		copy(texts[where:], list)
		w := &worker{}
		w.req.pid = uint32(os.Getpid())
		var e Exec
		errno := w.readArgs(&e, base+uint64(where), 64, 4096)
		runtime.KeepAlive(texts)
		size := 0
		for _, a := range e.Args {
			if size += len(a); strings.IndexByte(a, 0) >= 0 {
				t.Errorf("a NUL in %q", a)
			}
		}
		if len(e.Args) > 64 || size > 4096 {
			t.Errorf("%d arguments of %d bytes", len(e.Args), size)
		}
		if errno == 0 && closed && len(e.Args)+e.More != int(count) {
			t.Errorf("%d and %d of %d", len(e.Args), e.More, count)
		}
	})
}

// FuzzScript holds what a first line is read as: never a blank or a line break in
// the interpreter.
func FuzzScript(f *testing.F) {
	for _, s := range []string{"#!/bin/sh\n", "#! /usr/bin/env python3 -x\nrest", "#!\n", "#!/bin/sh -e \t\n", "\x7fELF", "#!/a\x00b", "#! \t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		line := shebang([]byte(s))
		switch {
		case line == nil:
		case !strings.HasPrefix(s, "#!"), len(line) > 2, line[0] == "", strings.ContainsAny(line[0], " \t\n\x00"), strings.ContainsAny(line[len(line)-1], "\n\x00"):
			t.Errorf("%q is %q", s, line)
		}
	})
}
