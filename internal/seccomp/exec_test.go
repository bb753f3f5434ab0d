package seccomp

import "testing"

// TestExecKey holds that every execve goes to the supervisor but one with the key,
// whole, in the fourth argument; and that none does without Exec.
func TestExecKey(t *testing.T) {
	const key = 0x1234_5678_9abc_def1
	for _, archName := range []string{"amd64", "arm64"} {
		a, err := archFor(archName)
		if err != nil {
			t.Fatal(err)
		}
		run := func(p Profile, key uint64, c call, fourth uint64) verdict {
			t.Helper()
			prog, err := Compile(p, archName, key)
			if err != nil {
				t.Fatal(err)
			}
			return newVM(t, prog).run(t, data{nr: uint32(a.numbers[c]), arch: a.audit, args: [6]uint64{1, 2, 3, fourth}})
		}
		for _, tt := range []struct {
			p      Profile
			key    uint64
			call   call
			fourth uint64
			want   verdict
		}{
			{Profile{}, key, sysExecve, 0, retAllow},
			{Profile{Broker: true}, key, sysExecveat, 0, retAllow},
			{Profile{Exec: true}, key, sysExecve, 0, retNotify},
			{Profile{Exec: true}, key, sysExecve, key, retAllow},
			{Profile{Exec: true}, key, sysExecve, key & 0xffff_ffff, retNotify},
			{Profile{Exec: true}, key, sysExecve, key &^ 0xffff_ffff, retNotify},
			{Profile{Exec: true}, key, sysExecveat, key, retNotify},
			{Profile{Exec: true}, 0, sysExecve, 0, retNotify},
			{Profile{Exec: true, Broker: true}, key, sysMkdirat, key, retNotify},
			{Profile{Exec: true}, key, sysMkdirat, 0, retAllow},
		} {
			if got := run(tt.p, tt.key, tt.call, tt.fourth); got != tt.want {
				t.Errorf("%s: %+v: %v", archName, tt, got)
			}
		}
	}
}
