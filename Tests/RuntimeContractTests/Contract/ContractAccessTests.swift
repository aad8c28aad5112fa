// The runtime contract: reaching into what runs, and what it costs.

import RuntimeInterface
import Testing

@Suite("Contract: access")
struct ContractAccessTests {
    @Test("exec-result: a command's code and both its outputs come back", arguments: ContractRuntime.withExec)
    func execResult(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(0))
            let command = stage.command(.prints(stdout: "out", stderr: "err", code: 4))
            let result = try await stage.runtime.execSync(id, command: command, timeoutSeconds: 30, maximumOutputBytes: 1024)
            #expect(result == ExecResult(exitCode: 4, stdout: Array("out".utf8), stderr: Array("err".utf8)))
            #expect(try await stage.isRunning(id))
            #expect(stage.starts(id) == 1 && stage.events.count(id) == 0)
        }
    }

    @Test("exec-bounds: output over the bound is cut, a command over its time is ended", arguments: ContractRuntime.withExec)
    func execBounds(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(0))
            let long = stage.command(.prints(stdout: String(repeating: "x", count: 5000), stderr: "", code: 0))
            let cut = try await stage.runtime.execSync(id, command: long, timeoutSeconds: 30, maximumOutputBytes: 100)
            #expect(cut.stdout.count == 100 && cut.exitCode == 0)
            let hung = try await stage.runtime.execSync(
                id, command: stage.command(.hangs), timeoutSeconds: 1, maximumOutputBytes: 100)
            #expect(hung.timedOut && hung.exitCode == 137)
            #expect(try await stage.isRunning(id))
        }
    }

    @Test(
        "exec-needs-running: there is no command in what has not begun, has ended or is unknown",
        arguments: ContractRuntime.withExec)
    func execNeedsRunning(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let created = try await stage.create(.exits(0), name: "created")
            let ended = try await stage.start(.exits(0), name: "ended")
            _ = try await stage.exit(ended)
            for id in [created, ended, ContainerID(podUID: "unknown", name: "x", attempt: 0)] {
                await #expect(throws: RuntimeError.self) {
                    _ = try await stage.runtime.execSync(
                        id, command: stage.command(.prints(stdout: "", stderr: "", code: 0)), timeoutSeconds: 5,
                        maximumOutputBytes: 10)
                }
            }
        }
    }

    @Test("stats: what runs has figures in one pass, what has not begun or has ended has none", arguments: ContractRuntime.all)
    func stats(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let running = [try await stage.begin(.waits(0), name: "a"), try await stage.begin(.ignoresTerm, name: "b")]
            _ = try await stage.create(.exits(0), name: "created")
            let ended = try await stage.start(.exits(0), name: "ended")
            _ = try await stage.exit(ended)
            let figures = try await stage.runtime.stats()
            #expect(Set(figures.keys) == Set(running))
        }
    }

    @Test(
        "log-reopen: a log may be reopened at any time without harm; of a container that nobody knows it is refused",
        arguments: ContractRuntime.all)
    func logReopen(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(3))
            let ended = try await stage.start(.exits(1), name: "ended")
            _ = try await stage.exit(ended)
            for id in [id, ended, id] { try await stage.runtime.reopenContainerLog(id) }
            #expect(try await stage.isRunning(id))
            await #expect {
                try await stage.runtime.reopenContainerLog(ContainerID(podUID: "unknown", name: "x", attempt: 0))
            } throws: { if case RuntimeError.notFound = $0 { true } else { false } }
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 3)
        }
    }
}
