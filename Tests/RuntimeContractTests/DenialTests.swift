// Refused system calls as evidence, and learning, against the kernel: a listener behind a filter that permits nothing.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Refused system calls", .enabled(if: Machine.canRun))
struct DenialTests {
    private static func counting(_ profile: SeccompProfile.BuiltIn, maximum: Int) throws -> Jail {
        var jail = Jail()
        jail.supervision = [.denials(maximum: maximum)]
        jail.process = [.noNewPrivileges]
        let filter = try #require(try SeccompProfiles().filter(for: .builtIn(profile), countsDenials: true))
        jail.filters = [.seccomp(filter)]
        return jail
    }

    /// The record's deniedSystemCalls as text, e.g. `"272":1`.
    private static func denied(_ result: JailResult) -> String? {
        guard let range = result.state.firstRange(of: "\"deniedSystemCalls\":{") else { return nil }
        return String(result.state[range.upperBound...].prefix { $0 != "}" })
    }

    /// What a process has open.
    private static func descriptors(of pid: Int32) -> [String] {
        (0..<64).compactMap { number in
            var target = [CChar](repeating: 0, count: 256)
            let length = readlink("/proc/\(pid)/fd/\(number)", &target, 255)
            return length < 0 ? nil : String(decoding: target.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
    }

    private static func python(_ lines: String) -> String { "/usr/bin/python3 -c '\(lines)'" }

    #if arch(x86_64)
        @Test("what the profile refuses answers EPERM and stands in the record, by number and count")
        func counted() throws {
            try withOperationLab { lab in
                let script = Self.python(
                    """
                    import ctypes
                    libc = ctypes.CDLL(None, use_errno=True)
                    for number in (101, 272, 272, 323, 435):
                        print(libc.syscall(number, 0, 0, 0, 0), ctypes.get_errno())
                    """)
                let result = try lab.run(try Self.counting(.runtimeDefault, maximum: 100), script)
                #expect(result.output == ["-1 1", "-1 1", "-1 1", "-1 1", "-1 38"], "\(result)")
                #expect(Self.denied(result) == "\"101\":1,\"272\":2,\"323\":1", "\(result.state)")
            }
        }

        @Test("a flood of refused calls costs the supervisor its bound and no more; the rest answers ENOSYS")
        func flood() throws {
            try withOperationLab { lab in
                let script = Self.python(
                    """
                    import ctypes
                    libc = ctypes.CDLL(None, use_errno=True)
                    seen = {}
                    for _ in range(20000):
                        libc.syscall(101, 0, 0, 0, 0)
                        seen[ctypes.get_errno()] = seen.get(ctypes.get_errno(), 0) + 1
                    print(seen)
                    """)
                let result = try lab.run(try Self.counting(.runtimeDefault, maximum: 250), script)
                #expect(result.output == ["{1: 250, 38: 19750}"], "\(result)")
                #expect(Self.denied(result) == "\"101\":250", "\(result.state)")
            }
        }

        @Test("threads and children of the task are counted with it")
        func children() throws {
            try withOperationLab { lab in
                let script =
                    "for i in 1 2 3; do " + Self.python("import ctypes; ctypes.CDLL(None).syscall(272, 0)")
                    + " & done; wait; echo done"
                let result = try lab.run(try Self.counting(.runtimeDefault, maximum: 100), script)
                #expect(result.output == ["done"], "\(result)")
                #expect(Self.denied(result) == "\"272\":3", "\(result.state)")
            }
        }
    #endif

    @Test("a task that is refused nothing has nothing in its record")
    func none() throws {
        try withOperationLab { lab in
            let result = try lab.run(try Self.counting(.runtimeDefault, maximum: 100), "echo fine")
            #expect(result.output == ["fine"] && Self.denied(result) == nil, "\(result)")
        }
    }

    @Test("a filter that permits not even what the launcher does is loaded with its listener, and a failing exec is told")
    func narrow() throws {
        try withOperationLab { lab in
            var jail = try Self.counting(.strict, maximum: 10)
            let text = #"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["execve"],"action":"SCMP_ACT_ALLOW"}]}"#
            let filter = try SeccompProfiles().filter(document: Array(text.utf8), name: "execve")
            jail.filters = [.seccomp(FilterProgram.countingDenials(filter))]
            var plan = lab.plan(jail, "")
            // The loader cannot map a library: the program ends by itself, and what it tried is known.
            let tried = try lab.run(plan)
            #expect(tried.status != 0 && Self.denied(tried) != nil, "\(tried)")
            plan.operations = plan.operations.map { $0 == .argument("/bin/sh") ? .argument("/none") : $0 }
            // write(2) to the launcher is refused too, and exit_group(2): without waiting for the start's deadline of 30 s.
            let begun = ContinuousClock.now
            let missing = try lab.run(plan)
            #expect(missing.status != 0 && ContinuousClock.now - begun < .seconds(20), "\(missing)")
        }
    }

    @Test("init hands the listener over where nobody is asked before the program runs; else a courier does")
    func noCourier() throws {
        try withOperationLab { lab in
            // Process ids are counted up in the task's namespace: init, the shell, and the next one.
            let script = "sleep 0 & echo $!; wait"
            let usual = try lab.run(try Self.counting(.runtimeDefault, maximum: 10), script)
            #expect(usual.output == ["3"], "\(usual)")
            var learning = Jail()
            learning.process = [.noNewPrivileges]
            learning.supervision = [.learn(path: "\(lab.directory)/lesson")]
            learning.filters = [.seccomp(FilterProgram.learning)]
            let asked = try lab.run(learning, script)
            #expect(asked.output == ["4"], "\(asked)")
        }
    }

    @Test("init keeps nothing of what it lent its program: neither its streams nor the listener")
    func initKeepsNothing() async throws {
        try await withLab { lab in
            let config = lab.config("echo ready; exec sleep 600")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            guard case .running(let pid, _) = try await lab.runtime.status(id)?.phase else {
                Issue.record("expected a running task")
                return
            }
            // The pipe to its supervisor; its other one stays for a moment yet.
            for _ in 0..<2000 where Self.descriptors(of: pid).count != 1 { usleep(10_000) }
            let open = Self.descriptors(of: pid)
            #expect(open.count == 1 && open.allSatisfy { $0.hasPrefix("pipe:") }, "\(open)")
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
        }
    }

    @Test("the courier is gone and the listener is not inherited")
    func nothingStays() throws {
        try withOperationLab { lab in
            // init and the shell, which looks by itself; the courier may be on its way for a moment yet.
            let script = """
                i=0; while set -- /proc/[0-9]*; [ $# -gt 2 ] && [ $i -lt 3000 ]; do i=$((i + 1)); sleep 0.01; done
                echo $#; ls -l /proc/self/fd | grep -c -e seccomp -e socket
                """
            let result = try lab.run(try Self.counting(.runtimeDefault, maximum: 10), script)
            #expect(result.output == ["2", "0"], "\(result)")
        }
    }

    @Test(
        "a profile learnt from a run permits that run again, and not another",
        arguments: [
            ("/bin/true", "/bin/mkdir /tmp/x"), ("echo a b | cat; ls /usr >/dev/null", "chmod 700 /tmp"),
            (
                "/usr/bin/python3 -c 'import socket, threading; t = threading.Thread(target=socket.socket); t.start(); t.join()'",
                "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)'"
            ),
        ])
    func learning(script: String, other: String) throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.files = [.tmpfs(path: "/tmp", options: TmpfsOptions(bytes: 1 << 20, inodes: 64, mode: 0o1777), flags: [.noSuid])]
            jail.process = [.noNewPrivileges]
            jail.supervision = [.learn(path: "\(lab.directory)/lesson")]
            jail.filters = [.seccomp(FilterProgram.learning)]
            let learnt = try lab.run(jail, script)
            #expect(learnt.status == 0, "\(learnt)")

            let lesson = try SeccompLesson(parsing: Array(Lab.text("\(lab.directory)/lesson").utf8))
            let json = lesson.profileJSON(comment: "learnt from \"\(script)\"")
            let profile = try SeccompProfile(parsing: Array(json.utf8))
            #expect(profile.redundancies().isEmpty, "\(profile.redundancies())")
            jail.supervision = []
            jail.filters = [.seccomp(try SeccompCompiler.program(for: profile))]
            let again = try lab.run(jail, script)
            #expect(again.status == 0 && again.output == learnt.output, "\(again) \(json)")
            #expect(try lab.run(jail, other).status != 0, "\(json)")
        }
    }
}
