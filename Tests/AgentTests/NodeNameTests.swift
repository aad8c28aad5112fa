// Two agents under one node name: of the same machine, with a state directory each.
import AgentCore
import KubernetesModel
import Logging
import RuntimeInterface
import Testing

@testable import Agent

@Suite("a node's name", .timeLimit(.minutes(1)))
struct NodeNameTests {
    /// Another agent of the lab's machine and server, with a state directory of its own.
    private func another(_ lab: AgentLab, _ runtime: FakeRuntime = FakeRuntime(now: AgentLab.now)) -> AgentService {
        let config = AgentConfig(
            nodeName: AgentLab.node, domain: "alice", stateDirectory: lab.directory + "/state-2",
            dataDirectory: lab.directory + "/data",
            nodeIP: "10.0.0.7")
        return AgentService(
            config: config,
            dependencies: AgentDependencies(
                api: lab.api, runtime: runtime, images: LocalImages(names: { [] }, isPresent: { _ in true }),
                facts: MachineFacts(
                    hostname: "machine", cpuMillis: 4000, memoryBytes: 8 << 30, machineID: "m-1", bootID: "b-1",
                    kernelVersion: "6.1",
                    osImage: "Debian", architecture: "amd64"),
                measure: { [machine = lab.machine] in machine.load }),
            logger: Logger(label: "second") { _ in SwiftLogNoOpLogHandler() })
    }

    private func node(_ lab: AgentLab) throws -> Node? { try lab.api.object(Node.self, name: AgentLab.node) }

    @Test("the second agent refuses to start, says why, and leaves the first's node and pods as they are")
    func refused() async throws {
        let lab = try AgentLab()
        lab.configure = { $0.heartbeat.leaseRenewSeconds = 1 }
        await lab.start()
        let before = try node(lab)?.metadata.annotations[NodeHolder.annotation]
        try lab.submit("task")
        try await lab.waitForPhase("task", .running)
        let theirs = FakeRuntime(now: AgentLab.now)
        let error = await #expect(throws: DuplicateNodeError.self) { try await another(lab, theirs).run() }
        #expect(theirs.machine.sandboxes.isEmpty)
        #expect(try lab.pod("task")?.status.phase == .running)
        #expect("\(error.map { "\($0)" } ?? "")".contains("another agent of this machine"))
        let after = try #require(try node(lab))
        #expect(before?.count == 32 && after.metadata.annotations[NodeHolder.annotation] == before && after.status.isReady)
        try await lab.stop()
    }

    @Test("a restarted agent has the name at once; after an orderly end another state directory does")
    func successors() async throws {
        let lab = try AgentLab()
        await lab.start()
        let first = try node(lab)?.metadata.annotations[NodeHolder.annotation]
        try await lab.restart()
        #expect(try node(lab)?.metadata.annotations[NodeHolder.annotation] == first)
        try await lab.stop()
        let second = another(lab)
        let running = Task { try await second.run() }
        await second.waitUntilRegistered()
        #expect(try node(lab)?.metadata.annotations[NodeHolder.annotation] != first && node(lab)?.status.isReady == true)
        second.shutDown()
        try await running.value
    }
}
