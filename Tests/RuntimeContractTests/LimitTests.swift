// Limits hold: memory, processes, CPU, output.

import Glibc
import RuntimeInterface
import Testing

@Suite("RunP limits", .enabled(if: Machine.canRun))
struct LimitTests {
    @Test("a task over its memory limit is killed and reported as OOMKilled, with the limit")
    func memory() async throws {
        try await withLab { lab in
            let result = try await lab.run("x=$(head -c 200m /dev/zero | tr '\\0' a)") { $0.limits.memoryBytes = 32 << 20 }
            #expect(result.exit.exitCode == 137)
            #expect(result.exit.oomKilled)
            #expect(result.exit.reason == "OOMKilled")
            #expect(result.exit.message?.contains("memory limit of 33554432 bytes") == true)
            #expect(result.exit.usage.peakMemoryBytes > 30 << 20)
        }
    }

    @Test("memory of tmpfs and shared memory counts too")
    func sharedMemory() async throws {
        try await withLab { lab in
            let result = try await lab.run("head -c 60m /dev/zero > /dev/shm/x") { $0.limits.memoryBytes = 32 << 20 }
            #expect(result.exit.oomKilled)
        }
    }

    @Test("a kill from outside is not taken for an OOM kill")
    func notOOM() async throws {
        try await withLab { lab in
            let exit = try await lab.run("kill -9 $$") { $0.limits.memoryBytes = 64 << 20 }.exit
            #expect(exit.exitCode == 137 && !exit.oomKilled && exit.reason == "Error")
        }
    }

    @Test("a fork bomb stops at the limit of processes, and one is set even when the pod names none")
    func processes() async throws {
        try await withLab { lab in
            let bomb = "i=0; while [ $i -lt 600 ]; do sleep 30 & i=$((i+1)); done"
            let named = try await lab.run(bomb, name: "named") { $0.limits.pids = 30 }
            #expect(named.exit.exitCode != 0)
            #expect(named.exit.message?.contains("limit of processes") == true)
            let unnamed = try await lab.run(bomb, name: "unnamed")
            #expect(unnamed.exit.exitCode != 0)
        }
    }

    @Test("CPU time stays within the quota")
    func cpu() async throws {
        try await withLab { lab in
            let exit = try await lab.run("timeout 2 sh -c 'while :; do :; done' & timeout 2 sh -c 'while :; do :; done'; wait") {
                $0.limits.cpuMillis = 200
            }.exit
            let wall = exit.finishedAt - exit.startedAt
            // Ten per cent, and one period of 100 ms in which a fresh group may spend its quota at once.
            #expect(Double(exit.usage.cpuNanoseconds) <= Double(wall) * 0.2 * 1.1 + 20_000_000)
            // Two busy loops want ten times the quota: far less than a third of it would mean that nothing was measured.
            #expect(Double(exit.usage.cpuNanoseconds) >= Double(wall) * 0.2 * 0.3)
        }
    }

    @Test("a flood of output costs at most two log files of the limit")
    func output() async throws {
        try await withLab { lab in
            let config = lab.config("yes 0123456789012345678901234567890123456789 | head -c 20000000; echo end") {
                $0.limits.logBytes = 1 << 20
            }
            let exit = try await lab.exit(try await lab.start(config))
            #expect(exit.exitCode == 0)
            var info = stat()
            #expect(stat(config.logPath, &info) == 0 && info.st_size <= 1 << 20)
            #expect(stat(config.logPath + ".1", &info) == 0 && info.st_size <= 1 << 20)
            #expect(lab.lines(config.logPath).last?.hasSuffix("end") == true)
        }
    }

    @Test("a private /tmp of a given size is full when it is full")
    func temporary() async throws {
        try await withLab { lab in
            let result = try await lab.run("head -c 3m /dev/zero > /tmp/x 2>/dev/null || echo full; stat -c %s /tmp/x") {
                $0.limits.tmpBytes = 1 << 20
            }
            #expect(result.output == ["full", "1048576"])
        }
    }

    @Test("usage of a running task can be read")
    func usage() async throws {
        try await withLab { lab in
            let config = lab.config("echo ready; sleep 600")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("ready", in: config.logPath))
            let usage = try await lab.runtime.usage(id)
            #expect(usage.currentMemoryBytes > 0 && usage.cpuNanoseconds > 0)
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
        }
    }
}
