// The runtime contract: how containers end, by themselves and when they are told to, and what is said of it.

import RuntimeInterface
import Testing

@Suite("Contract: end")
struct ContractEndTests {
    @Test("exit-code: what the program returned is what is said", arguments: ContractRuntime.all, [0, 1, 3, 128, 255])
    func exitCode(_ contract: ContractRuntime, code: Int) async throws {
        try await contract.perform { stage in
            let id = try await stage.start(.exits(code))
            let exit = try await stage.exit(id)
            #expect(exit.exitCode == code && exit.signal == nil && !exit.oomKilled)
            #expect(exit.reason == (code == 0 ? "Completed" : "Error"))
            #expect(exit.startedAt > 0 && exit.finishedAt >= exit.startedAt)
        }
    }

    @Test("exit-signal: a program that a signal ended is 128 + signal", arguments: ContractRuntime.all, [6, 9, 15])
    func exitSignal(_ contract: ContractRuntime, signal: Int) async throws {
        try await contract.perform { stage in
            let exit = try await stage.exit(try await stage.start(.dies(signal: signal)))
            #expect(exit.exitCode == 128 + signal && exit.signal == signal && exit.reason == "Error" && !exit.oomKilled)
        }
    }

    @Test("signal-others: what a program sends to everybody but itself does not come back to it", arguments: ContractRuntime.all)
    func signalOthers(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let exit = try await stage.exit(try await stage.start(.signalsOthers(7)))
            #expect(exit.exitCode == 7 && exit.signal == nil, "\(exit)")
        }
    }

    @Test("oom-137: over its memory limit a container is OOMKilled, 137", arguments: ContractRuntime.all)
    func outOfMemory(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let exit = try await stage.exit(try await stage.start(.eatsMemory))
            #expect(exit.exitCode == 137 && exit.oomKilled && exit.reason == "OOMKilled", "\(exit)")
        }
    }

    @Test("event-once: an end is told once, and whoever is told can read it at once", arguments: ContractRuntime.all)
    func eventOnce(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let ids = try await withThrowingTaskGroup(of: ContainerID.self) { group in
                for number in 0..<6 { group.addTask { try await stage.start(.exits(number), name: "c\(number)") } }
                return try await group.reduce(into: [ContainerID]()) { $0.append($1) }
            }
            for id in ids {
                let exit = try await stage.exit(id)
                #expect("c\(exit.exitCode)" == id.name, "\(exit)")
            }
            for id in ids {
                try await stage.runtime.stopContainer(id, graceSeconds: 0)
                #expect(stage.events.count(id) == 1)
            }
        }
    }

    @Test("stop-grace: a program that obeys ends by itself, with its own code", arguments: ContractRuntime.all)
    func stopGrace(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.obeysTerm(5))
            try await stage.runtime.stopContainer(id, graceSeconds: 30)
            // Returned only when it ended.
            let exit = try await stage.ended(id)
            #expect(exit.exitCode == 5 && exit.signal == nil)
            #expect(try await stage.exit(id) == exit)
        }
    }

    @Test("stop-kill: one that ignores SIGTERM is killed after its grace, 137", arguments: ContractRuntime.all)
    func stopKill(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.ignoresTerm)
            async let stopped: Void = stage.runtime.stopContainer(id, graceSeconds: 1)
            await stage.graceElapses(id)
            try await stopped
            let exit = try await stage.ended(id)
            #expect(exit.exitCode == 137 && exit.signal == 9 && !exit.oomKilled)
        }
    }

    @Test("stop-now: a grace of 0 kills at once, also when a longer one is running", arguments: ContractRuntime.all)
    func stopNow(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.ignoresTerm)
            let began = ContinuousClock.now
            async let patient: Void = stage.runtime.stopContainer(id, graceSeconds: 120)
            try await Task.sleep(for: .milliseconds(200))  // either order must end it; this one is the harder
            try await stage.runtime.stopContainer(id, graceSeconds: 0)
            #expect(try await stage.ended(id).exitCode == 137)
            try await patient
            #expect(began.duration(to: .now) < .seconds(110), "not only when the longer one was over")
            // Told after it can be read, so it is waited for.
            _ = try await stage.exit(id)
            #expect(stage.events.count(id) == 1)
        }
    }

    @Test("stop-again: stopping what never began, has ended or is unknown does nothing", arguments: ContractRuntime.all)
    func stopAgain(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let ended = try await stage.start(.exits(7), name: "ended")
            let exit = try await stage.exit(ended)
            let created = try await stage.create(.exits(0), name: "created")
            for id in [ended, created, ContainerID(podUID: "unknown", name: "x", attempt: 0)] {
                try await stage.runtime.stopContainer(id, graceSeconds: 1)
            }
            #expect(try await stage.ended(ended) == exit)
            #expect(try await stage.runtime.status(created)?.phase == .created)
            try await stage.runtime.stopPodSandbox(podUID: "unknown")
        }
    }

    @Test("stop-pod: a pod's containers end together, another pod's go on; their ends stay known", arguments: ContractRuntime.all)
    func stopPod(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let mine = [try await stage.begin(.ignoresTerm, name: "a"), try await stage.begin(.waits(0), name: "b")]
            let other = try await stage.begin(.waits(9), podUID: "99999999-other")
            try await stage.runtime.stopPodSandbox(podUID: stage.pod)
            try await stage.runtime.stopPodSandbox(podUID: stage.pod)
            for id in mine { #expect(try await stage.ended(id).exitCode == 137) }
            #expect(try await stage.isRunning(other))
            try await stage.release(other)
            #expect(try await stage.exit(other).exitCode == 9)
        }
    }

    @Test("usage: of what runs, of what ended, and refused for what nobody knows", arguments: ContractRuntime.all)
    func usage(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(0))
            let running = try await stage.runtime.usage(id)
            try await stage.release(id)
            let exit = try await stage.exit(id)
            #expect(try await stage.runtime.usage(id) == exit.usage)
            #expect(exit.usage.cpuNanoseconds >= running.cpuNanoseconds)
            await #expect {
                _ = try await stage.runtime.usage(ContainerID(podUID: "unknown", name: "x", attempt: 0))
            } throws: { if case RuntimeError.notFound = $0 { true } else { false } }
        }
    }
}
