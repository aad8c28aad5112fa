// What each profile that comes with the program permits: verdicts of the compiled filters, call by call.

import Testing

@testable import SandboxPolicy

@Suite("Seccomp profiles")
struct SeccompTests {
    static func machine(_ profile: SeccompProfile.BuiltIn) throws -> FilterMachine {
        FilterMachine(program: try SeccompCompiler.program(for: .builtIn(profile)))
    }

    #if arch(x86_64)
        @Test(
            "calls that engines need are allowed by the profile for any program",
            arguments: [
                0, 1, 9, 41, 56, 57, 59, 202, 228, 257, 318, 334, 451, 452, 454,
            ] as [UInt32])
        func allowed(number: UInt32) throws {
            // socket(AF_INET, SOCK_STREAM), clone(SIGCHLD); the others look at no argument.
            let arguments: [UInt64] = number == 41 ? [2, 1, 0] : number == 56 ? [17] : []
            let answer = try Self.machine(.runtimeDefault).answer(
                number: number, architecture: SeccompArchitecture.native.token, arguments: arguments)
            #expect(answer == Answer.allow)
        }

        @Test("the 32-bit and the x32 entry end the process, in every profile", arguments: SeccompProfile.BuiltIn.allCases)
        func foreignEntries(profile: SeccompProfile.BuiltIn) throws {
            let machine = try Self.machine(profile)
            #expect(try machine.answer(number: 20, architecture: SeccompArchitecture.x86.token) == Answer.killProcess)
            #expect(
                try machine.answer(number: 0x4000_0000 + 39, architecture: SeccompArchitecture.x86_64.token) == Answer.killProcess
            )
        }
    #endif

    @Test("calls that no task has business with are refused by every profile", arguments: SeccompProfile.BuiltIn.allCases)
    func refused(profile: SeccompProfile.BuiltIn) throws {
        let machine = try Self.machine(profile)
        for name in [
            "ptrace", "mount", "umount2", "pivot_root", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl",
            "add_key", "request_key", "init_module", "finit_module", "delete_module", "reboot", "kexec_load", "kexec_file_load",
            "open_by_handle_at", "name_to_handle_at", "process_vm_readv", "process_vm_writev", "process_madvise",
            "process_mrelease", "kcmp", "acct", "chroot", "swapon", "settimeofday", "clock_settime", "clock_adjtime", "fsopen",
            "fsmount", "fsconfig", "fspick", "open_tree", "move_mount", "mount_setattr", "mbind", "set_mempolicy",
            "migrate_pages", "move_pages", "pidfd_getfd", "quotactl", "quotactl_fd", "syslog", "fanotify_init", "sethostname",
            "setdomainname", "vmsplice", "vhangup", "lookup_dcookie", "sched_setattr", "sched_setscheduler",
        ] {
            #expect(try machine.answer(name) == Answer.denied, "\(name)")
        }
        #if arch(x86_64)
            for name in ["iopl", "ioperm", "modify_ldt", "uselib"] {
                #expect(try machine.answer(name) == Answer.denied, "\(name)")
            }
        #endif
    }

    @Test(
        "clone3, io_uring and calls newer than the profile are absent rather than forbidden",
        arguments: SeccompProfile.BuiltIn.allCases)
    func absent(profile: SeccompProfile.BuiltIn) throws {
        let machine = try Self.machine(profile)
        for name in ["clone3", "io_uring_setup", "io_uring_enter", "memfd_secret", "listmount"] {
            #expect(try machine.answer(name) == Answer.absent, "\(name)")
        }
        #expect(try machine.answer(number: 100_000, architecture: SeccompArchitecture.native.token) == Answer.absent)
    }

    @Test("clone makes threads, never namespaces", arguments: SeccompProfile.BuiltIn.allCases)
    func namespaces(profile: SeccompProfile.BuiltIn) throws {
        let machine = try Self.machine(profile)
        for flag in [
            0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x80,
        ] as [UInt64] {
            for rest in [17, 0x0001_0100] as [UInt64] {
                #expect(try machine.answer("clone", [flag | rest]) == Answer.denied, "\(profile) \(flag)")
            }
        }
        // pthread_create(3)'s flags.
        #expect(try machine.answer("clone", [0x003d_0f00]) == Answer.allow)
    }

    @Test("the strict profile starts no process, and names of threads are all that prctl does")
    func strict() throws {
        let machine = try Self.machine(.strict)
        #expect(try machine.answer("clone", [17]) == Answer.denied)
        #expect(try machine.answer("clone", [0x0000_4111]) == Answer.denied)  // posix_spawn(3): CLONE_VM|CLONE_VFORK
        for name in ["chmod", "setuid", "shmget", "mq_open", "wait4", "inotify_init1", "mknodat", "seccomp", "execveat"] {
            #expect(try machine.answer(name) == Answer.denied, "\(name)")
        }
        #expect(try machine.answer("prctl", [15]) == Answer.allow)
        #expect(try machine.answer("prctl", [38]) == Answer.denied)
        #expect(try machine.answer("prctl", [0x1_0000_000f]) == Answer.denied)
        #expect(try machine.answer("ioctl", [0, 0x5401]) == Answer.allow)
        #expect(try machine.answer("ioctl", [0, 0x8912]) == Answer.denied)
        #expect(try machine.answer("socket", [16, 3, 0]) == Answer.denied)
        #expect(try machine.answer("socket", [2, 1, 6]) == Answer.allow)
    }

    @Test("the engines' profiles leave out what Python and Ray do without", arguments: [SeccompProfile.BuiltIn.python, .ray])
    func engines(profile: SeccompProfile.BuiltIn) throws {
        let machine = try Self.machine(profile)
        for name in [
            "shmget", "mq_open", "setuid", "capset", "setxattr", "splice", "io_setup", "seccomp", "landlock_create_ruleset",
        ] {
            #expect(try machine.answer(name) == Answer.denied, "\(name)")
        }
        for name in ["execve", "wait4", "setpgid", "setpriority", "epoll_wait", "memfd_create", "flock", "pidfd_open"] {
            #expect(try machine.answer(name) == Answer.allow, "\(name)")
        }
    }

    @Test(
        "sockets: local, TCP, UDP, route queries; nothing else",
        arguments: [
            (1, 1, 0, true), (2, 1, 6, true), (2, 0x80801, 0, true), (2, 2, 17, true), (10, 1, 0, true), (16, 3, 0, true),
            (2, 3, 1, false), (17, 3, 0, false), (40, 1, 0, false), (16, 3, 9, false), (38, 5, 0, false), (31, 1, 0, false),
            (2, 1, 132, false), (2, 2, 136, false), (2, 1, 262, false), (2, 2, 1, false), (10, 2, 58, false), (44, 3, 0, false),
        ] as [(UInt64, UInt64, UInt64, Bool)])
    func sockets(family: UInt64, type: UInt64, number: UInt64, allowed: Bool) throws {
        for profile in [SeccompProfile.BuiltIn.runtimeDefault, .python, .ray] {
            #expect(
                (try Self.machine(profile).answer("socket", [family, type, number]) == Answer.allow) == allowed, "\(profile)")
        }
    }

    @Test("terminal input, consoles and line disciplines are refused, with high bits set too; other requests pass")
    func terminalInput() throws {
        for profile in [SeccompProfile.BuiltIn.runtimeDefault, .python, .ray] {
            let machine = try Self.machine(profile)
            for request in [0x5412, 0x541c, 0x541d, 0x5423] as [UInt64] {
                for high in [0, 0x1_0000_0000, 0xffff_ffff_0000_0000] as [UInt64] {
                    #expect(try machine.answer("ioctl", [0, high | request]) == Answer.denied, "\(request)")
                }
            }
            for request in UInt64(0x5400)...0x5480 where ![0x5412, 0x541c, 0x541d, 0x5423].contains(request) {
                #expect(try machine.answer("ioctl", [0, request]) == Answer.allow, "\(request)")
            }
            #expect(try machine.answer("ioctl", [0, 0x8912]) == Answer.allow)
        }
    }

    @Test(
        "a capability that a pod gives is no empty word: its calls are permitted with it, and only with it",
        arguments: [
            (Capability.sysAdmin, "mount", []), (.sysAdmin, "unshare", []), (.sysAdmin, "clone", [0x1000_0011]),
            (.sysAdmin, "clone3", []),
            (.sysChroot, "chroot", []), (.sysPtrace, "ptrace", []), (.sysNice, "sched_setscheduler", []),
            (.sysTime, "clock_settime", []),
            (.dacReadSearch, "open_by_handle_at", []), (.bpf, "bpf", []), (.perfmon, "perf_event_open", []),
            (.syslog, "syslog", []),
            (.netRaw, "socket", [2, 3, 1]), (.netRaw, "socket", [17, 3, 0]), (.netAdmin, "socket", [16, 3, 12]),
        ] as [(Capability, String, [UInt64])])
    func capabilities(capability: Capability, name: String, arguments: [UInt64]) throws {
        for held in Capability.allCases {
            let profile = try SeccompProfile.builtIn(.runtimeDefault, context: SeccompContext(capabilities: [held]))
            let answer = try FilterMachine(program: SeccompCompiler.program(for: profile)).answer(name, arguments)
            #expect((answer == Answer.allow) == (held == capability), "\(held)")
        }
    }

    @Test("personality may be read and left as it is")
    func personality() throws {
        let machine = try Self.machine(.runtimeDefault)
        #expect(try machine.answer("personality", [0]) == Answer.allow)
        #expect(try machine.answer("personality", [0xffff_ffff]) == Answer.allow)
        #expect(try machine.answer("personality", [0x0004_0000]) == Answer.denied)  // ADDR_NO_RANDOMIZE
    }
}
