// The runtime contract: pods and containers come to be, once.

import Glibc
import RuntimeInterface
import Testing

@Suite("Contract: start")
struct ContractStartTests {
    @Test("sandbox-again: making a pod's sandbox again changes nothing", arguments: ContractRuntime.all)
    func sandboxAgain(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.begin(.waits(0))
            try await stage.runtime.runPodSandbox(stage.sandbox(stage.pod))
            #expect(try await stage.isRunning(id))
            #expect(stage.starts(id) == 1)
        }
    }

    @Test("create-needs-sandbox: a container of an unknown pod is refused as not found", arguments: ContractRuntime.all)
    func createNeedsSandbox(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            await #expect {
                _ = try await stage.runtime.createContainer(
                    podUID: "unknown", config: stage.container(.exits(0), name: "main", attempt: 0))
            } throws: { if case RuntimeError.notFound = $0 { true } else { false } }
        }
    }

    @Test("create-refuses: an image that is not there is named, and nothing is made", arguments: ContractRuntime.all)
    func createRefuses(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            try await stage.runtime.runPodSandbox(stage.sandbox(stage.pod))
            var config = stage.container(.exits(0), name: "main", attempt: 0)
            config.image = stage.missingImage
            await #expect(throws: RuntimeError.imageNotPresent(stage.missingImage)) {
                _ = try await stage.runtime.createContainer(podUID: stage.pod, config: config)
            }
            #expect(try await stage.runtime.list().isEmpty)
        }
    }

    @Test("create-again: creating again gives the same container, which has not begun", arguments: ContractRuntime.all)
    func createAgain(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.create(.exits(3))
            #expect(try await stage.create(.exits(3)) == id)
            #expect(id == ContainerID(podUID: stage.pod, name: "main", attempt: 0))
            let report = try #require(try await stage.runtime.status(id))
            #expect(report.phase == .created)
            #expect(report.logPath == stage.container(.exits(3), name: "main", attempt: 0).logPath)
            #expect(stage.starts(id) == 0 && stage.events.count(id) == 0)
        }
    }

    @Test("start-unknown: what was never created cannot be started", arguments: ContractRuntime.all)
    func startUnknown(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            try await stage.runtime.runPodSandbox(stage.sandbox(stage.pod))
            await #expect {
                try await stage.runtime.startContainer(ContainerID(podUID: stage.pod, name: "none", attempt: 0))
            } throws: { if case RuntimeError.notFound = $0 { true } else { false } }
        }
    }

    @Test("start-once: starting again, also at once from several sides, begins the program once", arguments: ContractRuntime.all)
    func startOnce(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.create(.waits(4))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { try await stage.runtime.startContainer(id) } }
                try await group.waitForAll()
            }
            #expect(try await stage.isRunning(id))
            try await stage.runtime.startContainer(id)
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 4)
            #expect(stage.starts(id) == 1)
        }
    }

    @Test("start-ended: a container that ended is not started again", arguments: ContractRuntime.all)
    func startEnded(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.start(.exits(3))
            let exit = try await stage.exit(id)
            try await stage.runtime.startContainer(id)
            #expect(try await stage.ended(id) == exit)
            #expect(stage.starts(id) == 1 && stage.events.count(id) == 1)
        }
    }

    @Test(
        "start-error: a program that is not there ends the container as StartError, 128, with the stage",
        arguments: ContractRuntime.all)
    func startError(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.start(.missing)
            // Already when start returns: nobody has to wait for news to know.
            let exit = try await stage.ended(id)
            #expect(exit.exitCode == 128 && exit.reason == "StartError" && !exit.oomKilled)
            #expect(exit.message?.contains("exec(/no/such/program)") == true, "\(exit)")
            #expect(stage.starts(id) == 0)
        }
    }

    @Test("attempts: two attempts of a container are two containers with two logs", arguments: ContractRuntime.all)
    func attempts(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let first = try await stage.start(.exits(1))
            #expect(try await stage.exit(first).exitCode == 1)
            let second = try await stage.start(.exits(1), attempt: 1)
            #expect(try await stage.exit(second).exitCode == 1)
            let reports = try await stage.runtime.list()
            #expect(Set(reports.map(\.id)) == [first, second] && Set(reports.map(\.logPath)).count == 2)
            #expect(stage.starts(first) == 1 && stage.starts(second) == 1)
        }
    }

    @Test("log-late: a container that says nothing has no log; its first line makes it", arguments: ContractRuntime.all)
    func logLate(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            for (program, name) in [(ContractProgram.silent(3), "silent"), (.exits(3), "speaks")] {
                let id = try await stage.start(program, name: name)
                #expect(try await stage.exit(id).exitCode == 3)
                let path = try #require(try await stage.runtime.status(id)).logPath
                #expect((access(path, F_OK) == 0) == (stage.hasLogs && name == "speaks"), "\(id)")
            }
        }
    }

    @Test("log-moved: a log that was moved away begins anew at its path, when asked", arguments: ContractRuntime.all)
    func logMoved(_ contract: ContractRuntime) async throws {
        try await contract.perform { stage in
            let id = try await stage.start(.waits(0))
            try await stage.waitUntilBegun(id)
            let path = try #require(try await stage.runtime.status(id)).logPath
            // A runtime without processes writes none.
            let isMoved = rename(path, path + ".moved") == 0
            try await stage.runtime.reopenContainerLog(id)
            for _ in 0..<6000 where isMoved && access(path, F_OK) != 0 { usleep(5000) }
            #expect(!isMoved || access(path, F_OK) == 0)
            try await stage.runtime.reopenContainerLog(id)
            try await stage.release(id)
            #expect(try await stage.exit(id).exitCode == 0)
            try await stage.runtime.reopenContainerLog(id)
            let unknown = ContainerID(podUID: id.podUID, name: "unknown", attempt: 0)
            await #expect(throws: RuntimeError.self) { try await stage.runtime.reopenContainerLog(unknown) }
        }
    }
}
