package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestObstacle(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b")
	file := filepath.Join(dir, "file")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	me := User{UID: os.Getuid(), GID: os.Getgid()}
	other := User{UID: me.UID + 1, GID: me.GID + 1}
	group := User{UID: me.UID + 1, GID: me.GID + 1, Groups: []int{me.GID}}
	for _, tt := range []struct {
		user User
		p    string
		want uint32
		why  string
	}{
		{me, file, CanRead, ""}, {me, file, CanWrite, ""}, {me, file, CanExec, "-rw-r-----"},
		{group, file, CanRead, ""}, {group, file, CanWrite, "its group"}, {other, file, CanRead, "others"},
		{other, dir, CanRead | CanExec, ""}, {other, dir, CanWrite | CanExec, "others"},
		{me, filepath.Join(dir, "none"), CanRead, ""},
	} {
		if why := tt.user.Obstacle(tt.p, tt.want); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%+v %s %d: %q", tt.user, tt.p, tt.want, why)
		}
	}
}
