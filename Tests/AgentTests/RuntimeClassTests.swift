// A class object's handler decides which runtime runs a pod; a node's reports come together where they can.
import Glibc
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

@Suite("RuntimeClasses and reports of a node", .timeLimit(.minutes(1)))
struct RuntimeClassTests {
    @Test("a RuntimeClass stands for its handler; one that nobody declared, or whose handler the node has not, is refused")
    func classes() async throws {
        let lab = try AgentLab()
        await lab.start()
        try lab.api.put(RuntimeClass(metadata: ObjectMeta(name: "sandboxed"), handler: "fake"))
        try lab.api.put(RuntimeClass(metadata: ObjectMeta(name: "kata"), handler: "kata"))
        for name in ["sandboxed", "fake", "kata", "missing"] { try lab.submit(name) { $0.spec.runtimeClassName = name } }
        for name in ["sandboxed", "fake"] {
            let pod = try await lab.waitForPhase(name, .running)
            #expect(lab.runtime.machine.sandboxes[pod.metadata.uid ?? ""]?.handler == "fake")
        }
        for name in ["kata", "missing"] {
            #expect(try await lab.waitForPhase(name, .failed).status.reason == "RuntimeClassNotFound")
        }
        try await lab.stop()
    }

    /// Where a pod's reports go, and how often one came.
    private final class Desk: Sendable {
        let api = InMemoryKubernetesAPI()
        let uid: String
        let told = Mutex(0)
        let manager: StatusManager

        init() throws {
            let pod = Pod(
                metadata: ObjectMeta(name: "task", namespace: "alice"),
                spec: PodSpec(containers: [Container(name: "main", image: "psi:1")]))
            uid = try api.put(pod).metadata.uid ?? ""
            let logger = Logger(label: "status") { _ in SwiftLogNoOpLogHandler() }
            let events = EventRecorder(
                api: api, component: "test", now: { MicroTimestamp(unixMicroseconds: 0) }, logger: logger)
            manager = StatusManager(api: api, events: events, logger: logger)
            api.setHook { [weak self] call in
                if call.verb == .patch, call.subresource == "status" { self?.told.withLock { $0 += 1 } }
            }
        }

        var status: PodStatus? {
            get throws { try api.object(Pod.self, namespace: "alice", name: "task")?.status }
        }
    }

    private static func report(_ uid: String, _ phase: PodPhase, _ state: ContainerState) -> PodReport {
        var status = PodStatus()
        status.phase = phase
        status.containerStatuses = [ContainerStatus(name: "main", state: state)]
        return PodReport(namespace: "alice", name: "task", uid: uid, status: status, final: phase == .succeeded)
    }

    @Test("that a pod begins is told when nothing else comes at once, and in one with what does")
    func beginning() async throws {
        let desk = try Desk()
        let (uid, manager) = (desk.uid, desk.manager)
        let work = Task { await manager.run() }
        let begins = ContainerState(waiting: ContainerStateWaiting(reason: "ContainerCreating"))
        func seen() throws -> PodStatus? { try desk.status }
        manager.report(Self.report(uid, .pending, begins)) { _ in }
        while try seen()?.containerStatuses.first?.state.waiting == nil { await Task.yield() }
        #expect(desk.told.withLock(\.self) == 1)
        manager.report(Self.report(uid, .pending, begins)) { _ in }
        manager.report(Self.report(uid, .running, ContainerState(running: .init()))) { _ in }
        while try seen()?.phase != .running { await Task.yield() }
        manager.report(Self.report(uid, .succeeded, ContainerState(terminated: .init(exitCode: 0)))) { _ in }
        while try seen()?.phase != .succeeded { await Task.yield() }
        #expect(desk.told.withLock(\.self) == 3)
        work.cancel()
        await work.value
    }

    private final class Gate: Sendable { let isOpen = Mutex(false) }

    @Test("while steps of pods wait for their turn, a pod is told of once, with its end")
    func busy() async throws {
        let desk = try Desk()
        let (uid, manager) = (desk.uid, desk.manager)
        let work = Task { await manager.run() }
        // More blocked than there are threads, and many behind them.
        let gate = Gate()
        let steps = (0..<1000).map { number in
            Task(executorPreference: WorkThreads.shared) {
                // Blocking is what is meant.
                while number < 8, !gate.isOpen.withLock(\.self) { usleep(1000) }
            }
        }
        manager.report(Self.report(uid, .pending, ContainerState(waiting: ContainerStateWaiting(reason: "ContainerCreating")))) { _ in }
        // Four times as long as it would wait for more on a node that has nothing else to do.
        let began = ContinuousClock.now
        while ContinuousClock.now - began < StatusManager.beginningDelay * 4 { await Task.yield() }
        #expect(desk.told.withLock(\.self) == 0)
        manager.report(Self.report(uid, .succeeded, ContainerState(terminated: .init(exitCode: 0)))) { _ in }
        while try desk.status?.phase != .succeeded { await Task.yield() }
        #expect(desk.told.withLock(\.self) == 1)
        gate.isOpen.withLock { $0 = true }
        for step in steps { await step.value }
        work.cancel()
        await work.value
    }
}
