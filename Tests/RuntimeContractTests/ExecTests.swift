// exec and port-forward over the real launcher: a command lives in the container's own jail, and its whole tree ends when told.

import CLinux
import Cgroups
import Glibc
import RunP
import RuntimeInterface
import Testing

@Suite("RunP exec", .enabled(if: Machine.canRun))
struct ExecTests {
    private static let forever = "echo ready; while :; do sleep 60; done"

    private func withTask(
        _ script: String = forever, network: PodNetwork? = nil, _ change: (inout ContainerConfig) -> Void = { _ in },
        _ body: (Lab, ContainerID) async throws -> Void
    ) async throws {
        try await withLab(network: network) { lab in
            let config = lab.config(script, change)
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            try await body(lab, id)
        }
    }

    /// The commands `sleep 100...` among the container's processes, as the machine sees them.
    private func sleeps(_ lab: Lab) -> [String] {
        Machine.cgroups.group("\(lab.parent)/\(lab.podUID)/main_0").allProcesses().map {
            Lab.text("/proc/\($0)/cmdline").split(separator: "\0").joined(separator: " ")
        }.filter { $0.hasPrefix("sleep 100") }.sorted()
    }

    private func sh(_ lab: Lab, _ id: ContainerID, _ script: String, seconds: Int = 30) async throws -> ExecResult {
        try await lab.runtime.execSync(
            id, command: ["/bin/sh", "-c", script], timeoutSeconds: seconds, maximumOutputBytes: 1 << 20)
    }

    @Test("a command has the container's namespaces, root, groups, ids, capabilities, filter and environment")
    func jail() async throws {
        let facts = """
            for n in mnt pid ipc uts net cgroup user; do echo $n=$(readlink /proc/self/ns/$n); done
            grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|Seccomp_filters):' /proc/self/status
            echo $A $PWD; hostname; stat -c %i /
            """
        let before = "(\(facts)) > /tmp/facts; echo ready; while :; do sleep 60; done"
        try await withTask(
            before,
            { config in
                config.runAsUser = 1234
                config.runAsGroup = 2345
                config.supplementalGroups = [3456]
                config.environment = [EnvironmentVariable(name: "A", value: "a%20 b\"")]
                config.workingDirectory = "/tmp"
            }
        ) { lab, id in
            let result = try await sh(lab, id, "(\(facts)) > /tmp/others; diff /tmp/facts /tmp/others && echo same")
            #expect(result.exitCode == 0, "\(String(decoding: result.stdout + result.stderr, as: UTF8.self))")
            #expect(result.stdout == Array("same\n".utf8))
            // The container's processes are within reach of a signal; /proc shows a command its own alone.
            let signalled = try await sh(lab, id, "kill -0 2 && echo there; ls -d /proc/[0-9]* | wc -l")
            let text = String(decoding: signalled.stdout, as: UTF8.self).split(separator: "\n")
            #expect(text.first == "there" && (Int(text.last ?? "") ?? 99) < 12, "\(text)")
        }
    }

    @Test("a refused system call is refused to a command too, with the container's error")
    func filter() async throws {
        try await withTask { lab, id in
            let result = try await sh(lab, id, "unshare -U true; echo $?; mount -t tmpfs none /mnt; echo $?")
            let text = String(decoding: result.stdout + result.stderr, as: UTF8.self)
            #expect(text.contains("Operation not permitted") && !text.contains("not implemented"), "\(text)")
        }
    }

    @Test("a command's CPU time, memory and processes count against its container; its group goes with it")
    func groups() async throws {
        try await withTask("echo ready; while :; do sleep 60; done", { $0.limits.pids = 20 }) { lab, id in
            let result = try await sh(lab, id, "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo done", seconds: 20)
            #expect(String(decoding: result.stderr, as: UTF8.self).lowercased().contains("fork"))
            let group = "\(lab.parent)/\(lab.podUID)/main_0"
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
            // What a command left running, and its group, stay until the container's end.
            try await lab.runtime.removeContainer(id)
            #expect(!Machine.cgroups.group(group).exists)
        }
    }

    @Test("the group of a command whose processes outlived it goes when a later command ends")
    func leftBehind() async throws {
        try await withTask { lab, id in
            let group = "\(lab.parent)/\(lab.podUID)/main_0"
            _ = try await sh(lab, id, "sleep 1005 >/dev/null 2>&1 & echo $! >/tmp/left")
            #expect(Machine.cgroups.children(of: group).count == 1)
            _ = try await sh(lab, id, "kill $(cat /tmp/left)")
            // Its parent reaps it when it gets to it.
            for _ in 0..<3000 where !sleeps(lab).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            for _ in 0..<3000 {
                _ = try await sh(lab, id, "true")
                if Machine.cgroups.children(of: group).isEmpty { break }
            }
            #expect(Machine.cgroups.children(of: group).isEmpty)
        }
    }

    @Test("at its time limit the whole tree of a command ends, also what left its session; the container runs on")
    func wholeTree() async throws {
        try await withTask { lab, id in
            let script = "(setsid sh -c 'sleep 1001 & sleep 1002' &) ; setsid sleep 1003 & sleep 1004"
            let result = try await sh(lab, id, script, seconds: 1)
            #expect(result.timedOut && result.exitCode == 137)
            // SIGKILL has been sent; on a busy machine the kernel takes its time to carry it out.
            for _ in 0..<3000 where !sleeps(lab).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            #expect(sleeps(lab) == [])
            guard case .running = try await lab.runtime.status(id)?.phase else {
                Issue.record("the container ended")
                return
            }
            #expect(Machine.cgroups.children(of: "\(lab.parent)/\(lab.podUID)/main_0").count <= 1)
        }
    }

    @Test("a command's end is not delayed by what it leaves in the background, which runs on")
    func background() async throws {
        try await withTask { lab, id in
            let clock = ContinuousClock()
            let began = clock.now
            let result = try await sh(lab, id, "sleep 1005 & echo started")
            #expect(result == ExecResult(exitCode: 0, stdout: Array("started\n".utf8)))
            #expect(clock.now - began < .seconds(10))
            // The shell may have forked the child already, and the child not yet become the program.
            for _ in 0..<3000 where sleeps(lab).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            #expect(sleeps(lab) == ["sleep 1005"])
        }
    }

    @Test(
        "exit codes and signals come back as they are",
        arguments: [("exit 0", 0), ("exit 77", 77), ("kill -15 $$", 143), ("kill -9 $$", 137)])
    func codes(script: String, code: Int) async throws {
        try await withTask { lab, id in
            let result = try await sh(lab, id, script)
            #expect(result.exitCode == code)
        }
    }

    @Test("a program that is not there is the command's fault, and named")
    func missingProgram() async throws {
        try await withTask { lab, id in
            await #expect(
                throws: RuntimeError.invalid(
                    field: "command", reason: "exec: \"no-such-program\": executable file not found in $PATH")
            ) {
                _ = try await lab.runtime.execSync(id, command: ["no-such-program"], timeoutSeconds: 5, maximumOutputBytes: 10)
            }
        }
    }

    @Test("megabytes pass through a command unchanged, in both directions, however slowly they are read")
    func throughput() async throws {
        try await withTask { lab, id in
            let session = try await lab.runtime.exec(id, ExecRequest(command: ["cat"], stdin: true))
            let bytes = (0..<(4 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 9) }
            let writer = Task {
                for at in stride(from: 0, to: bytes.count, by: 100_000) {
                    try await session.write(Array(bytes[at..<min(at + 100_000, bytes.count)]))
                }
                await session.finishInput()
            }
            var received: [UInt8] = []
            while case .stdout(let piece)? = try await session.nextOutput() { received += piece }
            try await writer.value
            #expect(received == bytes)
            #expect(try await session.wait() == 0)
            await session.close()
        }
    }

    @Test("a terminal is the command's own, is resized, controls the session and ends with it")
    func terminal() async throws {
        try await withTask { lab, id in
            let script =
                "test -t 0 && test -t 1 || exit 9; stty size; trap 'stty size; exit 3' WINCH; echo go; while :; do sleep 0.05; done"
            let session = try await lab.runtime.exec(id, ExecRequest(command: ["/bin/sh", "-c", script], tty: true, stdin: true))
            var text = ""
            var resized = false
            while case .stdout(let piece)? = try await session.nextOutput() {
                text += String(decoding: piece, as: UTF8.self)
                if text.contains("go"), !resized {
                    resized = true
                    await session.resize(TerminalSize(width: 97, height: 31))
                }
            }
            #expect(text.contains("31 97"), "\(text)")
            #expect(try await session.wait() == 3)
            await session.close()
            let cat = try await lab.runtime.exec(id, ExecRequest(command: ["cat"], tty: true, stdin: true))
            try await cat.write(Array("typed\n".utf8))
            await cat.finishInput()
            #expect(try await cat.wait() == 0)
            await cat.close()
        }
    }

    @Test("terminals have names in a container without one: a command's, and what a program makes for itself; none is the host's")
    func terminalNames() async throws {
        try await withTask { lab, id in
            let script = "tty; ls /dev/pts | tr '\\n' ' '; python3 -c 'import os; print(os.ttyname(os.openpty()[1]))'"
            let session = try await lab.runtime.exec(id, ExecRequest(command: ["/bin/sh", "-c", script], tty: true))
            var text = ""
            while case .stdout(let piece)? = try await session.nextOutput() { text += String(decoding: piece, as: UTF8.self) }
            #expect(text == "/dev/pts/0\r\n0 ptmx /dev/pts/1\r\n")
            #expect(try await session.wait() == 0)
            await session.close()
        }
    }

    @Test("closing a session kills what runs in it")
    func closing() async throws {
        try await withTask { lab, id in
            let session = try await lab.runtime.exec(id, ExecRequest(command: ["sleep", "1006"], stdin: true))
            await session.close()
            #expect(try await session.wait() == 137)
            #expect(try await session.nextOutput() == nil)
            await #expect(throws: RuntimeError.self) { try await session.write([1]) }
        }
    }

    @Test("port-forward reaches a server that listens in the pod's own network alone")
    func portForward() async throws {
        let server = """
            import socket
            s = socket.socket(); s.bind(('127.0.0.1', 7777)); s.listen(5); print('ready', flush=True)
            while True:
                c, _ = s.accept(); d = b''
                while True:
                    p = c.recv(65536)
                    if not p: break
                    d += p
                c.sendall(d[::-1]); c.close()
            """
        try await withTask("exec python3 -c \"\(server)\"", network: PodNetwork.none) { lab, id in
            let stream = try await lab.runtime.portForward(podUID: lab.podUID, port: 7777)
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 % 251) }
            try await stream.write(bytes)
            await stream.finishWriting()
            var received: [UInt8] = []
            while let piece = try await stream.read() { received += piece }
            #expect(received == Array(bytes.reversed()))
            await stream.close()
            await #expect(throws: RuntimeError.self) { _ = try await lab.runtime.portForward(podUID: lab.podUID, port: 7778) }
        }
    }
}
