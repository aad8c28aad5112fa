// Sandbox/Profiles/strict.json as a string.
// Made from it: SWIFTLET_RECORD_GOLDEN=1 swift test --filter SeccompProfileFileTests

extension SeccompProfile {
    static let strictJSON = #"""
        {
         "defaultAction": "SCMP_ACT_ERRNO",
         "defaultErrnoRet": 1,
         "architectures": ["SCMP_ARCH_NATIVE"],
         "syscalls": [
          {
           "comment": "Files by name and descriptor. No owner, mode, link, time or attribute of a file is changed; no extended attributes.",
           "names": ["access", "chdir", "close", "close_range", "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2",
            "fadvise64", "fallocate", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
            "getdents64", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "pread64",
            "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readlink", "readlinkat", "readv", "rename",
            "renameat", "renameat2", "rmdir", "stat", "statfs", "statx", "truncate", "umask", "unlink", "unlinkat",
            "write", "writev"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Memory of the process itself.",
           "names": ["brk", "madvise", "membarrier", "mincore", "mmap", "mprotect", "mremap", "mseal", "msync", "munmap"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "The launcher's own exec of the program stands behind the filter, so execve cannot be refused. A program may become another one; it can start none beside itself, as fork, vfork and clone without CLONE_THREAD are refused.",
           "names": ["execve"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "One process and its threads.",
           "names": ["arch_prctl", "exit", "exit_group", "get_robust_list", "getcpu", "getegid", "geteuid", "getgid",
            "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresuid",
            "getrlimit", "getrusage", "getsid", "gettid", "getuid", "prlimit64", "rseq", "sched_getaffinity",
            "sched_yield", "set_robust_list", "set_tid_address", "sysinfo", "times", "uname"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Threads only: CLONE_VM and CLONE_THREAD set, no CLONE_NEW flag.",
           "names": ["clone"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2114126208, "valueTwo": 65792, "op": "SCMP_CMP_MASKED_EQ"}]
          },
          {
           "comment": "clone3 hides its flags in memory, where a filter cannot look. ENOSYS makes libc fall back to clone; EPERM would make Python say \"can't start new thread\".",
           "names": ["clone3"],
           "action": "SCMP_ACT_ERRNO",
           "errnoRet": 38
          },
          {
           "comment": "Names of threads: PR_SET_NAME.",
           "names": ["prctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 15, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "PR_GET_NAME.",
           "names": ["prctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "Names of maps, which libc and Go's runtime give: PR_SET_VMA.",
           "names": ["prctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 1398164801, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "Signals to itself: abort(3), Go's preemption.",
           "names": ["kill", "pause", "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
            "rt_sigsuspend", "rt_sigtimedwait", "sigaltstack", "tgkill", "tkill"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Time: reading and waiting; timers of a profiler.",
           "names": ["alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep",
            "setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
            "timerfd_create", "timerfd_gettime", "timerfd_settime"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Waiting for events.",
           "names": ["epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd",
            "eventfd2", "poll", "ppoll", "pselect6", "select"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Locks between threads.",
           "names": ["futex", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Pipes and sockets that exist already; socket() itself is below.",
           "names": ["accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "pipe",
            "pipe2", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Randomness.",
           "names": ["getrandom"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "TCGETS: is this a terminal?",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 21505, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "TIOCGWINSZ: how wide is it?",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 21523, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "FIONREAD.",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 21531, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "FIONBIO.",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 21537, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "FIOCLEX.",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 21585, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_UNIX. Nothing else but TCP and UDP below: no netlink either.",
           "names": ["socket", "socketpair"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET, TCP (by default). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET, TCP (by number). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 6, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET, UDP (by default). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET, UDP (by number). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 17, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET6, TCP (by default). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET6, TCP (by number). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 6, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET6, UDP (by default). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "AF_INET6, UDP (by number). No SCTP, UDP-Lite, MPTCP, ping or raw sockets.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 2, "value": 17, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "Calls that a libc or language runtime tries and can do without: not here, rather than forbidden, so that it falls back.",
           "names": ["file_getattr", "file_setattr", "getxattrat", "io_uring_enter", "io_uring_register", "io_uring_setup",
            "listmount", "listns", "listxattrat", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr",
            "map_shadow_stack", "memfd_create", "memfd_secret", "open_tree_attr", "pidfd_open", "pidfd_send_signal",
            "pkey_alloc", "removexattrat", "rseq_slice_yield", "setxattrat", "statmount"],
           "action": "SCMP_ACT_ERRNO",
           "errnoRet": 38
          }
         ]
        }
        """#
}
