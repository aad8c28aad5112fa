// The runtime contract: the agent dies, the machine restarts, and nothing is lost, started twice or told wrongly.

import RuntimeInterface
import Testing

@Suite("Contract: adoption")
struct ContractAdoptionTests {
    @Test(
        "adopt-nothing: a fresh machine has nothing to adopt, and adopting twice is no different", arguments: ContractRuntime.all)
    func adoptNothing(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            await stage.crash()
            let found = try await stage.recover()
            let again = try await stage.runtime.adopt()
            #expect(found.isEmpty && again.isEmpty)
        }
    }

    @Test(
        "adopt-running: what runs goes on, is the same process, and its end is told once with its code",
        arguments: ContractRuntime.all)
    func adoptRunning(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(7))
            let before = try #require(try await stage.runtime.status(id))
            await stage.crash()
            #expect(try await stage.recover() == [before])
            try await stage.runtime.startContainer(id)
            #expect(try await stage.runtime.status(id) == before)
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 7)
            #expect(stage.starts(id) == 1 && stage.events.count(id) == 1)
        }
    }

    @Test("adopt-ended: an end that nobody saw is known to the next agent, with its code", arguments: ContractRuntime.all)
    func adoptEnded(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let waiting = try await stage.begin(.waits(11), name: "waiting")
            let told = try await stage.start(.exits(3), name: "told")
            let exit = try await stage.exit(told)
            await stage.crash()
            try await stage.release(waiting)
            let found = try await stage.recover()
            #expect(Set(found.map(\.id)) == [waiting, told])
            #expect(found.first { $0.id == told }?.phase == .exited(exit))
            // It may end before the adoption or just after it: known or told, never neither.
            if try await stage.isRunning(waiting) { _ = await stage.events.wait(waiting) }
            #expect(try await stage.ended(waiting).exitCode == 11)
            #expect(stage.events.count(waiting) <= 1 && stage.starts(waiting) == 1)
        }
    }

    @Test(
        "adopt-created: what was created and never begun can be started by the next agent, once", arguments: ContractRuntime.all)
    func adoptCreated(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.create(.exits(6))
            await stage.crash()
            #expect(try await stage.recover().map(\.phase) == [.created])
            try await stage.runtime.startContainer(id)
            #expect(try await stage.exit(id).exitCode == 6)
            #expect(stage.starts(id) == 1)
        }
    }

    @Test("adopt-stop: an adopted container is stopped as one's own, with its grace", arguments: ContractRuntime.all)
    func adoptStop(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.obeysTerm(5))
            let stubborn = try await stage.begin(.ignoresTerm, name: "stubborn")
            await stage.crash()
            _ = try await stage.recover()
            try await stage.runtime.stopContainer(id, graceSeconds: 30)
            #expect(try await stage.ended(id).exitCode == 5)
            try await stage.remove(stage.pod)
            #expect(try await stage.runtime.status(stubborn) == nil)
            #expect(stage.remains(stage.pod) == [])
        }
    }

    @Test("adopt-again: agent after agent dies, and the container is the same", arguments: ContractRuntime.all)
    func adoptAgain(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(1))
            let before = try #require(try await stage.runtime.status(id))
            for _ in 0..<5 {
                await stage.crash()
                #expect(try await stage.recover() == [before])
            }
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 1)
            #expect(stage.starts(id) == 1)
        }
    }

    @Test(
        "reboot: what ran when the machine restarted is unknown, never running, and can be removed",
        arguments: ContractRuntime.all)
    func reboot(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let running = try await stage.begin(.waits(0), name: "running")
            let ended = try await stage.start(.exits(3), name: "ended")
            let exit = try await stage.exit(ended)
            let found = try await stage.reboot([running])
            let phase = found.first { $0.id == running }?.phase
            guard case .unknown = phase else {
                Issue.record("expected unknown, found \(String(describing: phase))")
                return
            }
            #expect(found.first { $0.id == ended }?.phase == .exited(exit))
            try await stage.runtime.startContainer(running)
            #expect(stage.starts(running) == 1)
            try await stage.remove(stage.pod)
            #expect(stage.remains(stage.pod) == [])
        }
    }
}
