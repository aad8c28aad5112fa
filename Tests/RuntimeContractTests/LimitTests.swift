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

    @Test(
        "of the processors that are contended each pod, and in it each container, has its part by what it asked for; who asked for nothing the least"
    )
    func shares() async throws {
        guard let cpu = Machine.cgroups.hierarchies[.cpu] else { return }
        try await withLab { lab in
            let file = cpu.version == 2 ? "cpu.weight" : "cpu.shares"
            for (uid, millis, expected) in [
                ("asks", 250, cpu.version == 2 ? "10" : "256"), ("none", nil, cpu.version == 2 ? "1" : "2"),
            ]
                as [(String, Int64?, String)]
            {
                var sandbox = lab.sandboxConfig(podUID: uid)
                sandbox.limits.cpuRequestMillis = millis
                try await lab.runtime.runPodSandbox(sandbox)
                let config = lab.config("sleep 60", name: "c") { $0.limits.cpuRequestMillis = millis }
                let id = try await lab.runtime.createContainer(podUID: uid, config: config)
                try await lab.runtime.startContainer(id)
                for group in [uid, "\(uid)/c_0"] {
                    let text = Lab.text("\(cpu.path)/\(lab.parent)/\(group)/\(file)")
                    #expect(text.split(separator: "\n").first.map(String.init) == expected, "\(group)")
                }
                // Of a pod that an older agent made, what it asks for is not known: not less than its container does.
                if millis == nil {
                    let other = lab.config("sleep 60", name: "d") { $0.limits.cpuRequestMillis = 250 }
                    let id = try await lab.runtime.createContainer(podUID: uid, config: other)
                    try await lab.runtime.startContainer(id)
                    let text = Lab.text("\(cpu.path)/\(lab.parent)/\(uid)/\(file)")
                    #expect(text.split(separator: "\n").first == (cpu.version == 2 ? "10" : "256"))
                }
                try await lab.runtime.stopPodSandbox(podUID: uid)
                try await lab.runtime.removePodSandbox(podUID: uid)
            }
        }
    }

    @Test("what a pod's only container holds its pod's group need not hold too, until an ephemeral container comes")
    func soleContainer() async throws {
        guard let memory = Machine.cgroups.hierarchies[.memory], let pids = Machine.cgroups.hierarchies[.pids] else { return }
        try await withLab { lab in
            let file = memory.version == 2 ? "memory.max" : "memory.limit_in_bytes"
            func limits(_ group: String) -> [Int64?] {
                ["\(memory.path)/\(lab.parent)/\(group)/\(file)", "\(pids.path)/\(lab.parent)/\(group)/pids.max"].map {
                    // v1 tells of no limit as of almost 2^63 bytes.
                    Int64(Lab.text($0).prefix { $0 != "\n" }).flatMap { $0 < 1 << 60 ? $0 : nil }
                }
            }
            var sandbox = lab.sandboxConfig(podUID: "one")
            sandbox.soleContainer = "c"
            (sandbox.limits.memoryBytes, sandbox.limits.pids) = (64 << 20, 50)
            try await lab.runtime.runPodSandbox(sandbox)
            // Its own limit of processes is looser than the pod's, so the pod's group keeps that one.
            let sole = lab.config("sleep 60", name: "c") { ($0.limits.memoryBytes, $0.limits.pids) = (64 << 20, 60) }
            try await lab.runtime.startContainer(try await lab.runtime.createContainer(podUID: "one", config: sole))
            #expect(limits("one/c_0") == [64 << 20, 60])
            #expect(limits("one") == [nil, 50])
            let debugger = lab.config("sleep 60", name: "debugger")
            try await lab.runtime.startContainer(try await lab.runtime.createContainer(podUID: "one", config: debugger))
            #expect(limits("one") == [64 << 20, 50])
            try await lab.runtime.stopPodSandbox(podUID: "one")
            try await lab.runtime.removePodSandbox(podUID: "one")
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

    @Test(
        "a flood of output costs at most the log files that are kept, each of the limit, the newest of all", arguments: [1, 2, 4])
    func output(_ files: Int) async throws {
        try await withLab { lab in
            let config = lab.config("yes 0123456789012345678901234567890123456789 | head -c 20000000; echo end") {
                $0.limits.logBytes = 1 << 20
                $0.limits.logFiles = Int64(files)
            }
            let exit = try await lab.exit(try await lab.start(config))
            #expect(exit.exitCode == 0)
            let found = lab.logFiles(config.logPath)
            #expect(found.count == files && found.allSatisfy { $0.bytes <= 1 << 20 })
            // Numbers are never given twice: those of the newest follow each other.
            let numbers = found.compactMap { Int($0.name.split(separator: ".").last ?? "") }.sorted()
            #expect(numbers.last.map { numbers.first == $0 - files + 2 } ?? (files == 1))
            #expect(lab.lines(config.logPath).last?.hasSuffix("end") == true)
        }
    }

    @Test(
        "a log file that was moved away is followed by a new one at its path once the runtime is asked to reopen it, and no line is lost"
    )
    func reopened() async throws {
        try await withLab { lab in
            let config = lab.config("i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.005; done")
            let id = try await lab.start(config)
            #expect(lab.waitForLine("50", in: config.logPath))
            #expect(rename(config.logPath, config.logPath + ".moved") == 0)
            try await lab.runtime.reopenContainerLog(id)
            #expect(try await lab.exit(id).exitCode == 0)
            let (older, newer) = (lab.lines(config.logPath + ".moved"), lab.lines(config.logPath))
            #expect(older.count >= 50 && !newer.isEmpty)
            #expect(older + newer == (0..<400).map(String.init))
            // A container that ended has nothing to reopen.
            try await lab.runtime.reopenContainerLog(id)
        }
    }

    @Test("a log file whose first line is older than the limit is rotated: by the next line, or when asked")
    func rotatedByAge() async throws {
        try await withLab { lab in
            let config = lab.config("echo one; sleep 1.2; echo two; sleep 600") { $0.limits.logAgeSeconds = 1 }
            let id = try await lab.start(config)
            #expect(lab.waitForLine("two", in: config.logPath))
            #expect(lab.lines(config.logPath + ".1") == ["one"] && lab.lines(config.logPath) == ["two"])
            for _ in 0..<3000 where lab.lines(config.logPath + ".2").isEmpty {
                try await lab.runtime.reopenContainerLog(id)
                usleep(10_000)
            }
            #expect(lab.lines(config.logPath + ".2") == ["two"] && lab.lines(config.logPath).isEmpty)
            // Two are kept.
            #expect(lab.logFiles(config.logPath).count == 2)
            try await lab.runtime.stopContainer(id, graceSeconds: 0)
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
