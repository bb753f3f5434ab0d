//go:build linux

package probe

import (
	"os"
	"testing"
)

// Nothing but a scratch directory with its random part is ever cleaned up, and no
// number that means others is ever sent a signal.
func TestRefusesWhatIsNotOurs(t *testing.T) {
	for _, dir := range []string{"", "/", ".", "/var/tmp", "/var/tmp/", "/var/tmp/.bailey-prove-", "/var/tmp/.bailey-prove-0123", "/var/tmp/.bailey-prove-0123456789abcdeg",
		".bailey-prove-0123456789abcdef", "/var/tmp/.bailey-prove-0123456789abcdef/", "/var/tmp/.bailey-prove-0123456789abcdef/..", "/var/tmp/x.bailey-prove-0123456789abcdef"} {
		if isScratch(dir) {
			t.Errorf("%q passes for a scratch directory", dir)
		}
		if list := processesOf(dir); len(list) != 0 {
			t.Errorf("%q: processes %v", dir, list)
		}
		if removeThing("dir", dir) == nil {
			t.Errorf("%q was removed", dir)
		}
	}
	for _, dir := range []string{"/var/tmp/.bailey-prove-0123456789abcdef", "/home/x/.bailey-prove-0123456789abcdef/main"} {
		if !isScratch(dir) {
			t.Errorf("%q is a scratch directory", dir)
		}
	}
	for _, name := range []string{"", "/", "/etc/passwd", "/dev/shm/bailey-prove-1/../x"} {
		if removeThing("file", name) == nil {
			t.Errorf("%q was removed", name)
		}
	}
	for _, pid := range []int{-1, 0, 1, os.Getpid()} {
		if endGroup(pid) == nil {
			t.Errorf("process group %d was ended", pid)
		}
	}
}
