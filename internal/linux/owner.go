//go:build linux

package linux

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// maxLooks bounds how many descriptors are looked at for the owner of one
// connection; beyond, nobody is named. An ordinary program has some dozens.
const maxLooks = 20_000

// Owner finds the process inside that holds the client end of a connection, by
// the box's own table of sockets and its processes' descriptors. It is for logs
// and messages: a descriptor may be passed on. It returns 0 when it found none.
func (b *Box) Owner(client, dst netip.AddrPort) (pid int, exe string) {
	if b.pid1 <= 0 {
		return 0, ""
	}
	inode := socketInode("/proc/"+strconv.Itoa(b.pid1)+"/net/", client, dst)
	if inode == "" {
		return 0, ""
	}
	link := "socket:[" + inode + "]"
	looks := 0
	b.mu.Lock()
	last := b.lastOwner
	list := []int{b.pid1}
	for p := range b.procs {
		list = append(list, p.PID)
	}
	b.mu.Unlock()
	if last > 0 {
		list = append([]int{last}, list...)
	}
	for i := 0; i < len(list) && looks < maxLooks; i++ {
		p := list[i]
		if holds(p, link, &looks) {
			b.mu.Lock()
			b.lastOwner = p
			b.mu.Unlock()
			exe, _ := os.Readlink("/proc/" + strconv.Itoa(p) + "/exe")
			return p, exe
		}
		if i > 0 || last == 0 {
			list = append(list, children(p)...)
		}
	}
	return 0, ""
}

// holds says whether a process has a descriptor with this link.
func holds(pid int, link string, looks *int) bool {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return false
	}
	defer dir.Close()
	for *looks < maxLooks {
		names, err := dir.Readdirnames(256)
		for _, n := range names {
			*looks++
			if to, _ := os.Readlink(dir.Name() + "/" + n); to == link {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
	return false
}

// children are the processes whose parent a process is.
func children(pid int) []int {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, _ := os.ReadDir(dir)
	var out []int
	for _, t := range threads {
		b, _ := os.ReadFile(dir + "/" + t.Name() + "/children")
		for _, f := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// socketInode looks for a TCP socket in the tables of a network namespace
// (Documentation/networking/proc_net_tcp.rst).
func socketInode(dir string, local, remote netip.AddrPort) string {
	if local.Addr().Unmap().Is4() {
		want := []byte(" " + hexAddr(local, false) + " " + hexAddr(remote, false) + " ")
		if inode := scanTable(dir+"tcp", want); inode != "" {
			return inode
		}
	}
	// A program that uses IPv4 through an IPv6 socket is in the other table.
	return scanTable(dir+"tcp6", []byte(" "+hexAddr(local, true)+" "+hexAddr(remote, true)+" "))
}

func scanTable(name string, want []byte) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if bytes.Contains(s.Bytes(), want) {
			if fields := strings.Fields(s.Text()); len(fields) > 9 {
				return fields[9]
			}
		}
	}
	return ""
}

// hexAddr writes an address as those tables do: each 32-bit word in the
// machine's order.
func hexAddr(a netip.AddrPort, six bool) string {
	ip := a.Addr().Unmap()
	var b []byte
	if six {
		long := ip.As16()
		b = long[:]
	} else {
		short := ip.As4()
		b = short[:]
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	port := binary.BigEndian.AppendUint16(nil, a.Port())
	return strings.ToUpper(hex.EncodeToString(b) + ":" + hex.EncodeToString(port))
}
