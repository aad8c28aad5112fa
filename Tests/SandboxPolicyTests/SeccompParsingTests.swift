// Documents of Docker, containerd, podman and OCI bundles: what is read from them, and what is refused with its place.

import Testing

@testable import SandboxPolicy

@Suite("Seccomp documents")
struct SeccompParsingTests {
    static func parse(_ text: String, _ context: SeccompContext = .plainTask) throws -> SeccompProfile {
        try SeccompProfile(parsing: Array(text.utf8), context: context)
    }

    static let docker = """
        {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
         "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},
          {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]},
          {"architecture":"SCMP_ARCH_S390X","subArchitectures":null}],
         "syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW","args":[],"comment":"","includes":{},"excludes":{}},
          {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
          {"names":["mount","setns"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
          {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}],
           "excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["s390"]}},
          {"names":["arm_fadvise64_64"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["m68k"]}}]}
        """

    @Test("Docker's rules for holders of capabilities, other machines and older kernels fall away")
    func docker() throws {
        let profile = try Self.parse(Self.docker)
        #expect(profile.rules.map(\.names) == [["read", "write"], ["ptrace"], ["clone"]])
        #expect(profile.rules.map(\.place) == ["syscalls[0]", "syscalls[1]", "syscalls[3]"])
        #expect(profile.foreignArchitectures == [])
        let old = try Self.parse(Self.docker, SeccompContext(kernel: KernelVersion(major: 4, minor: 4)))
        #expect(old.rules.map(\.names) == [["read", "write"], ["clone"]])
        let administrator = try Self.parse(Self.docker, SeccompContext(capabilities: [.sysAdmin]))
        #expect(administrator.rules.map(\.names) == [["read", "write"], ["ptrace"], ["mount", "setns"]])
    }

    #if arch(x86_64)
        @Test("a bundle's other entries are served when asked for: the filter then answers for them too")
        func foreignEntries() throws {
            let profile = try Self.parse(Self.docker, SeccompContext(servesForeignArchitectures: true))
            #expect(profile.foreignArchitectures == [.x86, .x32])
            let machine = FilterMachine(program: try SeccompCompiler.program(for: profile))
            #expect(try machine.answer(number: 3, architecture: SeccompArchitecture.x86.token) == Answer.allow)  // read
            #expect(try machine.answer(number: 21, architecture: SeccompArchitecture.x86.token) == Answer.denied)  // mount
            #expect(try machine.answer("read") == Answer.allow)
        }

        @Test("with other entries, a call newer than libseccomp is absent; refusing one alone is an error")
        func newerThanTheLibrary() throws {
            let context = SeccompContext(servesForeignArchitectures: true)
            let text =
                #"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":[{"names":["read","rseq_slice_yield"],"action":"SCMP_ACT_ALLOW"}]}"#
            let machine = FilterMachine(program: try SeccompCompiler.program(for: Self.parse(text, context)))
            #expect(
                try machine.answer("rseq_slice_yield")
                    == (SystemCallName.isInLibrary("rseq_slice_yield") ? Answer.allow : Answer.absent))
            let refusing =
                #"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[{"names":["rseq_slice_yield"],"action":"SCMP_ACT_ERRNO"}]}"#
            if !SystemCallName.isInLibrary("rseq_slice_yield") {
                #expect(throws: SandboxPolicyError.self) { try SeccompCompiler.program(for: Self.parse(refusing, context)) }
            }
        }
    #endif

    @Test("podman's error names, the old single name, comparisons and a default of ENOSYS")
    func podman() throws {
        let profile = try Self.parse(
            """
            {"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"defaultErrno":"ENOSYS","syscalls":[
             {"names":["bdflush"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"errno":"EPERM"},
             {"name":"read","action":"SCMP_ACT_ALLOW"},
             {"names":["socket"],"action":"SCMP_ACT_ERRNO","errno":"EINVAL","args":[
              {"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_EQ"}]},
             {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":9,"op":"SCMP_CMP_NE"}]},
             {"names":["alarm"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_EQ"}]},
             {"names":["nanosleep"],"action":"SCMP_ACT_TRAP"},{"names":["pause"],"action":"SCMP_ACT_KILL_THREAD"},
             {"names":["getpid"],"action":"SCMP_ACT_LOG"},{"names":["getppid"],"action":"SCMP_ACT_TRACE","errnoRet":5},
             {"names":["getuid"],"action":"SCMP_ACT_KILL_PROCESS"},{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[
              {"index":0,"value":3,"op":"SCMP_CMP_LT"}]},
             {"names":["dup2"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_GE"}]},
             {"names":["dup3"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_GT"}]},
             {"names":["close"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_LE"}]}]}
            """)
        let machine = FilterMachine(program: try SeccompCompiler.program(for: profile))
        #expect(try machine.answer("mount") == Answer.absent)
        #expect(try machine.answer("socket", [16, 3, 9]) == Answer.errno(22))
        #expect(try machine.answer("socket", [2, 1, 6]) == Answer.allow)
        #if arch(x86_64)
            #expect(try machine.answer("alarm", [.max]) == Answer.allow)
            #expect(try machine.answer("alarm", [.max - 1]) == Answer.absent)
            #expect(try machine.answer("pause") == 0)
            #expect(try machine.answer("dup2", [2]) == Answer.absent)
            #expect(try machine.answer("dup2", [3]) == Answer.allow)
        #endif
        #expect(try machine.answer("nanosleep") == 0x0003_0000)
        #expect(try machine.answer("getpid") == 0x7ffc_0000)
        #expect(try machine.answer("getppid") == 0x7ff0_0005)
        #expect(try machine.answer("getuid") == Answer.killProcess)
        #expect(try machine.answer("dup", [2]) == Answer.allow)
        #expect(try machine.answer("dup", [3]) == Answer.absent)
        #expect(try machine.answer("dup3", [3]) == Answer.absent)
        #expect(try machine.answer("close", [3]) == Answer.allow)
        #expect(try machine.answer("close", [0x1_0000_0003]) == Answer.absent)
    }

    @Test("several conditions on one argument are alternatives, on several arguments they all hold")
    func alternatives() throws {
        let profile = try Self.parse(
            """
            {"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["fcntl"],"action":"SCMP_ACT_ALLOW","args":[
             {"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]}]}
            """)
        let machine = FilterMachine(program: try SeccompCompiler.program(for: profile))
        #expect(try (1...3).map { try machine.answer("fcntl", [0, $0]) } == [Answer.allow, Answer.allow, Answer.denied])
    }

    @Test("of two actions for one call the first decides, as in every runtime, and the second is named")
    func contradiction() throws {
        let profile = try Self.parse(
            """
            {"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
             {"names":["read"],"action":"SCMP_ACT_KILL"}]}
            """)
        #expect(try FilterMachine(program: SeccompCompiler.program(for: profile)).answer("read") == Answer.allow)
        #expect(profile.redundancies().map(\.reason) == [.contradicted])
    }

    @Test("flags of seccomp(2) are taken over; synchronising threads is nothing to do")
    func flags() throws {
        let profile = try Self.parse(
            """
            {"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG",
             "SECCOMP_FILTER_FLAG_SPEC_ALLOW","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],"syscalls":[]}
            """)
        #expect(profile.flags == [.log, .speculationAllowed, .waitKillable])
    }

    @Test(
        "a profile that cannot be understood is refused with its place, not guessed",
        arguments: [
            ("", "not JSON"), ("[]", "expected an object"), ("{}", "defaultAction"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW"}"#, "syscalls"),
            (#"{"defaultAction":"X","syscalls":[]}"#, "defaultAction"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}"#, "syscalls"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[],"listnerPath":"/x"}"#, "listnerPath"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[],"listenerMetadata":"x"}"#, "listenerMetadata"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[],"flags":["SECCOMP_FILTER_FLAG_X"]}"#, "flags"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]}"#, "syscalls[0].names"),
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[3],"action":"SCMP_ACT_ALLOW"}]}"#, "syscalls[0].names[0]"),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_DENY"}]}"#,
                "syscalls[0].action"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}]}"#,
                "errnoRet"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"ENOPE"}]}"#,
                "syscalls[0].errno"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"EPERM","errnoRet":2}]}"#,
                "errnoRet"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","argz":[]}]}"#,
                "syscalls[0].argz"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":9,"op":"SCMP_CMP_EQ"}]}]}"#,
                "syscalls[0].args[0].index"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQUAL"}]}]}"#,
                "syscalls[0].args[0].op"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]}]}"#,
                "syscalls[0].args[0].value"
            ),
            (
                #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"capz":[]}}]}"#,
                "syscalls[0].includes.capz"
            ),
        ])
    func refusals(text: String, place: String) {
        #expect {
            try Self.parse(text)
        } throws: { error in
            guard case .profile(let reason) = error as? SandboxPolicyError else { return false }
            return reason.contains(place)
        }
    }

    @Test(
        "what would need an agent of its own is refused when compiled",
        arguments: [
            (#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}"#, "syscalls[0]"),
            (#"{"defaultAction":"SCMP_ACT_NOTIFY","syscalls":[]}"#, "defaultAction"),
        ])
    func unenforceable(text: String, place: String) throws {
        let profile = try Self.parse(text)
        #expect {
            try SeccompCompiler.program(for: profile)
        } throws: { error in
            guard case .profile(let reason) = error as? SandboxPolicyError else { return false }
            return reason.contains(place)
        }
    }
}
