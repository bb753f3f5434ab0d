package seccomp

// allowed are the syscalls that ordinary programs, compilers and language
// runtimes need and that reach nothing the other walls do not already hold.
// What is in no list of this package gets ENOSYS: a program that knows a syscall
// newer than this list falls back as it would on an older kernel.
var allowed = [...]call{
	// Descriptors and data.
	sysRead, sysWrite, sysReadv, sysWritev, sysPread64, sysPwrite64, sysPreadv, sysPwritev, sysPreadv2, sysPwritev2,
	sysClose, sysCloseRange, sysLseek, sysDup, sysDup2, sysDup3, sysPipe, sysPipe2, sysFcntl, sysFlock,
	sysFsync, sysFdatasync, sysSync, sysSyncfs, sysSyncFileRange, sysFtruncate, sysFallocate, sysFadvise64, sysReadahead,
	sysSendfile, sysCopyFileRange, sysSplice, sysTee, sysVmsplice, sysCachestat,
	sysSelect, sysPselect6, sysPoll, sysPpoll,
	sysEpollCreate, sysEpollCreate1, sysEpollCtl, sysEpollWait, sysEpollPwait, sysEpollPwait2,
	sysEventfd, sysEventfd2, sysSignalfd, sysSignalfd4,
	sysTimerfdCreate, sysTimerfdSettime, sysTimerfdGettime,
	sysInotifyInit, sysInotifyInit1, sysInotifyAddWatch, sysInotifyRmWatch,
	sysIoSetup, sysIoDestroy, sysIoSubmit, sysIoCancel, sysIoGetevents, sysIoPgetevents,
	sysMemfdCreate, sysMemfdSecret,

	// Looking at files and moving about. Mounts and Landlock say which.
	sysStat, sysLstat, sysFstat, sysNewfstatat, sysStatx, sysStatfs, sysFstatfs,
	sysAccess, sysFaccessat, sysFaccessat2, sysReadlink, sysReadlinkat,
	sysGetdents, sysGetdents64, sysGetcwd, sysChdir, sysFchdir, sysUmask,
	sysGetxattr, sysLgetxattr, sysFgetxattr, sysGetxattrat, sysListxattr, sysLlistxattr, sysFlistxattr, sysListxattrat,
	sysFileGetattr, sysStatmount, sysListmount,

	// Changing files, unless Broker or Metadata sends these elsewhere.
	sysOpen, sysOpenat, sysOpenat2, sysCreat, sysTruncate,
	sysMkdir, sysMkdirat, sysRmdir, sysMknod, sysMknodat, sysUnlink, sysUnlinkat,
	sysLink, sysLinkat, sysSymlink, sysSymlinkat, sysRename, sysRenameat, sysRenameat2,
	sysChmod, sysFchmod, sysFchmodat, sysFchmodat2, sysChown, sysLchown, sysFchown, sysFchownat,
	sysUtime, sysUtimes, sysFutimesat, sysUtimensat,
	sysSetxattr, sysLsetxattr, sysFsetxattr, sysSetxattrat,
	sysRemovexattr, sysLremovexattr, sysFremovexattr, sysRemovexattrat,

	// Memory.
	sysBrk, sysMmap, sysMunmap, sysMremap, sysMprotect, sysMadvise, sysMsync, sysMincore, sysMseal, sysRemapFilePages,
	sysMlock, sysMlock2, sysMunlock, sysMlockall, sysMunlockall,
	sysPkeyAlloc, sysPkeyFree, sysPkeyMprotect, sysMapShadowStack,
	sysMbind, sysGetMempolicy, sysSetMempolicy, sysSetMempolicyHomeNode, // V8 and the JVM place their heaps
	sysShmget, sysShmat, sysShmdt, sysShmctl,

	// Processes and threads. Making one is conditional: clone.
	sysFork, sysVfork, sysExecve, sysExecveat, sysExit, sysExitGroup, sysWait4, sysWaitid,
	sysGetpid, sysGetppid, sysGettid, sysGetpgid, sysSetpgid, sysGetpgrp, sysGetsid, sysSetsid,
	sysPidfdOpen, sysPidfdSendSignal, sysProcessMrelease,
	sysArchPrctl, sysSetTidAddress, sysSetRobustList, sysGetRobustList, sysRseq, sysRseqSliceYield, sysMembarrier,
	sysFutex, sysFutexWaitv, sysFutexWake, sysFutexWait, sysFutexRequeue,
	sysUretprobe, // made by a trampoline of the host's tracer; refusing it kills the traced program
	sysRestartSyscall,

	// Identity: only ids that are mapped, only capabilities that are held (none).
	sysGetuid, sysGeteuid, sysGetgid, sysGetegid, sysGetresuid, sysGetresgid, sysGetgroups,
	sysSetuid, sysSetgid, sysSetreuid, sysSetregid, sysSetresuid, sysSetresgid, sysSetfsuid, sysSetfsgid, sysSetgroups,
	sysCapget, sysCapset,
	sysLandlockCreateRuleset, sysLandlockAddRule, sysLandlockRestrictSelf, // can only tighten
	sysLsmGetSelfAttr, sysLsmListModules,

	// Signals.
	sysKill, sysTkill, sysTgkill, sysRtSigaction, sysRtSigprocmask, sysRtSigpending, sysRtSigsuspend, sysRtSigtimedwait,
	sysRtSigqueueinfo, sysRtTgsigqueueinfo, sysRtSigreturn, sysSigaltstack, sysPause,

	// Time.
	sysTime, sysGettimeofday, sysClockGettime, sysClockGetres, sysClockNanosleep, sysNanosleep, sysTimes,
	sysAlarm, sysGetitimer, sysSetitimer,
	sysTimerCreate, sysTimerSettime, sysTimerGettime, sysTimerGetoverrun, sysTimerDelete,

	// Scheduling and limits.
	sysSchedYield, sysSchedSetparam, sysSchedGetparam, sysSchedSetscheduler, sysSchedGetscheduler,
	sysSchedSetattr, sysSchedGetattr, sysSchedSetaffinity, sysSchedGetaffinity,
	sysSchedGetPriorityMax, sysSchedGetPriorityMin, sysSchedRrGetInterval,
	sysGetpriority, sysSetpriority, sysIoprioGet, sysIoprioSet, sysGetcpu,
	sysGetrlimit, sysSetrlimit, sysPrlimit64, sysGetrusage,

	// The machine.
	sysUname, sysSysinfo, sysGetrandom,

	// Talking to other processes. Which sockets there are is conditional: socket.
	sysConnect, sysBind, sysListen, sysAccept, sysAccept4, sysSocketpair, sysShutdown,
	sysRecvfrom, sysRecvmsg, sysRecvmmsg, sysGetsockname, sysGetpeername, sysGetsockopt, sysSetsockopt,
	sysSemget, sysSemop, sysSemtimedop, sysSemctl, sysMsgget, sysMsgsnd, sysMsgrcv, sysMsgctl,
	sysMqOpen, sysMqUnlink, sysMqTimedsend, sysMqTimedreceive, sysMqNotify, sysMqGetsetattr,
}
