// The runtime contract: what is removed is gone, and nothing runs on behind its record.

import RuntimeInterface
import Testing

@Suite("Contract: removal")
struct ContractRemovalTests {
    @Test("remove-running: removing a container ends it first", arguments: ContractRuntime.all)
    func removeRunning(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.ignoresTerm)
            try await stage.runtime.removeContainer(id)
            #expect(try await stage.runtime.status(id) == nil)
            #expect(try await stage.runtime.list().isEmpty)
            #expect(stage.remains(stage.pod).allSatisfy { !$0.hasPrefix("process") }, "\(stage.remains(stage.pod))")
        }
    }

    @Test("remove-again: removing again, or what never was, does nothing", arguments: ContractRuntime.all)
    func removeAgain(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.start(.exits(0))
            _ = try await stage.exit(id)
            for _ in 0..<2 { try await stage.runtime.removeContainer(id) }
            try await stage.runtime.removeContainer(ContainerID(podUID: "unknown", name: "x", attempt: 0))
            #expect(try await stage.runtime.status(id) == nil)
        }
    }

    @Test("remove-refuses: a sandbox in which something runs stays, whole", arguments: ContractRuntime.all)
    func removeRefuses(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(2))
            await #expect(throws: RuntimeError.self) { try await stage.runtime.removePodSandbox(podUID: stage.pod) }
            #expect(try await stage.isRunning(id))
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 2)
        }
    }

    @Test("remove-all: of a removed pod nothing is left on the machine", arguments: ContractRuntime.all)
    func removeAll(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            _ = try await stage.begin(.ignoresTerm, name: "a")
            _ = try await stage.exit(try await stage.start(.exits(1), name: "b"))
            _ = try await stage.exit(try await stage.start(.missing, name: "c"))
            _ = try await stage.create(.exits(0), name: "d")
            #expect(!stage.remains(stage.pod).isEmpty)
            for _ in 0..<2 { try await stage.remove(stage.pod) }
            #expect(stage.remains(stage.pod) == [])
            #expect(try await stage.runtime.list().isEmpty)
        }
    }

    @Test("remove-new: after its removal a pod of the same uid begins anew", arguments: ContractRuntime.all)
    func removeNew(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let first = try await stage.start(.exits(1))
            _ = try await stage.exit(first)
            try await stage.remove(stage.pod)
            let again = try await stage.create(.exits(1))
            #expect(try await stage.runtime.status(again)?.phase == .created)
        }
    }
}
