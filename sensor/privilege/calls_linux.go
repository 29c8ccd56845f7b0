package privilege

import (
	"runtime"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// calls are the system calls that the sensor goes on to need. Names that a
// machine does not have are passed over.
var calls = []string{
	// Memory, threads, signals and time: the runtime's.
	"arch_prctl", "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex", "getcpu",
	"getpid", "getppid", "getpriority", "getrandom", "getrlimit", "getrusage", "gettid", "gettimeofday", "kill", "madvise",
	"membarrier", "mincore", "mmap", "mprotect", "mremap", "msync", "munmap", "nanosleep", "pause", "prctl", "prlimit64",
	"restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
	"sched_getaffinity", "sched_yield", "set_robust_list", "set_tid_address", "setpriority", "sigaltstack", "sysinfo",
	"tgkill", "time", "timer_create", "timer_delete", "timer_settime", "tkill", "uname",
	// The state of the clock: setting it takes a capability.
	"adjtimex", "clock_adjtime",
	// Files.
	"access", "chdir", "chmod", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "faccessat",
	"faccessat2", "fadvise64", "fallocate", "fchmod", "fchmodat", "fchmodat2", "fcntl", "fdatasync", "flock", "fstat",
	"fstatfs", "fsync", "ftruncate", "getcwd", "getdents", "getdents64", "link", "linkat", "lseek", "lstat", "mkdir", "mkdirat",
	"newfstatat", "open", "openat", "pread64", "preadv", "pwrite64", "pwritev", "read", "readlink", "readlinkat",
	"readv", "rename", "renameat", "renameat2", "rmdir", "sendfile", "splice", "stat", "statfs", "statx",
	"sync_file_range", "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
	// Who it is.
	"getegid", "geteuid", "getgid", "getgroups", "getresgid", "getresuid", "getuid",
	// The way to the hub, the control socket, and the rings that are open.
	"accept", "accept4", "bind", "connect", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
	"eventfd2", "getpeername", "getsockname", "getsockopt", "listen", "pipe", "pipe2", "poll", "ppoll", "pselect6",
	"recvfrom", "recvmmsg", "recvmsg", "select", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
}

// noCall answers as a kernel does that lacks the call, so that the C library
// takes the older one.
const noCall = seccomp.Action(uint32(seccomp.ActionErrno)&^0xffff | uint32(unix.ENOSYS))

// allowed is the policy in the form of the filter's maker.
func allowed() []seccomp.SyscallGroup {
	known := func(string) bool { return true }
	info, err := arch.GetInfo(runtime.GOARCH)
	if err == nil {
		known = func(name string) bool { _, ok := info.SyscallNames[name]; return ok }
	}
	open := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	for _, name := range calls {
		if known(name) {
			open.Names = append(open.Names, name)
		}
	}
	only := func(name string, argument uint32, op seccomp.Operation, value uint64) {
		open.NamesWithCondtions = append(open.NamesWithCondtions, seccomp.NameWithConditions{
			Name: name, Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: op, Value: value}},
		})
	}
	// Threads, not processes.
	only("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD)
	// No new sockets to sniff.
	for _, family := range []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} {
		only("socket", 0, seccomp.Equal, family)
	}
	// Is it a terminal, and how wide.
	only("ioctl", 1, seccomp.Equal, unix.TCGETS)
	only("ioctl", 1, seccomp.Equal, unix.TIOCGWINSZ)
	return []seccomp.SyscallGroup{open, {Names: []string{"clone3"}, Action: noCall}}
}
