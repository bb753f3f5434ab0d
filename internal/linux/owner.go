//go:build linux

package linux

import (
	"encoding/binary"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLooks bounds how many descriptors are looked at for the owner of one
// connection, some milliseconds' work; beyond, nobody is named. An ordinary program
// has some dozens.
const maxLooks = 4000

// Owner finds the process inside that holds the client end of a connection, by
// the box's own table of sockets and its processes' descriptors. It is for logs
// and messages: a descriptor may be passed on. It returns 0 when it found none.
func (b *Box) Owner(client, dst netip.AddrPort) (pid int, exe string) {
	if b.pid1 <= 0 {
		return 0, ""
	}
	inode := b.socketInode(client, dst)
	if inode == "" || inode == "0" {
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

// socketInode asks the kernel for one TCP socket of the box (sock_diag(7)), which
// costs the same however many there are.
func (b *Box) socketInode(local, remote netip.AddrPort) string {
	b.mu.Lock()
	defer b.mu.Unlock() // one question at a time on the one socket
	if b.diag <= 0 {
		return ""
	}
	var n netlink
	const byFamily = 20 // SOCK_DIAG_BY_FAMILY
	src, dst := local.Addr().Unmap(), remote.Addr().Unmap()
	if src.Is4() != dst.Is4() {
		return ""
	}
	family := byte(unix.AF_INET)
	if src.Is6() {
		family = unix.AF_INET6
	}
	n.message(byFamily, 0, family, unix.IPPROTO_TCP, 0, 0, 0xff, 0xff, 0xff, 0xff)
	n.b = binary.BigEndian.AppendUint16(n.b, local.Port())
	n.b = binary.BigEndian.AppendUint16(n.b, remote.Port())
	var addrs [32]byte
	copy(addrs[:16], src.AsSlice())
	copy(addrs[16:], dst.AsSlice())
	n.b = append(n.b, addrs[:]...)
	n.b = append(n.b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // any device, any cookie
	if err := unix.Sendto(b.diag, n.finish(), unix.MSG_DONTWAIT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return ""
	}
	answer := make([]byte, 1024)
	size, _, err := unix.Recvfrom(b.diag, answer, unix.MSG_DONTWAIT)
	const inode = unix.SizeofNlMsghdr + 68 // of struct inet_diag_msg, its last field
	if err != nil || size < inode+4 || binary.NativeEndian.Uint16(answer[4:]) != byFamily {
		return ""
	}
	return strconv.FormatUint(uint64(binary.NativeEndian.Uint32(answer[inode:])), 10)
}

func (b *Box) closeDiag() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fd := range [...]*int{&b.diag, &b.nft} {
		if *fd > 0 {
			unix.Close(*fd)
			*fd = 0
		}
	}
}
