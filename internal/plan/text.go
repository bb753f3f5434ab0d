package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bailey-run/bailey/internal/policy"
)

// Text renders the whole plan for people: every mount, rule, variable and limit.
func (pl *Plan) Text() string {
	w := &writer{}
	id := pl.Identity
	w.section("box")
	w.row("tier", string(pl.Tier))
	w.row("mode", string(pl.Mode))
	w.row("user", fmt.Sprintf("%s, %d:%d inside, %d:%d on the host", id.User, id.UID, id.GID, id.HostUID, id.HostGID))
	w.row("home", Show(id.Home))
	w.row("directory", Show(pl.Dir))
	w.list("profiles", pl.Profiles)
	w.list("namespaces", pl.Namespaces)
	w.row("hostname", pl.Hostname)
	if len(pl.Tree) > 0 {
		w.section("files")
		w.nodes(pl.Tree)
	}
	if pl.Private != nil {
		w.section("private directory " + Show(pl.Private.Dir))
		w.nodes(pl.Private.Nodes)
	}
	w.names(pl)
	w.landlock(pl.Landlock)
	w.network(pl.Network)
	w.section("system calls")
	w.row("name broker", yes(pl.Syscalls.Broker))
	w.row("every open looked at", yes(pl.Syscalls.Reads))
	w.row("debugging inside", yes(pl.Syscalls.Debug))
	w.row("unix sockets only", yes(pl.Syscalls.Sockets && !pl.Syscalls.Proxy))
	if pl.Syscalls.Proxy {
		w.row("connections", "to the gate's proxy alone")
	}
	w.row("metadata looked at", yes(pl.Syscalls.Metadata))
	if pl.Syscalls.Exec {
		w.row("every program looked at", "yes")
	}
	w.section("environment")
	for _, v := range pl.Env {
		w.line(v.Name+"="+quoted(v.Printable()), v.From)
	}
	w.limits(pl.Limits)
	if len(pl.Make) > 0 {
		w.section("directories bailey makes for itself")
		for _, d := range pl.Make {
			w.line(Show(d), policy.Source{})
		}
	}
	w.walls(pl.Walls)
	w.sentences("weaker walls", pl.Weaker)
	w.sentences("notes", pl.Notes)
	return w.String()
}

type writer struct{ strings.Builder }

func (w *writer) section(name string) {
	if w.Len() > 0 {
		w.WriteByte('\n')
	}
	w.WriteString(name + "\n")
}

func (w *writer) row(key, value string) {
	if value != "" {
		fmt.Fprintf(w, "  %-22s %s\n", key, value)
	}
}

func (w *writer) list(key string, values []string) { w.row(key, strings.Join(values, " ")) }

// line writes one entry, and where it comes from when that is not bailey itself.
func (w *writer) line(s string, from policy.Source) {
	w.WriteString("  " + s)
	switch {
	case from.Layer == policy.LayerBuiltin && from.File != "":
		w.WriteString("  (" + from.File + ")")
	case from != (policy.Source{}):
		w.WriteString("  (" + Where(from) + ")")
	}
	w.WriteByte('\n')
}

func (w *writer) sentences(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.section(name)
	for _, s := range list {
		w.WriteString("  " + s + "\n")
	}
}

func (w *writer) nodes(nodes []Node) {
	for _, n := range nodes {
		w.line(n.text(), n.From)
	}
}

// text is one node on one line.
func (n Node) text() string {
	kind := string(n.Kind)
	switch {
	case n.Pin && n.Kind == Bind:
		kind = "protected"
	case n.Device:
		kind = "device"
	case n.Kind == Bind && n.Writable:
		kind = "writable"
	case n.Kind == Bind:
		kind = "read-only"
	}
	s := fmt.Sprintf("%-9s %s", kind, Show(n.Path))
	switch {
	case n.Kind == Symlink:
		s += " -> " + Show(n.Source)
	case n.Kind == Overlay && n.Upper != "":
		s += " over " + Show(n.Source) + ", written to " + Show(n.Upper)
	case n.Kind == Overlay:
		s += " over " + Show(n.Source) + ", written to memory"
	case n.Source != "" && n.Source != n.Path:
		s += " from " + Show(n.Source)
	case n.Kind == Data:
		s += ", " + strconv.Itoa(len(n.Content)) + " bytes"
	}
	if (n.Kind == Bind && !n.Device || n.Kind == Scratch) && !n.Exec {
		s += ", no programs"
	}
	return s
}

func (w *writer) names(pl *Plan) {
	if len(pl.Names.Roots) == 0 && len(pl.Names.Deny) == 0 {
		return
	}
	w.section("names")
	for _, r := range pl.Names.Roots {
		s := Show(r.Path)
		if r.Git {
			s += " (a git directory)"
		}
		w.row("below", s)
	}
	if len(pl.Names.Roots) > 0 {
		w.list("protected", pl.Names.Protect)
		w.row("new repositories", pl.Names.NestedGit)
	}
	w.list("denied", pl.Names.Deny)
}

func (w *writer) landlock(l Landlock) {
	if len(l.Paths) == 0 {
		return
	}
	w.section("landlock")
	w.row("at least version", strconv.Itoa(l.MinABI))
	w.row("reads too", yes(l.Strict))
	w.row("tcp", yes(l.TCP))
	w.list("scoped", l.Scoped)
	for _, r := range l.Paths {
		w.line(fmt.Sprintf("%-10s %s", r.Access, Show(r.Path)), policy.Source{})
	}
}

func (w *writer) limits(l Limits) {
	w.section("limits")
	for _, x := range [...]struct {
		name  string
		value int64
		unit  func(int64) string
	}{
		{"memory", l.Memory, size}, {"processes", l.Pids, count}, {"processor seconds", l.CPU, count}, {"file size", l.FileSize, size}, {"open files", l.OpenFiles, count},
		{"scratch", l.Scratch, size}, {"wall time", l.Timeout, func(n int64) string { return time.Duration(n).String() }}, {"output", l.Output, size}, {"output per second", l.OutputRate, size},
	} {
		if x.value == 0 {
			w.row(x.name, "no limit")
		} else {
			w.row(x.name, x.unit(x.value))
		}
	}
	w.row("core dumps", size(l.Core))
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// size writes bytes in the largest unit that divides them.
func size(n int64) string {
	for i, unit := range [...]string{"TiB", "GiB", "MiB", "KiB"} {
		if u := int64(1) << (40 - 10*i); n != 0 && n%u == 0 {
			return count(n/u) + " " + unit
		}
	}
	return count(n) + " bytes"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// quoted shows a value as it is where that is safe, quoted otherwise.
func quoted(s string) string {
	if q := strconv.Quote(s); q[1:len(q)-1] != s {
		return q
	}
	return s
}

// walls lists what is expected to hold each wall, as this machine was probed.
func (w *writer) walls(list []Wall) {
	w.section("walls, as this machine is expected to hold them")
	for i := range list {
		v := &list[i]
		if v.Status == NotRequested {
			continue
		}
		text := string(v.Status)
		switch {
		case v.Status == Missing && v.Accepted != nil:
			text += ", accepted at " + Where(*v.Accepted)
		case v.Achieved != "":
			text += ": " + v.Achieved
		}
		if v.Detail != "" {
			text += " (" + v.Detail + ")"
		}
		w.row(v.ID, text)
	}
}
