//go:build linux

package linux

import "golang.org/x/sys/unix"

// landlockABIs[i] is what ABI i+1 added: the one table of facts about Landlock
// (Documentation/userspace-api/landlock.rst). ABI 8 (all threads at once) adds
// nothing to a child with one thread.
var landlockABIs = [...]struct {
	adds  landlockRulesetAttr
	size  uintptr // how much of landlockRulesetAttr the kernel reads, where it grew
	flags uintptr // for landlock_restrict_self
}{
	{adds: landlockRulesetAttr{fs: 1<<13 - 1}, size: 8},                                                                  // Linux 5.13
	{adds: landlockRulesetAttr{fs: unix.LANDLOCK_ACCESS_FS_REFER}},                                                       // 5.19
	{adds: landlockRulesetAttr{fs: unix.LANDLOCK_ACCESS_FS_TRUNCATE}},                                                    // 6.2
	{adds: landlockRulesetAttr{net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}, size: 16}, // 6.7
	{adds: landlockRulesetAttr{fs: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}},                                                   // 6.10
	{adds: landlockRulesetAttr{scoped: unix.LANDLOCK_SCOPE_SIGNAL | unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}, size: 24}, // 6.12
	{flags: unix.LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF},                                                               // 6.15: our self-check's denials are no news
	{}, // 7.0
	{adds: landlockRulesetAttr{fs: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX}},                                           // 7.1
	{adds: landlockRulesetAttr{net: unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP}}, // 7.2
}

const (
	landlockAllFS  = 1<<17 - 1
	landlockAllNet = 1<<4 - 1

	landlockRead = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR

	// landlockWrite leaves out device nodes (never), device ioctl (Devices only)
	// and RESOLVE_UNIX: sockets made in the box are reachable without it, and a
	// socket that a host's program put into the workspace shall not be.
	landlockWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_REFER

	// landlockFileRights are those that a rule on something else than a
	// directory may give (ACCESS_FILE in the kernel).
	landlockFileRights = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV | unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
)

// The names of the bits, as in the documentation.
var (
	landlockFSNames = [...]string{
		"execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir", "make_reg",
		"make_sock", "make_fifo", "make_block", "make_sym", "refer", "truncate", "ioctl_dev", "resolve_unix",
	}
	landlockNetNames   = [...]string{"bind_tcp", "connect_tcp", "bind_udp", "connect_send_udp"}
	landlockScopeNames = [...]string{"abstract_unix_socket", "signal"}
)
