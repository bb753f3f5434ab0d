//go:build linux

package linux

import (
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bailey-run/bailey/internal/plan"
)

// probeVersion is raised whenever a probe asks another question, so that answers
// to the old one are not taken.
const probeVersion = 1

// cacheKept is how long the answers of another boot, container or user stay.
// They are some hundred bytes each; a home directory shared by many machines
// must not collect them for ever.
const cacheKept = 7 * 24 * time.Hour

// maxCache is well above what a Kernel takes. A larger file is not ours.
const maxCache = 8 << 10

// ProbeCached is Probe with the answers kept below dir/kernel for as long as
// they hold: until the next boot, for this user, in these namespaces and this
// cgroup. A switch that an administrator turns meanwhile is noticed where it
// matters: "no user namespaces" is tried again each time (at once, when the
// answer is still no), and where the answer was yes the launch fails and says so.
//
// The file is believed only when it is a regular file of this user that nobody
// else may write, in a directory of which the same is true.
func ProbeCached(dir string) plan.Kernel {
	k, _ := probeCached(dir)
	return k
}

// probeCached also says whether the answers were kept ones.
func probeCached(dir string) (plan.Kernel, bool) {
	key, ok := probeKey(dir)
	if !ok {
		return Probe(dir), false
	}
	file := filepath.Join(dir, "kernel", keyName(key))
	if b, err := readPrivate(file); err == nil {
		if k, ok := decodeKernel(key, b); ok && (k.UserNS || !tryUserNS().ok()) {
			return k, true
		}
	}
	k := Probe(dir)
	keepKernel(file, encodeKernel(key, k))
	return k, false
}

// keep makes answers the ones that ProbeCached gives.
func keep(dir string, k plan.Kernel) {
	if key, ok := probeKey(dir); ok {
		keepKernel(filepath.Join(dir, "kernel", keyName(key)), encodeKernel(key, k))
	}
}

// probeKey is everything that the answers depend on, in one line.
func probeKey(dir string) (string, bool) {
	var buf [4096]byte
	boot, err := readSmall("/proc/sys/kernel/random/boot_id", buf[:64])
	if err != nil {
		return "", false
	}
	key := make([]byte, 0, 512)
	key = strconv.AppendInt(key, probeVersion, 10)
	for _, part := range [][]byte{boot, []byte(release())} {
		key = append(append(key, ' '), part...)
	}
	key = strconv.AppendInt(append(key, ' '), int64(unix.Geteuid()), 10)
	for _, ns := range []string{"user", "mnt"} {
		n, err := unix.Readlink("/proc/self/ns/"+ns, buf[:64]) // half the price of stat
		if err != nil {
			return "", false
		}
		key = append(append(key, ' '), buf[:n]...)
	}
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err == nil {
		key = strconv.AppendInt(append(key, ' '), int64(mode), 10)
	}
	cgroup, err := readSmall("/proc/self/cgroup", buf[:])
	if err != nil {
		return "", false
	}
	// Only the place in the v2 tree matters; v1 lines change without a reason.
	if i := strings.Index(string(cgroup), "0::"); i >= 0 {
		key = strconv.AppendQuote(append(key, ' '), string(cgroup[i:]))
	}
	return string(strconv.AppendQuote(append(key, ' '), dir)), true
}

func keyName(key string) string {
	h := fnv.New64a()
	h.Write([]byte(key))
	return strconv.FormatUint(h.Sum64(), 16)
}

// readSmall reads a file into buf without the cost of os.File, trimmed.
func readSmall(path string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	for n > 0 && buf[n-1] == '\n' {
		n--
	}
	return buf[:n], nil
}

// readPrivate reads a file that only this user can have written.
func readPrivate(path string) ([]byte, error) {
	d, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(d)
	var st unix.Stat_t
	if err := unix.Fstat(d, &st); err != nil || !private(&st) {
		return nil, os.ErrPermission
	}
	fd, err := unix.Openat(d, filepath.Base(path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil || !private(&st) || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || st.Size > maxCache {
		return nil, os.ErrPermission
	}
	buf := make([]byte, st.Size)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

func private(st *unix.Stat_t) bool {
	return int(st.Uid) == unix.Geteuid() && st.Mode&0o022 == 0
}

// keepKernel writes the file whole or not at all, and removes what is too old.
// Where nothing can be written the next start is slower; nothing else is lost.
func keepKernel(file string, content []byte) {
	dir := filepath.Dir(file)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(dir, ".new-") // mode 0600
	if err != nil {
		return
	}
	_, werr := f.Write(content)
	if cerr := f.Close(); werr != nil || cerr != nil || os.Rename(f.Name(), file) != nil {
		os.Remove(f.Name())
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if fi, err := e.Info(); err == nil && time.Since(fi.ModTime()) > cacheKept {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// The file is lines of a name, a space and a value, strings quoted: reading JSON
// would cost more than all the rest.

func encodeKernel(key string, k plan.Kernel) []byte {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + " " + value + "\n") }
	line("key", strconv.Quote(key))
	line("release", strconv.Quote(k.Release))
	line("user_ns", strconv.FormatBool(k.UserNS))
	line("user_ns_why", strconv.Quote(k.UserNSWhy))
	line("landlock_abi", strconv.Itoa(k.LandlockABI))
	line("seccomp_notify", strconv.FormatBool(k.SeccompNotify))
	line("overlay", strconv.Quote(k.Overlay))
	line("fresh_proc", strconv.FormatBool(k.FreshProc))
	line("cgroup_v2", strconv.Quote(k.CgroupV2))
	line("cgroup_why", strconv.Quote(k.CgroupWhy))
	line("end", "of file")
	return []byte(b.String())
}

func decodeKernel(key string, b []byte) (k plan.Kernel, ok bool) {
	text := string(b)
	good := true
	next := func(name string) string {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		v, found := strings.CutPrefix(line, name+" ")
		good = good && found
		return v
	}
	str := func(name string) string {
		s, err := strconv.Unquote(next(name))
		good = good && err == nil
		return s
	}
	boolean := func(name string) bool {
		v, err := strconv.ParseBool(next(name))
		good = good && err == nil
		return v
	}
	if str("key") != key || !good {
		return plan.Kernel{}, false
	}
	k.Release = str("release")
	k.UserNS = boolean("user_ns")
	k.UserNSWhy = str("user_ns_why")
	abi, err := strconv.Atoi(next("landlock_abi"))
	good = good && err == nil
	k.LandlockABI = abi
	k.SeccompNotify = boolean("seccomp_notify")
	k.Overlay = str("overlay")
	k.FreshProc = boolean("fresh_proc")
	k.CgroupV2 = str("cgroup_v2")
	k.CgroupWhy = str("cgroup_why")
	if next("end") != "of file" || !good {
		return plan.Kernel{}, false
	}
	return k, true
}
