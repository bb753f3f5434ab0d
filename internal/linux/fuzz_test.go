//go:build linux

package linux

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// FuzzMessage holds that whatever comes over the control socket is taken for what
// it is or refused: no number becomes a process that it is not, and no descriptor
// is kept twice or lost.
func FuzzMessage(f *testing.F) {
	add := func(m message, n, fd int) {
		f.Add(unsafe.Slice((*byte)(unsafe.Pointer(&m)), messageSize), n, fd)
	}
	for kind := range uint32(8) {
		add(message{kind: kind, index: 1, errno: 5, value: 7}, messageSize, 0)
	}
	add(message{kind: msgFile, value: fileTerminal}, messageSize, 1<<20)
	add(message{kind: msgFile, value: fileListener}, messageSize, 1<<20)
	add(message{kind: msgFile, value: fileRequests}, messageSize, 1<<20)
	add(message{kind: msgFile, value: 99}, messageSize, 1<<20)
	add(message{kind: msgFile, value: fileSocket + maxSockets}, messageSize, 1<<20)
	add(message{kind: msgPids, value: -1}, messageSize, 0)
	add(message{kind: msgFailed, index: math.MaxUint32}, messageSize, 0)
	add(message{}, 3, 0)
	f.Fuzz(func(t *testing.T, raw []byte, n, fd int) {
		l := &launch{p: newProgram(3)}
		l.p.do("a step", unix.SYS_GETPID)
		var r result
		for i := range 3 { // the same again must not be worse
			var m message
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&m)), messageSize), raw)
			given := 0
			if fd > 0 {
				given = 1<<28 + i // such a number is no descriptor: closing it hits nothing
			}
			had := r
			kept := l.note(&r, n, &m, given)
			holds := given > 0 && (r.listener == given || r.requests == given) || r.terminal != nil && had.terminal == nil || given > 0 && slices.Contains(r.net, given)
			if kept != holds {
				t.Fatalf("%+v: kept %v, holds %v", m, kept, holds)
			}
			if had.listener != 0 && r.listener != had.listener || had.requests != 0 && r.requests != had.requests || had.terminal != nil && r.terminal != had.terminal {
				t.Fatalf("%+v: a descriptor was lost", m)
			}
		}
		for _, pid := range r.pids {
			if pid < 0 {
				t.Fatalf("pid %d", pid)
			}
		}
		var setup *SetupError
		if r.err != nil && (!errors.As(r.err, &setup) || setup.Step == "" || r.err.Error() == "") {
			t.Fatalf("%#v", r.err)
		}
	})
}

// FuzzDescriptor holds that no bytes of a control message panic, and that at most
// one descriptor comes of them.
func FuzzDescriptor(f *testing.F) {
	f.Add(unix.UnixRights(1 << 28))
	f.Add(unix.UnixRights(1<<28, 1<<28+1))
	f.Add([]byte{1})
	f.Add(make([]byte, 24))
	f.Fuzz(func(t *testing.T, oob []byte) {
		// The numbers in it are not ours: those that could be are made to be none.
		if cmsgs, err := unix.ParseSocketControlMessage(oob); err == nil {
			for i := range cmsgs {
				for at := 0; at+4 <= len(cmsgs[i].Data); at += 4 {
					fd := (*int32)(unsafe.Pointer(&cmsgs[i].Data[at]))
					if *fd > 2 && *fd < 1<<27 {
						return
					}
				}
			}
		}
		if fd, err := descriptor(oob); (err == nil) != (fd > 0) {
			t.Errorf("%d, %v", fd, err)
		}
	})
}

// FuzzProc reads what procfs says about processes of the box, which choose their
// own names.
func FuzzProc(f *testing.F) {
	for _, file := range []string{"status", "statm", "cgroup", "mountinfo"} {
		if text, err := os.ReadFile("/proc/self/" + file); err == nil {
			f.Add(string(text))
		}
	}
	f.Add("Name:\tx\\nSeccomp:\\t2\nUmask:\t0022\nSeccomp:\t0\nNSpid:\t7\t1\nCapPrm:\t0000000000000000\n")
	f.Add("1 2 3 4\n")
	f.Add("0::/../..\n1:x:/\n")
	f.Add("99999999999999999999 1 0")
	f.Fuzz(func(t *testing.T, s string) {
		st := parseStatus([]byte(s))
		for k, v := range st {
			if strings.ContainsAny(k, ":\n") || strings.Contains(v, "\n") {
				t.Errorf("%q: %q", k, v)
			}
			if first := strings.Index("\n"+s, "\n"+k+":"); first < 0 {
				t.Errorf("%q is no line of %q", k, s)
			}
			if zero(v) && strings.Trim(v, "0") != "" {
				t.Errorf("%q is taken for zero", v)
			}
		}
		// The broker's reader of the same file must not say something else.
		if n, ok := field([]byte("\n"+s), "\nUmask:", 8); ok && n > math.MaxUint32 && len(st["Umask"]) < 10 {
			t.Errorf("umask %o of %q", n, st["Umask"])
		}
		field([]byte(s), "\nNSpid:", 10)
		if n := privatePages([]byte(s)); n < 0 || n > 1<<40 {
			t.Errorf("%d pages", n)
		}
		if dir, ok := parseCgroup(s); ok && (dir == "" || dir[0] != '/' || strings.Contains(dir+"/", "/../")) {
			t.Errorf("cgroup %q", dir)
		}
		if n, ok := number([]byte(s)); ok && (n < 0 || string(appendInt(nil, n)) != s) {
			t.Errorf("%q is read as %d", s, n)
		}
	})
}

// FuzzPath holds the parts of the broker's reading of a path that need no kernel.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "/", "//", "a/", "a/..", "../x", "/a//b///", ".", "..", "/proc/self/fd/1", "...", "a/.../b", strings.Repeat("a/", 2000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" || len(s) >= unix.PathMax || strings.Contains(s, "\x00") {
			return
		}
		tg := new(target)
		tg.reset()
		tg.n = copy(tg.text[:], s)
		tg.split()
		last := string(tg.text[tg.last:tg.n])
		trimmed := strings.TrimRight(s, "/")
		switch {
		case trimmed == "":
			if !tg.top || !tg.dots {
				t.Errorf("%q is not the root", s)
			}
		case last != trimmed[strings.LastIndexByte(trimmed, '/')+1:]:
			t.Errorf("%q ends in %q", s, last)
		case tg.slash != (trimmed != s):
			t.Errorf("%q: slash %v", s, tg.slash)
		case tg.dots != (last == "." || last == ".."):
			t.Errorf("%q: dots %v", s, tg.dots)
		}
		if n := bytes.IndexByte(unsafe.Slice(tg.bare(), len(tg.text)-tg.last), 0); n < 0 || tg.top && n > 1 {
			t.Errorf("%q: a name without an end", s)
		}
		want := false
		for part := range strings.SplitSeq(s, "/") {
			want = want || part == ".."
		}
		if climbs([]byte(s)) != want {
			t.Errorf("climbs(%q) is %v", s, !want)
		}
		w := &worker{}
		if !strings.HasPrefix(s, "/proc/") || strings.HasPrefix(s, "/proc/self/") {
			if fd, ok := w.selfFD([]byte(s)); ok && fd < 0 {
				t.Errorf("%q is descriptor %d", s, fd)
			}
		}
	})
}

// FuzzKernelCache holds that a cache file is what was written for this key, or
// nothing.
func FuzzKernelCache(f *testing.F) {
	k := plan.Kernel{Release: "6.1 \"x\"\n", UserNS: true, LandlockABI: 7, Overlay: "upper", CgroupWhy: "why"}
	f.Add(encodeKernel("key", k))
	f.Add([]byte("key \"key\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := decodeKernel("key", b)
		if !ok {
			if got != (plan.Kernel{}) {
				t.Errorf("%+v without an ok", got)
			}
			return
		}
		if again, ok := decodeKernel("key", encodeKernel("key", got)); !ok || again != got {
			t.Errorf("%+v becomes %+v", got, again)
		}
		if _, ok := decodeKernel("other", b); ok {
			t.Error("accepted for another key")
		}
	})
}
