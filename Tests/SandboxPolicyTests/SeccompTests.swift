// Profiles: reading the OCI format, compiling, and what the default permits (run by a small BPF interpreter, no root).

import Testing

@testable import SandboxPolicy

/// The classic-BPF subset that seccomp filters use: enough to ask a program what it answers.
struct FilterMachine {
    let program: [UInt8]

    /// `arguments` as the system call's six registers. x86-64 or AArch64 as compiled.
    func answer(number: UInt32, architecture: UInt32, arguments: [UInt64] = []) throws -> UInt32 {
        var data = [UInt32](repeating: 0, count: 16)
        data[0] = number
        data[1] = architecture
        for (index, argument) in arguments.enumerated() {
            data[4 + 2 * index] = UInt32(truncatingIfNeeded: argument)
            data[5 + 2 * index] = UInt32(argument >> 32)
        }
        var accumulator: UInt32 = 0
        var at = 0
        while true {
            try #require(at * 8 + 8 <= program.count)
            let word = program[(at * 8)..<(at * 8 + 8)].map { UInt32($0) }
            let code = word[0] | word[1] << 8
            let operand = word[4] | word[5] << 8 | word[6] << 16 | word[7] << 24
            let (yes, no) = (Int(word[2]), Int(word[3]))
            at += 1
            switch code {
            case 0x20: accumulator = data[Int(operand / 4)]
            case 0x54: accumulator &= operand
            case 0x05: at += Int(operand)
            case 0x15: at += accumulator == operand ? yes : no
            case 0x25: at += accumulator > operand ? yes : no
            case 0x35: at += accumulator >= operand ? yes : no
            case 0x45: at += accumulator & operand != 0 ? yes : no
            case 0x06: return operand
            default: throw SandboxPolicyError.profile("instruction \(code)")
            }
        }
    }
}

@Suite("Seccomp profiles")
struct SeccompTests {
    #if arch(x86_64)
        static let architecture: UInt32 = 0xc000_003e
        static let other: UInt32 = 0x4000_0003  // i386
    #else
        static let architecture: UInt32 = 0xc000_00b7
        static let other: UInt32 = 0x4000_0028  // arm
    #endif
    static let allow: UInt32 = 0x7fff_0000
    static func errno(_ code: UInt32) -> UInt32 { 0x0005_0000 | code }

    static func machine() throws -> FilterMachine {
        FilterMachine(program: try SeccompCompiler.program(for: .runtimeDefault()))
    }

    @Test("the embedded default profile is the file under Sandbox/Profiles")
    func embedded() {
        let source = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        #expect(Golden.read("/\(source)/Sandbox/Profiles/runtime-default.json") == SeccompProfile.runtimeDefaultJSON + "\n")
    }

    #if arch(x86_64)
        @Test("calls that engines need are allowed", arguments: [0, 1, 9, 41, 56, 57, 59, 202, 228, 257, 318, 334] as [UInt32])
        func allowed(number: UInt32) throws {
            // socket(AF_INET, SOCK_STREAM), clone(SIGCHLD); the others look at no argument.
            let arguments: [UInt64] = number == 41 ? [2, 1, 0] : number == 56 ? [17] : []
            #expect(
                try Self.machine().answer(number: number, architecture: Self.architecture, arguments: arguments) == Self.allow)
        }

        @Test("calls that no task has business with are refused", arguments: [
            ("ptrace", 101), ("mount", 165), ("umount2", 166), ("pivot_root", 155), ("unshare", 272), ("setns", 308), ("bpf", 321),
            ("perf_event_open", 298), ("userfaultfd", 323), ("keyctl", 250), ("add_key", 248), ("init_module", 175), ("reboot", 169),
            ("kexec_load", 246), ("open_by_handle_at", 304), ("process_vm_readv", 310), ("process_vm_writev", 311), ("acct", 163),
            ("iopl", 172), ("modify_ldt", 154), ("chroot", 161), ("swapon", 167), ("settimeofday", 164), ("fsopen", 430),
            ("open_tree", 428), ("mount_setattr", 442), ("mbind", 237), ("pidfd_getfd", 438), ("quotactl", 179), ("syslog", 103),
            ("fanotify_init", 300), ("sethostname", 170), ("move_pages", 279), ("set_mempolicy", 238),
        ] as [(String, UInt32)])
        func refused(name: String, number: UInt32) throws {
            #expect(
                try Self.machine().answer(number: number, architecture: Self.architecture, arguments: [0, 0, 0])
                    == Self.errno(1), "\(name)")
        }

        @Test("clone3, io_uring and calls newer than the profile are absent rather than forbidden", arguments: [435, 425, 470, 100_000] as [UInt32])
        func absent(number: UInt32) throws {
            #expect(try Self.machine().answer(number: number, architecture: Self.architecture) == Self.errno(38))
        }

        @Test("clone makes threads, never namespaces", arguments: [
            0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000, 0x80,
        ] as [UInt64])
        func namespaces(flag: UInt64) throws {
            #expect(try Self.machine().answer(number: 56, architecture: Self.architecture, arguments: [flag | 17]) != Self.allow)
        }

        @Test("sockets: local, internet, route queries; nothing else", arguments: [
            (1, 1, 0, true), (2, 1, 6, true), (2, 0x80801, 0, true), (2, 2, 17, true), (10, 1, 0, true), (16, 3, 0, true),
            (2, 3, 1, false), (17, 3, 0, false), (40, 1, 0, false), (16, 3, 9, false), (38, 5, 0, false), (31, 1, 0, false),
        ] as [(UInt64, UInt64, UInt64, Bool)])
        func sockets(family: UInt64, type: UInt64, number: UInt64, allowed: Bool) throws {
            let answer = try Self.machine().answer(
                number: 41, architecture: Self.architecture, arguments: [family, type, number])
            #expect((answer == Self.allow) == allowed)
        }

        @Test("TIOCSTI is refused, with high bits set too; other requests pass", arguments: [
            (0x5412, false), (0x1_0000_5412, false), (0xffff_ffff_0000_5412, false), (0x5413, true), (0x5401, true), (0x8912, true),
        ] as [(UInt64, Bool)])
        func terminalInput(request: UInt64, allowed: Bool) throws {
            let answer = try Self.machine().answer(number: 16, architecture: Self.architecture, arguments: [0, request])
            #expect((answer == Self.allow) == allowed)
        }

        @Test("the 32-bit and the x32 entry end the process")
        func foreignEntries() throws {
            let machine = try Self.machine()
            #expect(try machine.answer(number: 20, architecture: Self.other) == 0x8000_0000)
            #expect(try machine.answer(number: 0x4000_0000 + 39, architecture: Self.architecture) == 0x8000_0000)
        }
    #endif

    @Test("a profile in Docker's format loads; rules for holders of capabilities and of other machines fall away")
    func docker() throws {
        let text = """
            {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":[]}],
             "syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW","args":[],"comment":"","includes":{},"excludes":{}},
              {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
              {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}],
               "excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["s390"]}},
              {"names":["arm_fadvise64_64"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm"]}}]}
            """
        let profile = try SeccompProfile(parsing: Array(text.utf8))
        #expect(profile.rules.map(\.names) == [["read", "write"], ["clone"]])
        #expect(try SeccompCompiler.program(for: profile).count % 8 == 0)
    }

    @Test("a profile that cannot be understood is refused, not guessed", arguments: [
        "", "[]", "{}", #"{"defaultAction":"SCMP_ACT_ALLOW"}"#, #"{"defaultAction":"X","syscalls":[]}"#,
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[],"listenerPath":"/x"}"#,
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}"#,
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_TRACE"}]}"#,
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":9,"op":"SCMP_CMP_EQ"}]}]}"#,
    ])
    func refusals(text: String) {
        #expect(throws: SandboxPolicyError.self) { try SeccompProfile(parsing: Array(text.utf8)) }
    }
}
