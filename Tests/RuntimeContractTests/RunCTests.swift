// What RunC adds to the contract: a jail by the runtime-spec, namespaces that a pod shares, commands with a terminal, and runtimes that
// are missing, hang, end early or print rubbish.

import CLinux
import Cgroups
import Glibc
import LocalRuntime
import RunC
import RuntimeInterface
import SandboxPolicy
import Spawn
import Testing

extension OCIProgram: CustomTestStringConvertible {
    public var testDescription: String { name }
}

@Suite("RunC", .enabled(if: Machine.canRun))
struct RunCTests {
    private func withStage(
        _ program: OCIProgram, configure: (inout LocalConfiguration) -> Void = { _ in }, _ body: (RunCStage) async throws -> Void
    ) async throws {
        let stage = try await RunCStage(program, configure: configure)
        do { try await body(stage) } catch {
            try? await stage.close()
            throw error
        }
        try await stage.close()
        #expect(stage.remains(stage.pod) == [])
    }

    private func start(_ stage: RunCStage, _ config: ContainerConfig, sandbox: PodSandboxConfig? = nil) async throws
        -> ContainerID
    {
        try await stage.runtime.runPodSandbox(sandbox ?? stage.sandbox(stage.pod))
        let id = try await stage.runtime.createContainer(podUID: stage.pod, config: config)
        try await stage.runtime.startContainer(id)
        return id
    }

    private func run(_ stage: RunCStage, _ config: ContainerConfig, sandbox: PodSandboxConfig? = nil) async throws -> (
        exit: ContainerExit, lines: [String]
    ) {
        let id = try await start(stage, config, sandbox: sandbox)
        let exit = try await stage.exit(id)
        return (exit, stage.lines(id))
    }

    private func program(_ name: String, _ script: String, in stage: RunCStage? = nil, milliseconds: Int = 30_000) throws
        -> OCIProgram
    {
        let path = "/var/tmp/swiftlet-oci-\(name)-\(getpid())"
        let descriptor = clinux_open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o755)
        try #require(descriptor >= 0)
        #expect(write(descriptor, script, script.utf8.count) == script.utf8.count)
        close(descriptor)
        return OCIProgram(name: name, command: [path], createMilliseconds: milliseconds, verbMilliseconds: milliseconds)
    }

    // MARK: The jail

    @Test(
        "a container has ids of its own, no capability, no new privileges, a filter, the pod's name, and nothing of the machine",
        arguments: OCIPrograms.all)
    func jail(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            var config = stage.container(
                """
                grep -E '^(CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
                tr -s ' ' </proc/self/uid_map; hostname; cat /etc/hostname; id -u
                echo sys $(ls /sys) $(find /sys/fs/cgroup/ -mindepth 2 -type d | wc -l) $(cat /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null); ls -d /root /home /var 2>/dev/null; echo kcore $(cat /proc/kcore | wc -c)
                echo processes $(ls /proc | grep -c '^[0-9]')
                (echo x >/etc/x) 2>/dev/null && echo wrote; (echo x >/usr/x) 2>/dev/null && echo wrote; echo x >/tmp/x && echo scratch
                mount -t tmpfs none /tmp 2>/dev/null && echo mounted; unshare -U true 2>/dev/null && echo unshared
                echo x > /proc/sys/kernel/hostname 2>/dev/null && echo renamed; [ -e /dev/kmsg ] && echo kmsg
                true
                """)
            config.limits.memoryBytes = 96 << 20
            let result = try await run(stage, config)
            #expect(result.exit.exitCode == 0, "\(result)")
            let lines = Set(result.lines)
            for set in ["CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                #expect(lines.contains("\(set):0000000000000000"), "\(result.lines)")
            }
            #expect(lines.isSuperset(of: ["NoNewPrivs:1", "Seccomp:2", "alice-pod", "scratch"]), "\(result.lines)")
            #expect(lines.isDisjoint(with: ["wrote", "mounted", "unshared", "renamed", "kmsg"]), "\(result.lines)")
            #expect(lines.isDisjoint(with: ["/root", "/home", "/var"]), "\(result.lines)")
            #expect(lines.isSuperset(of: ["sys fs 0 \(96 << 20)", "kcore 0"]), "\(result.lines)")
            // init, the shell, and what counts.
            let processes = result.lines.first { $0.hasPrefix("processes ") }?.split(separator: " ").last.flatMap { Int($0) }
            #expect(processes.map { (1...6).contains($0) } == true, "\(result.lines)")
            let map = try #require(result.lines.first { $0.hasSuffix(" 65536") }?.split(separator: " ").compactMap { Int64($0) })
            #expect(map.first == 0 && map[1] >= 0x4000_0000)
        }
    }

    @Test(
        "a container's user namespace is nobody's; its program and commands have the limits that a sandbox of ours has",
        arguments: OCIPrograms.all)
    func namespaceAndLimits(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let limits = "ulimit -H -n; ulimit -S -n; ulimit -H -c"
            let id = try await start(stage, stage.container("\(limits); echo begin; exec sleep 600"))
            try await stage.waitUntilBegun(id)
            guard case .running(let pid, _) = try await stage.runtime.status(id)?.phase else {
                Issue.record("\(id) does not run")
                return
            }
            let namespace = clinux_open("/proc/\(pid)/ns/user", O_RDONLY | O_CLOEXEC, 0)
            try #require(namespace >= 0)
            defer { close(namespace) }
            var owner: UInt32 = 0
            // NS_GET_OWNER_UID (ioctl_ns(2))
            try #require(ioctl(namespace, 0xb704, &owner) == 0)
            #expect(HostIDs.owners.contains(owner), "\(owner)")
            #expect(stage.lines(id) == ["16384", "16384", "0", "begin"])
            let result = try await stage.runtime.execSync(
                id, command: ["/bin/sh", "-c", limits], timeoutSeconds: 30, maximumOutputBytes: 4096)
            #expect(String(decoding: result.stdout, as: UTF8.self) == "16384\n16384\n0\n", "\(result)")
        }
    }

    @Test(
        "a container and its commands never own the machine's null device: some runtimes give what they pass on to the container's ids",
        arguments: OCIPrograms.all)
    func nullDevice(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            var facts = stat()
            try #require(stat("/dev/null", &facts) == 0)
            // As the container would see it, were it its own.
            let machines = "\(facts.st_dev)-\(facts.st_ino) 0"
            let script = "for fd in 0 1 2; do stat -L -c '%d-%i %u' /proc/self/fd/$fd; done"
            let id = try await start(stage, stage.container(script + "; echo begin; sleep 60"))
            try await stage.waitUntilBegun(id)
            #expect(!stage.lines(id).contains(machines), "\(stage.lines(id)), the machine's: \(machines)")
            let session = try await stage.runtime.exec(
                id,
                ExecRequest(
                    command: ["/bin/sh", "-c", "stat -L -c '%d-%i %u' /proc/self/fd/0 >&2; [ -c /proc/self/fd/0 ]"],
                    stdout: false, stderr: true))
            var text = ""
            while let output = try await session.nextOutput() {
                if case .stderr(let piece) = output { text += String(decoding: piece, as: UTF8.self) }
            }
            #expect(
                try await session.wait() == 0 && !text.isEmpty && !text.contains(machines), "\(text), the machine's: \(machines)")
            await session.close()
        }
    }

    @Test(
        "capabilities, users, groups, environment, mounts and limits of files are what the pod says", arguments: OCIPrograms.all)
    func settings(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let data = "\(stage.directory)/data"
            try RecordFiles.makeDirectories(data, mode: 0o755)
            try RecordFiles.write(Array("shared\n".utf8), to: "\(data)/file")
            #expect(chmod("\(data)/file", 0o644) == 0)
            var config = stage.container(
                """
                id -u; id -g; id -G; echo "$A" "$PWD"; ulimit -n; cat /data/file /one; (echo x >/data/new) 2>/dev/null || echo read-only
                grep CapEff /proc/self/status | tr -d '\\t'; stat -c %u /data/file; echo x >/own/new && stat -c %u /own/new
                """)
            try RecordFiles.makeDirectories("\(stage.directory)/own", mode: 0o777)
            #expect(chmod("\(stage.directory)/own", 0o777) == 0)
            config.runAsUser = 1234
            config.runAsGroup = 2345
            config.supplementalGroups = [3456]
            config.environment = [EnvironmentVariable(name: "A", value: "a b\"%")]
            config.workingDirectory = "/tmp"
            config.privileges = ContainerPrivileges(capabilities: ["NET_BIND_SERVICE"])
            config.mounts = [
                ContainerMount(hostPath: data, containerPath: "/data", readOnly: true),
                ContainerMount(hostPath: "\(data)/file", containerPath: "/one", readOnly: true),
                ContainerMount(hostPath: "\(stage.directory)/own", containerPath: "/own", readOnly: false),
            ]
            let result = try await run(stage, config)
            #expect(
                result.lines == [
                    "1234", "2345", "2345 3456", "a b\"% /tmp", "16384", "shared", "shared", "read-only",
                    "CapEff:0000000000000400", "0", "1234",
                ], "\(result)")
            var facts = stat()
            #expect(stat("\(stage.directory)/own/new", &facts) == 0 && facts.st_uid == 1234, "on disk the id is the one inside")
        }
    }

    @Test(
        "a pod's containers share ipc, names and network, and nothing else; another pod's are others", arguments: OCIPrograms.all)
    func sharing(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let script =
                "for n in ipc uts net pid mnt; do echo $n $(readlink /proc/self/ns/$n); done; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
            var sandbox = stage.sandbox(stage.pod)
            sandbox.network = PodNetwork.none
            sandbox.kernelParameters = [KernelParameter(name: "net.ipv4.ip_unprivileged_port_start", value: "80")]
            // Both live at once: the number of a namespace that is gone is given again.
            let id = try await start(stage, stage.container(script + "; sleep 60", name: "a"), sandbox: sandbox)
            for _ in 0..<3_000 where stage.lines(id).count < 6 {
                // Another program's output is looked for, within a bound.
                try await Task.sleep(for: .milliseconds(10))
            }
            let first = stage.lines(id)
            let second = try await run(stage, stage.container(script, name: "b"), sandbox: sandbox).lines
            try #require(first.count == 6 && second.count == 6, "\(first) \(second)")
            #expect(first[0..<3] == second[0..<3] && first[3] != second[3] && first[4] != second[4])
            #expect(first[5] == "80" && second[5] == "80")
            try await stage.runtime.stopContainer(id, graceSeconds: 0)
            for (line, name) in zip(first, ["ipc", "uts", "net", "pid", "mnt"]) {
                var target = [CChar](repeating: 0, count: 128)
                let length = readlink("/proc/self/ns/\(name)", &target, 127)
                try #require(length > 0)
                #expect(line != "\(name) \(String(decoding: target.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self))")
            }
        }
    }

    @Test("processes over the limit are refused, and the end of who needed them names it", arguments: OCIPrograms.all)
    func limits(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            var config = stage.container(
                "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 5 & done 2>/dev/null; cat /proc/self/cgroup | head -1; jobs | wc -l"
            )
            config.limits.pids = 8
            let result = try await run(stage, config)
            #expect(result.exit.exitCode != 0 && result.exit.message?.contains("limit of processes") == true, "\(result)")
        }
    }

    @Test(
        "on the node's network a program and its commands are held to the pod's TCP ports by Landlock, and do not signal the first process",
        .enabled(if: clinux_landlock_abi() >= 6), arguments: OCIPrograms.all)
    func secondWall(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            var sandbox = stage.sandbox(stage.pod)
            sandbox.network = .host(TCPRule(bind: [21_741], connect: []))
            // Other tests may have the port: what counts is whether the rule refuses.
            let tries = [21_741, 21_742].map { port in
                "python3 -c 'import socket\ntry: socket.socket().bind((\"127.0.0.1\", \(port)))\nexcept PermissionError: print(\"refused\")\nexcept OSError: print(\"tried\")\nelse: print(\"tried\")'"
            }.joined(separator: "; ")
            let id = try await start(
                stage, stage.container("\(tries); kill -0 1 2>/dev/null || echo unreached; echo begin; sleep 600"),
                sandbox: sandbox)
            try await stage.waitUntilBegun(id)
            #expect(stage.lines(id) == ["tried", "refused", "unreached", "begin"])
            let result = try await stage.runtime.execSync(
                id, command: ["/bin/sh", "-c", tries], timeoutSeconds: 60, maximumOutputBytes: 4096)
            #expect(
                String(decoding: result.stdout, as: UTF8.self) == "tried\nrefused\n",
                "\(String(decoding: result.stderr, as: UTF8.self))")
        }
    }

    @Test("the first process of a container does not pass a signal back to the program that sent it")
    func ownSignal() async throws {
        let launcher = try #require(Machine.launcher)
        // What came back would come within the sleep.
        let script = "exec \(launcher) oci-init /bin/sh -c 'kill -TERM $PPID; sleep 0.5; exit 7' 3>/dev/null 4>/dev/null"
        let run = try await Task.detached {
            try ProgramRun("/bin/sh", arguments: ["sh", "-c", script], deadlineMilliseconds: 60_000)
        }.value
        #expect(run.ending == .exited(7), "\(run.complaint)")
    }

    // MARK: Commands

    @Test(
        "a command's terminal is its own, is resized and ends with it; one that is not there is named", arguments: OCIPrograms.all
    )
    func terminal(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let id = try await start(stage, stage.container("echo begin; while :; do sleep 60; done"))
            try await stage.waitUntilBegun(id)
            let script = "test -t 0 && test -t 1 || exit 9; trap 'stty size; exit 3' WINCH; echo go; while :; do sleep 0.05; done"
            let session = try await stage.runtime.exec(
                id, ExecRequest(command: ["/bin/sh", "-c", script], tty: true, stdin: true))
            var (text, resized) = ("", false)
            while case .stdout(let piece)? = try await session.nextOutput() {
                text += String(decoding: piece, as: UTF8.self)
                if text.contains("go"), !resized {
                    resized = true
                    await session.resize(TerminalSize(width: 97, height: 31))
                }
            }
            let code = try await session.wait()
            #expect(text.contains("31 97") && code == 3, "\(code): \(text)")
            await session.close()
            await #expect {
                _ = try await stage.runtime.exec(id, ExecRequest(command: ["/no/such/program"]))
            } throws: { if case RuntimeError.invalid("command", _) = $0 { true } else { false } }
        }
    }

    @Test(
        "a command has the container's ids, capabilities and filter; its whole tree ends when its session is closed",
        arguments: OCIPrograms.all)
    func commands(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let facts =
                "for n in mnt pid ipc uts user; do readlink /proc/self/ns/$n; done; grep -E '^(Uid|Gid|Cap.*|NoNewPrivs|Seccomp):' /proc/self/status; echo $PWD; hostname"
            var config = stage.container("(\(facts)) > /tmp/facts; echo begin; while :; do sleep 60; done")
            config.runAsUser = 1234
            let id = try await start(stage, config)
            try await stage.waitUntilBegun(id)
            let command = ["/bin/sh", "-c", "(\(facts)) > /tmp/others; diff /tmp/facts /tmp/others && echo same"]
            let result = try await stage.runtime.execSync(id, command: command, timeoutSeconds: 30, maximumOutputBytes: 4096)
            #expect(result.stdout == Array("same\n".utf8), "\(String(decoding: result.stdout + result.stderr, as: UTF8.self))")
            let session = try await stage.runtime.exec(
                id, ExecRequest(command: ["/bin/sh", "-c", "sleep 1009 & sleep 1009 & echo go; wait"]))
            guard case .stdout? = try await session.nextOutput() else { throw RuntimeError.notFound("output") }
            await session.close()
            let group = Machine.cgroups.group("\(stage.configuration.cgroupParent)/\(stage.pod)/main_0")
            #expect(!group.allProcesses().contains { Lab.text("/proc/\($0)/cmdline").contains("1009") })
            #expect(try await stage.isRunning(id))
        }
    }

    @Test("a paused container does nothing until it is resumed", arguments: OCIPrograms.all)
    func pause(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let id = try await start(stage, stage.container("echo begin; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 5"))
            try await stage.waitUntilBegun(id)
            try await stage.runc.pauseContainer(id)
            try await stage.release(id)
            // That nothing happens can only be seen by waiting.
            #expect(await !stage.events.wait(id, seconds: 1))
            #expect(try await stage.isRunning(id))
            try await stage.runc.resumeContainer(id)
            #expect(try await stage.exit(id).exitCode == 5)
            await #expect(throws: RuntimeError.self) { try await stage.runc.pauseContainer(id) }
        }
    }

    // MARK: Accidents

    @Test("a supervisor that is killed takes its container along, and the end is known", arguments: OCIPrograms.all)
    func supervisorLost(program: OCIProgram) async throws {
        try await withStage(program) { stage in
            let id = try await start(stage, stage.container("echo begin; while :; do sleep 60; done"))
            try await stage.waitUntilBegun(id)
            let lock = try #require(SupervisorLock("\(stage.record(id))/supervisor.lock"))
            #expect(kill(lock.pid, SIGKILL) == 0)
            let exit = try await stage.exit(id)
            #expect(exit.exitCode == 137 && exit.reason == "SupervisorLost", "\(exit)")
            #expect(Machine.cgroups.group("\(stage.configuration.cgroupParent)/\(stage.pod)/main_0").allProcesses() == [])
        }
    }

    @Test(
        "a runtime that is missing, hangs, ends early or prints rubbish is named, with its words, as what the container ended of",
        arguments: [
            ("missing", "", "/var/tmp/swiftlet-oci-missing"),
            ("hangs", "#!/bin/sh\nsleep 1010\n", "hangs run: did not end within 700 ms"),
            ("early", "#!/bin/sh\nexit 3\n", "early run: ended with status 3, and it said nothing"),
            ("shouts", "#!/bin/sh\necho cannot do that >&2; exit 1\n", "shouts run: cannot do that"),
            ("rubbish", "#!/bin/sh\necho '{}}{'; exit 0\n", "rubbish run: its pid file holds no process id"),
            (
                "liar", "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ $1 = --pid-file ] && echo 1 > $2; shift; done\n",
                "liar run: its pid file holds no process id"
            ),
            (
                "thief", "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ $1 = --pid-file ] && echo $PPID > $2; shift; done\n",
                "of its pid file is not the container's"
            ),
            (
                "logs",
                "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ $1 = --log ] && echo '{\"level\":\"error\",\"msg\":\"no \\\"such\\\" thing\"}' > $2; shift; done; exit 1\n",
                "logs run: no \"such\" thing"
            ),
        ])
    func brokenRuntime(name: String, script: String, words: String) async throws {
        let program = try program(name, script, milliseconds: 700)
        if script.isEmpty { unlink(program.command[0]) }
        defer { unlink(program.command[0]) }
        try await withStage(program) { stage in
            let id = try await start(stage, stage.container("echo begin"))
            let exit = try await stage.ended(id)
            #expect(exit.exitCode == 128 && exit.reason == "StartError", "\(exit)")
            #expect(exit.message?.contains(words) == true, "\(exit.message ?? "")")
            #expect(stage.starts(id) == 0)
        }
    }

    @Test("what the runtime still forgets for its supervisor is not removed under its hands")
    func removalBesideForgetting() async throws {
        let runtime = try #require(OCIPrograms.runc?.command.first)
        // The first `delete` is the supervisor's: it is slow, and says when it is done.
        let program = try program(
            "slow",
            """
            #!/bin/sh
            here=$(dirname "$0")/$(basename "$0").d
            case " $* " in *" delete "*) mkdir $here 2>/dev/null && sleep 0.5 && touch $here/done ;; esac
            exec \(runtime) "$@"
            """)
        let trace = "\(program.command[0]).d"
        defer {
            unlink(program.command[0])
            try? RecordFiles.removeTree(trace)
        }
        try await withStage(program) { stage in
            let id = try await stage.begin(.waits(4))
            await stage.crash()
            try await stage.release(id)
            // The record, which an agent that comes now reads, is written before the supervisor has the runtime forget the container.
            // A process of nobody we know makes the file: it is looked for, within a bound.
            for _ in 0..<6_000 where !RecordFiles.exists(trace) { try await Task.sleep(for: .milliseconds(10)) }
            #expect(try await stage.recover().count == 1)
            #expect(try await stage.ended(id).exitCode == 4)
            try await stage.remove(stage.pod)
            #expect(RecordFiles.exists("\(trace)/done"))
        }
    }

    @Test("that nobody raises a second wall in a machine of its own is a condition of the node", arguments: [true, false])
    func wallCondition(hasInit: Bool) async throws {
        try await withStage(OCIProgram(name: "kata", command: ["/no/such/runtime"], hasInit: hasInit)) { stage in
            let condition = try #require(stage.runtime.conditions.first { $0.type == "OCIRuntimesWithoutSecondWall" })
            #expect(condition.holds == !hasInit && condition.message.contains("kata") == !hasInit)
        }
    }

    @Test("a missing program is a condition of the node")
    func missingCondition() async throws {
        try await withStage(OCIProgram(name: "gone", command: ["/no/such/runtime"])) { stage in
            let condition = try #require(stage.runtime.conditions.first { $0.type == "OCIRuntimesMissing" })
            #expect(condition.holds && condition.message.contains("gone: /no/such/runtime"))
        }
    }
}
