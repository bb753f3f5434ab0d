package plan

import (
	"path"
	"strconv"
	"strings"
)

// passwd is the user database inside: the box's own user, and the two names that
// programs look up whoever they run as.
func passwd(id Identity, shell string) string {
	var b strings.Builder
	b.WriteString("root:x:0:0:root:/:/usr/sbin/nologin\n")
	b.WriteString(field(id.User) + ":x:" + strconv.Itoa(id.UID) + ":" + strconv.Itoa(id.GID) + "::" + field(id.Home) + ":" + field(shell) + "\n")
	b.WriteString("nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n")
	return b.String()
}

func group(id Identity) string {
	var b strings.Builder
	b.WriteString("root:x:0:\n")
	b.WriteString(field(id.User) + ":x:" + strconv.Itoa(id.GID) + ":\n")
	if id.GID != 5 {
		b.WriteString("tty:x:5:\n")
	}
	b.WriteString("nogroup:x:65534:\n")
	return b.String()
}

// field keeps a value from being read as more than one field or line.
func field(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ':' || r == '\n' || r == 0 {
			return '_'
		}
		return r
	}, s)
}

// shell is the login shell inside: the account's own where the box has it.
func (c *compiler) shell() string {
	for _, s := range [...]string{c.f.Account.Shell, "/bin/bash"} {
		f := c.f.path(s)
		base := path.Base(s)
		if f.Regular && f.Mode&0o005 == 0o005 && clean(s) && base != "nologin" && base != "false" && c.shown(f.Real) {
			return s
		}
	}
	return "/bin/sh"
}

// chooseHome is HOME inside: at the host's path, so that what is configured with
// full paths works; service accounts without a home of their own get one.
func (c *compiler) chooseHome() string {
	h := c.f.Account.Home
	ok := clean(h) && h != "/" && !under(h, "/proc") && !under(h, "/sys") && !under(h, "/dev") && !under(h, "/etc") && h != "/tmp" && h != "/run" && h != "/var/tmp"
	if ok {
		for _, v := range c.p.Files.System {
			if under(v.V, h) || under(h, v.V) && !c.f.path(h).IsDir {
				ok = false
			}
		}
	}
	if ok && c.rootOver(h) == nil {
		return h
	}
	return "/home/" + strings.ReplaceAll(field(c.pl.Identity.User), "/", "_")
}
