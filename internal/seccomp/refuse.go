package seccomp

// refused get EPERM: programs know these calls and what it means to be denied
// them, and a clear denial is better than a kernel that seems too old.
var refused = [...]call{
	// The tree is what bailey built. Some of these ask for no privilege to make
	// a detached mount or a handle, so capabilities alone do not hold them.
	sysMount, sysUmount2, sysPivotRoot, sysChroot, sysOpenTree, sysOpenTreeAttr, sysMoveMount,
	sysFsopen, sysFsconfig, sysFsmount, sysFspick, sysMountSetattr,
	sysNameToHandleAt, sysOpenByHandleAt, // a handle names a file beside every mount
	sysQuotactl, sysQuotactlFd, sysSwapon, sysSwapoff, sysAcct,
	sysFanotifyInit, sysFanotifyMark,

	// Namespaces that would come with new capabilities: also clone, unshare.
	sysSetns,

	// Kernel doors with a long record of holes, and nothing a build needs.
	sysBpf, sysPerfEventOpen, sysUserfaultfd,
	sysKeyctl, sysAddKey, sysRequestKey, // keyrings of the user outlive the box
	sysInitModule, sysFinitModule, sysDeleteModule, sysKexecLoad, sysKexecFileLoad, sysReboot,
	sysIopl, sysIoperm, sysModifyLdt, sysVhangup, sysSyslog, sysSethostname, sysSetdomainname,
	sysSettimeofday, sysClockSettime, sysClockAdjtime, sysAdjtimex,
	sysMigratePages, sysMovePages, // of other processes
	sysLsmSetSelfAttr,

	// Other processes' memory and descriptors, unless Debug.
	sysProcessVmReadv, sysProcessVmWritev, sysProcessMadvise, sysKcmp, sysPidfdGetfd,
}

// debugged are the refused calls that Debug allows; the kernel still asks for
// the right to ptrace the other process.
var debugged = [...]call{
	sysProcessVmReadv, sysProcessVmWritev, sysProcessMadvise, sysKcmp, sysPidfdGetfd,
}

// absent get ENOSYS like everything unknown. They are named because leaving
// them out is a decision: each has a fallback that programs take when a kernel
// lacks it, and would take worse, or not at all, on EPERM.
var absent = [...]call{
	sysClone3,                                            // flags in memory; libc falls back to clone
	sysIoUringSetup, sysIoUringEnter, sysIoUringRegister, // does other syscalls' work unseen by a filter
	sysFileSetattr, sysListns,
	sysUselib, sysUstat, sysSysfs, sysLookupDcookie, sysNfsservctl,
}

// shared are the IPC objects that every process of the user sees where the box
// has no IPC namespace of its own (Profile.Sockets).
var shared = [...]call{
	sysShmget, sysShmat, sysShmdt, sysShmctl,
	sysSemget, sysSemop, sysSemtimedop, sysSemctl,
	sysMsgget, sysMsgsnd, sysMsgrcv, sysMsgctl,
	sysMqOpen, sysMqUnlink, sysMqTimedsend, sysMqTimedreceive, sysMqNotify, sysMqGetsetattr,
}

// named make, move or remove a name (Profile.Broker), or hold an ACL that can
// set an execute bit. open, openat and the chmods are conditional.
var named = [...]call{
	sysCreat, sysTruncate, sysUmask,
	sysMkdir, sysMkdirat, sysRmdir, sysMknod, sysMknodat, sysUnlink, sysUnlinkat,
	sysLink, sysLinkat, sysSymlink, sysSymlinkat, sysRename, sysRenameat, sysRenameat2,
	sysSetxattr, sysLsetxattr, sysFsetxattr, sysSetxattrat,
}

// described change a file's metadata (Profile.Metadata).
var described = [...]call{
	sysChmod, sysFchmod, sysFchmodat, sysFchmodat2, sysChown, sysLchown, sysFchown, sysFchownat,
	sysUtime, sysUtimes, sysFutimesat, sysUtimensat,
	sysSetxattr, sysLsetxattr, sysFsetxattr, sysSetxattrat,
	sysRemovexattr, sysLremovexattr, sysFremovexattr, sysRemovexattrat,
}
