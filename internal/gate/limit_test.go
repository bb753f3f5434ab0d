package gate

import (
	"syscall"
	"testing"
)

func TestConnsForDescriptors(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)
	for cur, want := range map[uint64]int{1024: 256, 300: minConns, 10: minConns} {
		l := was
		l.Cur = cur
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			t.Fatal(err)
		}
		if got := (Limits{}).filled().Conns; got != want {
			t.Errorf("%d descriptors: %d connections, want %d", cur, got, want)
		}
	}
}
