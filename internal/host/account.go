package host

import (
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bailey-run/bailey/internal/plan"
)

// users looks accounts up. Package os/user is not used: without cgo it believes
// HOME and USER when the database has no entry.
type users struct {
	h      *host
	passwd string // content of /etc/passwd
	self   int
}

func (h *host) users(opt Options) (*users, error) {
	if opt.passwd != "" {
		return &users{h, opt.passwd, opt.uid}, nil
	}
	b, err := os.ReadFile("/etc/passwd")
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the user database: %w", err)
	}
	return &users{h, string(b), os.Getuid()}, nil
}

// byID finds an account: in /etc/passwd, then through the name service, then, for
// the caller alone, from a HOME that belongs to them. env is nil for others.
func (u *users) byID(uid int, env []string) (plan.Account, error) {
	a, ok := parsePasswd(u.passwd, uid)
	if !ok && env != nil {
		a, ok = parsePasswd(getent(uid), uid)
	}
	if env != nil && (!ok || u.otherRoot(a)) {
		home := lookup(env, "HOME")
		e, exists := u.h.stat("/" + strings.TrimPrefix(home, "/"))
		if path.IsAbs(home) && exists && e.mode&syscall.S_IFMT == syscall.S_IFDIR && e.uid == uid {
			a, ok = plan.Account{UID: uid, GID: os.Getgid(), Name: "user", Home: path.Clean(home)}, true
		}
	}
	if !ok {
		return a, fmt.Errorf("find user %d: not in the user database, and HOME is not a directory of theirs", uid)
	}
	if real := u.h.real(a.Home); real != "" && real != a.Home {
		a.Named, a.Home = a.Home, real
	}
	return a, nil
}

// otherRoot says whether an entry is about the machine's root, and the caller another:
// the root of a user namespace (unshare -r), whose files are those of an ordinary
// user, and to whom the home of the machine's root belongs to nobody.
func (u *users) otherRoot(a plan.Account) bool {
	e, exists := u.h.stat("/" + strings.TrimPrefix(a.Home, "/"))
	return a.UID == 0 && exists && e.uid != 0
}

// parsePasswd finds the entry of a user in passwd(5) text.
func parsePasswd(text string, uid int) (plan.Account, bool) {
	want := strconv.Itoa(uid)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		if len(f) < 7 || f[2] != want || f[0] == "" || f[0][0] == '+' || f[0][0] == '-' {
			continue
		}
		gid, err := strconv.ParseUint(f[3], 10, 31)
		if err != nil {
			continue
		}
		a := plan.Account{UID: uid, GID: int(gid), Name: f[0], Shell: f[6]}
		if path.IsAbs(f[5]) {
			a.Home = path.Clean(f[5])
		}
		return a, true
	}
	return plan.Account{}, false
}

// getentTime is how long the name service may take; it may ask a server.
const getentTime = 3 * time.Second

// getent asks the name service, which knows users that /etc/passwd does not
// (LDAP, systemd-homed). Only people who are not in the file pay for it.
func getent(uid int) string {
	r, w, err := os.Pipe()
	if err != nil {
		return ""
	}
	defer r.Close()
	const prog = "/usr/bin/getent"
	p, err := os.StartProcess(prog, []string{prog, "passwd", strconv.Itoa(uid)}, &os.ProcAttr{Dir: "/", Env: []string{}, Files: []*os.File{nil, w, nil}})
	w.Close()
	if err != nil {
		return ""
	}
	timer := time.AfterFunc(getentTime, func() { p.Kill() })
	defer timer.Stop()
	b, _ := io.ReadAll(io.LimitReader(r, 64<<10))
	if state, err := p.Wait(); err != nil || !state.Success() {
		return ""
	}
	return string(b)
}
