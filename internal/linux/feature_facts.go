//go:build linux

package linux

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Switches that forbid user namespaces, machine-wide.
const (
	sysctlMax      = "/proc/sys/user/max_user_namespaces"
	sysctlDebian   = "/proc/sys/kernel/unprivileged_userns_clone"
	sysctlAppArmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
)

// readNumber reads a sysctl; false when there is none.
func readNumber(path string) (int, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return n, err == nil
}

// userNSReason says why user namespaces do not work, as far as can be told, after
// the step that failed.
func userNSReason(o outcome) string {
	if n, ok := readNumber(sysctlMax); ok && n == 0 {
		return "; " + sysctlMax + " is 0"
	}
	if n, ok := readNumber(sysctlDebian); ok && n == 0 && os.Geteuid() != 0 {
		return "; " + sysctlDebian + " is 0"
	}
	if n, ok := readNumber(sysctlAppArmor); ok && n == 1 && os.Geteuid() != 0 {
		return "; AppArmor gives no capabilities in them (" + sysctlAppArmor + " is 1)"
	}
	if c := container(); c != "" {
		return "; this is a container (" + c + ")"
	}
	if o.step == cloneStep && o.errno == unix.EPERM && filtered() {
		return "; a syscall filter is in force"
	}
	return ""
}

// userNSFix says what to do about it, for the same cases.
func userNSFix(o outcome) string {
	if n, ok := readNumber(sysctlMax); ok && n == 0 {
		return "sudo sysctl user.max_user_namespaces=15000"
	}
	if n, ok := readNumber(sysctlDebian); ok && n == 0 && os.Geteuid() != 0 {
		return "sudo sysctl kernel.unprivileged_userns_clone=1"
	}
	if n, ok := readNumber(sysctlAppArmor); ok && n == 1 && os.Geteuid() != 0 {
		exe, err := os.Executable()
		if err != nil {
			exe = "/usr/local/bin/bailey"
		}
		return "give bailey an AppArmor profile that allows them: write\n" +
			"    abi <abi/4.0>,\n    include <tunables/global>\n    profile bailey " + exe + " flags=(unconfined) { userns, }\n" +
			"to /etc/apparmor.d/bailey and run: sudo apparmor_parser -r /etc/apparmor.d/bailey"
	}
	if container() != "" {
		return "start the container with a syscall filter that allows clone, unshare and mount (Docker: --security-opt seccomp=unconfined, and systempaths=unconfined for a fresh /proc), or use --min-tier landlock"
	}
	if o.step == cloneStep && o.errno == unix.EPERM && filtered() {
		return "run bailey outside of the sandbox that refuses new namespaces, or use --min-tier landlock"
	}
	return "use a kernel with CONFIG_USER_NS, or --min-tier landlock"
}

// filtered says whether this thread runs under a syscall filter already.
func filtered() bool {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	return err == nil && mode == 2
}

// container names the kind of container that this process is in, or "".
func container() string {
	for _, f := range [][2]string{{"/.dockerenv", "Docker"}, {"/run/.containerenv", "Podman"}} {
		if _, err := os.Stat(f[0]); err == nil {
			return f[1]
		}
	}
	if _, err := os.Stat("/var/run/secrets/kubernetes.io/serviceaccount"); err == nil {
		return "Kubernetes"
	}
	b, _ := os.ReadFile("/proc/1/cgroup")
	for _, f := range [][2]string{{"kubepods", "Kubernetes"}, {"docker", "Docker"}, {"libpod", "Podman"}, {"containerd", "containerd"}, {"/lxc", "LXC"}} {
		if strings.Contains(string(b), f[0]) {
			return f[1]
		}
	}
	if b, err := os.ReadFile("/run/systemd/container"); err == nil {
		return strings.TrimSpace(string(b))
	}
	return ""
}

// modules names the security modules in force.
func modules() (string, bool) {
	b, err := os.ReadFile("/sys/kernel/security/lsm")
	return strings.TrimSpace(string(b)), err == nil
}

// cgroupV2 finds the directory in which a box may get a cgroup of its own, or
// says why there is none: the nearest one at or above our own cgroup that this
// user may write, and that hands the memory and pids controllers to its children.
// The kernel lets a process be born in such a child when the user may also write
// cgroup.procs of the directory both have in common.
func cgroupV2() (dir, why string) {
	root := ""
	for _, r := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(r, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			root = r
			break
		}
	}
	if root == "" {
		return "", "cgroup v2 is not mounted"
	}
	own, ok := ownCgroup()
	if !ok {
		return "", "this process has no cgroup v2"
	}
	why = "no cgroup at or above " + own + " gives the memory and pids controllers to its children"
	for p := own; ; p = filepath.Dir(p) {
		dir := filepath.Join(root, p)
		handed, err := os.ReadFile(dir + "/cgroup.subtree_control")
		if f := strings.Fields(string(handed)); err == nil && slices.Contains(f, "memory") && slices.Contains(f, "pids") {
			if unix.Access(dir, unix.W_OK) != nil || unix.Access(dir+"/cgroup.procs", unix.W_OK) != nil {
				return "", "cgroup " + p + " is not delegated to this user"
			}
			if err := tryCgroup(dir); err != nil {
				return "", "making a cgroup in " + p + ": " + err.Error()
			}
			return dir, ""
		}
		if p == "/" || p == "." {
			return "", why
		}
	}
}

// tryCgroup makes a cgroup below dir and takes it away again.
func tryCgroup(dir string) error {
	d, err := os.MkdirTemp(dir, "bailey-probe-")
	if err != nil {
		return err
	}
	defer unix.Rmdir(d)
	for _, f := range []string{"memory.max", "pids.max"} {
		if err := unix.Access(d+"/"+f, unix.W_OK); err != nil {
			return fmt.Errorf("write %s: %w", f, err)
		}
	}
	return nil
}

// ownCgroup is this process's place in the v2 tree.
func ownCgroup() (string, bool) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", false
	}
	return parseCgroup(string(b))
}

// parseCgroup takes the place in the v2 tree out of /proc/PID/cgroup.
func parseCgroup(text string) (string, bool) {
	for line := range strings.Lines(text) {
		if p, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return filepath.Clean("/" + p), true
		}
	}
	return "", false
}
