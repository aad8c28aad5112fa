// Sandbox/Profiles/runtime-default.json as a string.
// Made from it: SWIFTLET_RECORD_GOLDEN=1 swift test --filter SeccompProfileFileTests

extension SeccompProfile {
    static let runtimeDefaultJSON = #"""
        {
         "defaultAction": "SCMP_ACT_ERRNO",
         "defaultErrnoRet": 1,
         "architectures": ["SCMP_ARCH_NATIVE"],
         "syscalls": [
          {
           "comment": "Files: open, read, write, seek, map, lock. Permissions and read-only mounts decide what may be touched. No vmsplice (gives pages of the task to a pipe by reference; nobody needs it).",
           "names": ["access", "cachestat", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup",
            "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat",
            "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr",
            "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64",
            "getxattr", "lchown", "lgetxattr", "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek",
            "lsetxattr", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv",
            "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
            "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "splice", "stat",
            "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "umask",
            "unlink", "unlinkat", "utime", "utimensat", "utimes", "write", "writev"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Named pipes and sockets in the task's own directories; device nodes need a capability that no task has.",
           "names": ["mknod", "mknodat"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Memory. mbind and the like are absent: engines ignore their EPERM, and NUMA placement of the host is not a task's business. No process_madvise, process_vm_*: other processes' memory. No userfaultfd: it holds the kernel where an exploit wants it.",
           "names": ["brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap",
            "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free",
            "pkey_mprotect"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Processes and threads of the task itself; its pid namespace holds nobody else. No ptrace, kcmp, pidfd_getfd: a task need not look into another.",
           "names": ["arch_prctl", "capget", "execve", "execveat", "exit", "exit_group", "fork", "get_robust_list", "getcpu",
            "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
            "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "kill", "pidfd_open",
            "pidfd_send_signal", "prctl", "prlimit64", "rseq", "sched_get_priority_max", "sched_get_priority_min",
            "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
            "sched_setaffinity", "sched_yield", "set_robust_list", "set_tid_address", "setpgid", "setpriority",
            "setrlimit", "setsid", "sysinfo", "tgkill", "times", "tkill", "uname", "vfork", "wait4", "waitid"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Ids: without capabilities these can only set what the task already is; libraries call them and check the result.",
           "names": ["capset", "setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid",
            "setuid"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Signals.",
           "names": ["alarm", "pause", "restart_syscall", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
            "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sigaltstack", "signalfd",
            "signalfd4"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Time: reading and waiting. Setting the clock needs a capability and stays out.",
           "names": ["clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep", "setitimer",
            "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime",
            "timerfd_create", "timerfd_gettime", "timerfd_settime"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Waiting for events, and requests to files that need not be waited for.",
           "names": ["epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd",
            "eventfd2", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
            "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit", "poll", "ppoll", "pselect6",
            "select"],
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
           "comment": "IPC inside the task's own ipc namespace: Python's multiprocessing and shared-memory object stores.",
           "names": ["mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
            "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Randomness, and Landlock with which an engine may restrict itself further; a filter of its own too.",
           "names": ["getrandom", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"],
           "action": "SCMP_ACT_ALLOW"
          },
          {
           "comment": "Terminal requests that reach beyond the task are refused: TIOCSTI (0x5412) pushes input into a terminal, TIOCLINUX (0x541c) pastes a console's selection, TIOCCONS (0x541d) takes the console's output, TIOCSETD (0x5423) loads line disciplines. Every request is allowed whose low 16 bits are none of these (each condition suffices). Not a plain \"not equal\": the kernel looks at 32 bits, a filter at 64, and 0x100005412 would pass (CVE-2019-10063).",
           "names": ["ioctl"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 1, "value": 32768, "valueTwo": 32768, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 16384, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 8192, "valueTwo": 8192, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 4096, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 2048, "valueTwo": 2048, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 1024, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 512, "valueTwo": 512, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 256, "valueTwo": 256, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 128, "valueTwo": 128, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 64, "valueTwo": 64, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 48, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 62, "valueTwo": 16, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 63, "valueTwo": 19, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 60, "valueTwo": 20, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 60, "valueTwo": 24, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 62, "valueTwo": 30, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 62, "valueTwo": 32, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 63, "valueTwo": 34, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 60, "valueTwo": 36, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 56, "valueTwo": 40, "op": "SCMP_CMP_MASKED_EQ"},
            {"index": 1, "value": 48, "valueTwo": 48, "op": "SCMP_CMP_MASKED_EQ"}]
          },
          {
           "comment": "AF_UNIX. No AF_VSOCK: on a virtual machine it is a channel to the host. No AF_ALG, AF_PACKET, AF_XDP and whatever else a kernel has: each is kernel code that no task needs.",
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
           "comment": "AF_NETLINK, protocol NETLINK_ROUTE: getifaddrs(3), which gRPC and Ray call. No other protocol of it.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
            {"index": 2, "value": 0, "op": "SCMP_CMP_EQ"}],
           "excludes": {"caps": ["CAP_NET_ADMIN"]}
          },
          {
           "comment": "Threads and processes, never namespaces: a nested user namespace opens kernel code (nf_tables, mounts) that a task has no use for. 0x7E020080 = CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME.",
           "names": ["clone"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2114060416, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
           "excludes": {"caps": ["CAP_SYS_ADMIN"]}
          },
          {
           "comment": "clone3 hides its flags in memory, where a filter cannot look. ENOSYS makes libc fall back to clone; EPERM would make Python say \"can't start new thread\".",
           "names": ["clone3"],
           "action": "SCMP_ACT_ERRNO",
           "errnoRet": 38,
           "excludes": {"caps": ["CAP_SYS_ADMIN"]}
          },
          {
           "comment": "personality(2): the default. Anything else switches protections off.",
           "names": ["personality"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "personality(2) read.",
           "names": ["personality"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 4294967295, "op": "SCMP_CMP_EQ"}]
          },
          {
           "comment": "Calls that a libc or library tries and can do without: not here, rather than forbidden, so that it falls back. io_uring above all, whose requests pass every filter by.",
           "names": ["file_getattr", "file_setattr", "getxattrat", "io_uring_enter", "io_uring_register", "io_uring_setup",
            "listmount", "listns", "listxattrat", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr",
            "map_shadow_stack", "memfd_secret", "open_tree_attr", "removexattrat", "rseq_slice_yield", "setxattrat",
            "statmount"],
           "action": "SCMP_ACT_ERRNO",
           "errnoRet": 38
          },
          {
           "comment": "For tasks that a pod gives capabilities: without what follows, the capability would be an empty word. All of it acts inside the task's own namespaces. CAP_SYS_ADMIN: mounts and namespaces.",
           "names": ["clone", "clone3", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
            "open_tree", "pivot_root", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns", "umount2",
            "unshare"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_ADMIN"]}
          },
          {
           "comment": "CAP_SYS_CHROOT.",
           "names": ["chroot"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_CHROOT"]}
          },
          {
           "comment": "CAP_SYS_PTRACE: debuggers and profilers (gdb, py-spy).",
           "names": ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_PTRACE"]}
          },
          {
           "comment": "CAP_SYS_NICE: priorities, and NUMA placement inside the cpuset.",
           "names": ["get_mempolicy", "ioprio_get", "ioprio_set", "mbind", "migrate_pages", "move_pages", "sched_setattr",
            "sched_setparam", "sched_setscheduler", "set_mempolicy", "set_mempolicy_home_node"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_NICE"]}
          },
          {
           "comment": "CAP_SYS_TIME. The machine's clock stays out of reach: it belongs to the initial user namespace.",
           "names": ["adjtimex", "clock_adjtime", "clock_settime", "settimeofday"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_TIME"]}
          },
          {
           "comment": "CAP_DAC_READ_SEARCH: backup programs.",
           "names": ["name_to_handle_at", "open_by_handle_at"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_DAC_READ_SEARCH"]}
          },
          {
           "comment": "CAP_SYS_PACCT.",
           "names": ["acct"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYS_PACCT"]}
          },
          {
           "comment": "CAP_SYSLOG.",
           "names": ["syslog"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_SYSLOG"]}
          },
          {
           "comment": "CAP_BPF.",
           "names": ["bpf"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_BPF"]}
          },
          {
           "comment": "CAP_PERFMON.",
           "names": ["perf_event_open"],
           "action": "SCMP_ACT_ALLOW",
           "includes": {"caps": ["CAP_PERFMON"]}
          },
          {
           "comment": "CAP_NET_RAW: AF_INET, raw.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}],
           "includes": {"caps": ["CAP_NET_RAW"]}
          },
          {
           "comment": "CAP_NET_RAW: AF_INET6, raw.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 15, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}],
           "includes": {"caps": ["CAP_NET_RAW"]}
          },
          {
           "comment": "CAP_NET_RAW: AF_PACKET.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 17, "op": "SCMP_CMP_EQ"}],
           "includes": {"caps": ["CAP_NET_RAW"]}
          },
          {
           "comment": "CAP_NET_ADMIN: every protocol of AF_NETLINK, for addresses, routes and packet filters of the task's own network.",
           "names": ["socket"],
           "action": "SCMP_ACT_ALLOW",
           "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}],
           "includes": {"caps": ["CAP_NET_ADMIN"]}
          }
         ]
        }
        """#
}
