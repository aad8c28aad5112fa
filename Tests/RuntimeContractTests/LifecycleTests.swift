// From create to remove, and everything in between that may happen to a task or its supervisor.

import CLinux
import Glibc
import RunP
import RuntimeInterface
import Testing

@Suite("RunP life cycle", .enabled(if: Machine.canRun))
struct LifecycleTests {
    @Test("the task's exit code is reported as it is", arguments: [0, 1, 3, 128, 255])
    func exitCode(code: Int) async throws {
        try await withLab { lab in
            let exit = try await lab.run("exit \(code)").exit
            #expect(exit.exitCode == code)
            #expect(exit.signal == nil)
            #expect(exit.reason == (code == 0 ? "Completed" : "Error"))
            #expect(exit.startedAt > 0 && exit.finishedAt >= exit.startedAt)
            #expect(exit.usage.cpuNanoseconds > 0 && exit.usage.peakMemoryBytes > 0)
        }
    }

    @Test("a task that a signal ends is reported as 128 + signal", arguments: [6, 9, 11, 15])
    func signal(number: Int) async throws {
        try await withLab { lab in
            let exit = try await lab.run("kill -\(number) $$; sleep 9").exit
            #expect(exit.exitCode == 128 + number)
            #expect(exit.signal == number)
            #expect(!exit.oomKilled)
        }
    }

    @Test("every verb may be repeated")
    func idempotence() async throws {
        try await withLab { lab in
            try await lab.runtime.runPodSandbox(lab.sandboxConfig())
            let config = lab.config("exit 4")
            let id = try await lab.start(config)
            #expect(try await lab.runtime.createContainer(podUID: lab.podUID, config: config) == id)
            try await lab.runtime.startContainer(id)
            #expect(try await lab.exit(id).exitCode == 4)
            try await lab.runtime.startContainer(id)
            try await lab.runtime.stopContainer(id, graceSeconds: 1)
            #expect(lab.events.count(id) == 1)
            try await lab.runtime.removeContainer(id)
            try await lab.runtime.removeContainer(id)
            #expect(try await lab.runtime.status(id) == nil)
        }
    }

    @Test(
        "what cannot start ends as StartError with the stage",
        arguments: [
            ("missing program", "exec(/no/such/program)"), ("missing mount", "mount(bind /no/such/source)"),
            ("missing directory", "cwd(/usr/no/such)"),
        ])
    func startError(name: String, stage: String) async throws {
        try await withLab { lab in
            let config = lab.config("true") { config in
                switch name {
                case "missing program": config.command = ["/no/such/program"]
                case "missing mount":
                    config.mounts = [ContainerMount(hostPath: "/no/such/source", containerPath: "/data", readOnly: true)]
                default: config.workingDirectory = "/usr/no/such"
                }
            }
            let exit = try await lab.exit(try await lab.start(config))
            #expect(exit.exitCode == 128)
            #expect(exit.reason == "StartError")
            #expect(exit.message == "\(stage): No such file or directory")
        }
    }

    @Test("a request that cannot be carried out is refused before anything is made")
    func refusals() async throws {
        try await withLab { lab in
            await #expect(throws: RuntimeError.imageNotPresent("nothing")) {
                _ = try await lab.runtime.createContainer(podUID: lab.podUID, config: lab.config("true") { $0.image = "nothing" })
            }
            await #expect(throws: RuntimeError.self) {
                _ = try await lab.runtime.createContainer(podUID: lab.podUID, config: lab.config("true", name: "../x"))
            }
            await #expect(throws: RuntimeError.self) {
                _ = try await lab.runtime.createContainer(
                    podUID: lab.podUID, config: lab.config("true") { $0.seccompProfile = "Localhost/none" })
            }
            let listed = try await lab.runtime.list()
            #expect(listed == [])
        }
    }

    @Test(
        "a log that cannot be made costs the lines, not the task, and the record says how much; it is made as soon as it can be")
    func logInTheWay() async throws {
        try await withLab { lab in
            let blocked = "\(lab.directory)/blocked"
            func block() throws {
                let descriptor = clinux_open(blocked, O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
                try #require(descriptor >= 0)
                close(descriptor)
            }
            try block()
            let lost = try await lab.run("echo lost; exit 4", name: "lost") { $0.logPath = blocked + "/main/0.log" }
            #expect(lost.exit.exitCode == 4 && lost.output.isEmpty)
            #expect(lost.exit.message?.contains("bytes of output could not be logged") == true, "\(lost.exit)")
            let config = lab.config("while [ ! -e /tmp/go ]; do echo more; sleep 0.02; done; echo last") {
                $0.logPath = blocked + "/main/0.log"
            }
            let id = try await lab.start(config)
            unlink(blocked)
            #expect(lab.waitForLine("more", in: config.logPath))
            let go = clinux_open("\(lab.directory)/runp/pods/\(id.podUID)/main_0/tmp/go", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
            try #require(go >= 0)
            close(go)
            #expect(try await lab.exit(id).exitCode == 0)
            #expect(lab.lines(config.logPath).last == "last")
            for (path, mode) in [(blocked, 0o755), (blocked + "/main", 0o755), (config.logPath, 0o640)] as [(String, mode_t)] {
                var facts = stat()
                #expect(stat(path, &facts) == 0 && facts.st_mode & 0o777 == mode, "\(path)")
            }
        }
    }

    @Test("stop sends SIGTERM and gives the task time to end by itself")
    func stopWithGrace() async throws {
        try await withLab { lab in
            let config = lab.config("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            try await lab.runtime.stopContainer(id, graceSeconds: 20)
            let exit = try await lab.exit(id)
            #expect(exit.exitCode == 5)
            #expect(lab.lines(config.logPath) == ["ready", "bye"])
        }
    }

    @Test("a task that ignores SIGTERM is killed after its grace with all its descendants, daemons too")
    func killTree() async throws {
        try await withLab { lab in
            // A double fork with a session of its own, ignoring SIGTERM, that would write for ever.
            let script = """
                trap '' TERM
                (trap '' TERM; setsid sh -c 'trap "" TERM; echo daemon; while :; do echo x >> /tmp/alive; sleep 0.05; done' &)
                sleep 600 & while :; do sleep 0.1; done
                """
            let config = lab.config(script)
            let id = try await lab.start(config)
            #expect(lab.waitForLine("daemon", in: config.logPath))
            let group = Machine.cgroups.group("\(lab.parent)/\(lab.podUID)/main_0")
            #expect(group.processes().count >= 4)
            try await lab.runtime.stopContainer(id, graceSeconds: 1)
            let exit = try await lab.exit(id)
            #expect(exit.exitCode == 137 && exit.signal == 9)
            #expect(group.processes() == [])
        }
    }

    @Test("what a task leaves running ends with it")
    func orphansEnd() async throws {
        try await withLab { lab in
            let config = lab.config("setsid sleep 600 & sleep 0.1; exit 0")
            let id = try await lab.start(config)
            #expect(try await lab.exit(id).exitCode == 0)
            #expect(Machine.cgroups.group("\(lab.parent)/\(lab.podUID)/main_0").processes() == [])
        }
    }

    @Test("orphans are reaped: a task can make and lose more processes than its limit")
    func zombies() async throws {
        try await withLab { lab in
            let script =
                "i=0; while [ $i -lt 200 ]; do (setsid true &) ; i=$((i+1)); done; echo done; cat /proc/*/status | grep -c 'State:.Z'"
            let result = try await lab.run(script) { $0.limits.pids = 40 }
            #expect(result.exit.exitCode <= 1)
            #expect(result.output.contains("done"))
        }
    }

    @Test("the agent's death does not touch the task; the next agent adopts it and learns its end once")
    func adoption() async throws {
        try await withLab { lab in
            let config = lab.config("echo ready; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 7")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            let second = try Lab.makeRuntime(lab.configuration)
            let events = Events()
            await second.onEvent { events.add($0) }
            let found = try await second.adopt()
            #expect(found.map(\.id) == [id])
            guard case .running(let pid, _) = found.first?.phase else {
                Issue.record("expected a running task, found \(found)")
                return
            }
            #expect(kill(pid, 0) == 0)
            close(clinux_open("\(lab.directory)/runp/pods/\(lab.podUID)/main_0/tmp/go", O_CREAT | O_WRONLY, 0o644))
            #expect(await events.wait(id))
            guard case .exited(let exit) = try await second.status(id)?.phase else {
                Issue.record("expected an exit")
                return
            }
            #expect(exit.exitCode == 7)
            #expect(events.count(id) == 1)
            // A third agent that comes after the end reads it from the record.
            let third = try Lab.makeRuntime(lab.configuration)
            #expect(try await third.adopt().first?.phase == .exited(exit))
            _ = try await lab.exit(id)
        }
    }

    @Test("a supervisor that is killed takes its task with it, and the loss is said")
    func supervisorLost() async throws {
        try await withLab { lab in
            let config = lab.config("echo ready; sleep 600")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            let lock = Lab.text("\(lab.directory)/runp/pods/\(lab.podUID)/main_0/supervisor.lock")
            let supervisor = try #require(lock.split(separator: " ").first.flatMap { Int32($0) })
            #expect(kill(supervisor, SIGKILL) == 0)
            let exit = try await lab.exit(id)
            #expect(exit.exitCode == 137)
            #expect(exit.reason == "SupervisorLost")
            #expect(Machine.cgroups.group("\(lab.parent)/\(lab.podUID)/main_0").processes() == [])
            // The verdict is kept: the next agent says the same.
            let second = try Lab.makeRuntime(lab.configuration)
            #expect(try await second.adopt().first?.phase == .exited(exit))
        }
    }

    @Test("a record of another boot is not mistaken for a running task")
    func otherBoot() async throws {
        try await withLab { lab in
            let config = lab.config("sleep 600")
            let id = try await lab.start(config)
            let path = "\(lab.directory)/runp/pods/\(lab.podUID)/main_0/state.json"
            let record = Lab.text(path)
            let boot = try #require(record.firstRange(of: "\"bootId\":\"").map { record[$0.upperBound...].prefix(36) })
            let changed = record.replacing(boot, with: "00000000-0000-0000-0000-000000000000")
            try overwrite(path, changed)
            let second = try Lab.makeRuntime(lab.configuration)
            let phase = try await second.adopt().first?.phase
            #expect(phase == .unknown(reason: "the machine was restarted while it ran"))
            try overwrite(path, record)
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
        }
    }

    @Test(
        "a damaged record costs what it said, not the task: it is adopted at once and its end is known",
        arguments: ["state.json", "config.json"])
    func damagedRecord(name: String) async throws {
        try await withLab { lab in
            let config = lab.config("echo ready; while [ ! -e /tmp/go ]; do sleep 0.02; done; exit 7")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            let directory = "\(lab.directory)/runp/pods/\(lab.podUID)/main_0"
            let record = Lab.text("\(directory)/\(name)")
            try overwrite("\(directory)/\(name)", String(record.prefix(record.count / 2)))
            let heard = HeardLog()
            let second = try Lab.makeRuntime(lab.configuration, logger: heard.logger)
            let events = Events()
            await second.onEvent { events.add($0) }
            let begun = ContinuousClock.now
            guard case .running(let pid, _) = try await second.adopt().first?.phase else {
                Issue.record("expected a running task")
                return
            }
            #expect(ContinuousClock.now - begun < .seconds(5), "a damaged record held up the node")
            #expect(heard.values("path", of: "record cannot be read") == ["\(directory)/\(name)"])
            #expect(pid > 0 && kill(pid, 0) == 0)
            close(clinux_open("\(directory)/tmp/go", O_CREAT | O_WRONLY, 0o644))
            #expect(await events.wait(id))
            guard case .exited(let exit) = try await second.status(id)?.phase else {
                Issue.record("expected an exit")
                return
            }
            #expect(exit.exitCode == 7)
            _ = try await lab.exit(id)
        }
    }

    @Test("cgroups that no record knows are removed at adoption")
    func orphanedCgroups() async throws {
        try await withLab { lab in
            let orphan = Machine.cgroups.group("\(lab.parent)/nobody_main_0")
            try orphan.create(limits: .init(pids: 10))
            _ = try await lab.runtime.adopt()
            #expect(!orphan.exists)
        }
    }

    private func overwrite(_ path: String, _ text: String) throws {
        let descriptor = clinux_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
    }
}
