// RunK on the contract's stage: the cluster is our own master's core with one of our own agents over RunP, which RunK takes for any
// other's. What dies and comes again is RunK's side; a restart of the machine is one of the cluster's node.

import APIServer
import AgentCore
import CLinux
import Glibc
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import ResourceStore
import RunK
import RunP
import RuntimeInterface
import Synchronization
import Testing

@testable import Agent

final class RunKStage: ContractStage {
    private struct Life {
        var runtime: RunKContainers
        var events: Events
        var node: AgentService
        var tasks: [Task<Void, Never>]
    }

    static let worker = "worker"
    private let lab: Lab
    private let home = InMemoryKubernetesAPI(now: { Timestamp(unixSeconds: SystemClock().now() / 1_000_000_000) })
    private let target: LocalKubernetesAPI
    private let life: Mutex<Life>
    private static let logger = Logger(label: "runk") { _ in SwiftLogNoOpLogHandler() }

    init() async throws {
        let lab = try await Lab()
        try await lab.runtime.removePodSandbox(podUID: lab.podUID)
        let target = LocalKubernetesAPI(
            handler: APIHandler(store: try JournaledStore.inMemory(), now: { Int64(time(nil)) }, log: Self.logger))
        try await target.createIfAbsent(Namespace(metadata: ObjectMeta(name: "team")))
        try await target.createIfAbsent(Namespace(metadata: ObjectMeta(name: "kube-node-lease")))
        try await target.createIfAbsent(ServiceAccount(metadata: ObjectMeta(name: "default", namespace: "team")))
        let node = Self.node(lab, lab.runtime, target)
        let tasks = Self.start(node, target)
        await node.waitUntilRegistered()
        self.lab = lab
        self.target = target
        let runtime = RunKContainers(home: home, target: target, images: ["host"], logger: Self.logger)
        let events = Events()
        await runtime.onEvent { events.add($0) }
        life = Mutex(Life(runtime: runtime, events: events, node: node, tasks: tasks))
        follow(runtime)
    }

    var runtime: any ContainerRuntime { life.withLock(\.runtime) }
    var events: Events { life.withLock(\.events) }
    let missingImage = "nothing"

    // MARK: The cluster

    private static func node(_ lab: Lab, _ runtime: RunPRuntime, _ target: LocalKubernetesAPI) -> AgentService {
        AgentService(
            config: AgentConfig(
                nodeName: worker, domain: nil, stateDirectory: "\(lab.directory)/agent", dataDirectory: "\(lab.directory)/data",
                nodeIP: "127.0.0.1", capacityCPUMillis: 64_000, capacityMemoryBytes: 64 << 30),
            dependencies: AgentDependencies(
                api: target, runtime: runtime, images: LocalImages(names: { ["host"] }, isPresent: { $0 == "host" }),
                facts: .read(),
                measure: {
                    NodeMeasurement(
                        memoryAvailableBytes: 32 << 30, diskFreeBytes: 1 << 40, diskTotalBytes: 1 << 41, inodesFree: 1 << 30,
                        inodesTotal: 1 << 31, processes: 100, processLimit: 1 << 20, memoryTotalBytes: 64 << 30)
                }),
            logger: logger)
    }

    /// The node's agent, and who binds what comes to it.
    private static func start(_ node: AgentService, _ target: LocalKubernetesAPI) -> [Task<Void, Never>] {
        let informer = Informer<Pod>(
            api: target, namespace: "team", backoff: Backoff(first: .milliseconds(10), longest: .milliseconds(100)),
            logger: logger)
        let queue = WorkQueue<String>()
        informer.onEvent { event in
            if event.object.spec.nodeName == nil { queue.add(event.object.metadata.name) }
        }
        return [
            Task { do { try await node.run() } catch { Issue.record("the cluster's node: \(error)") } },
            Task { await informer.run() },
            Task {
                await queue.run(workers: 2) { name in
                    guard let pod = informer.get(namespace: "team", name: name), pod.spec.nodeName == nil else { return }
                    let body =
                        #"{"apiVersion":"v1","kind":"Binding","metadata":{"name":"\#(name)"},"target":{"kind":"Node","name":"\#(worker)"}}"#
                    _ = try await target.create(
                        Pod.resource, namespace: "team", name: name, subresource: "binding", body: Array(body.utf8))
                }
            },
        ]
    }

    private func copies(_ uid: String) async throws -> [Pod] {
        try await target.listAll(
            Pod.self, namespace: "team", options: ListOptions(labelSelector: "kuscia.secretflow/pod-uid=\(uid)")
        ).items
    }

    /// The adapter asks about copies from where it may not wait.
    private func follow(_ runtime: RunKContainers) {
        let informer = Informer<Pod>(
            api: target, namespace: "team", backoff: Backoff(first: .milliseconds(10), longest: .milliseconds(100)),
            logger: Self.logger)
        runtime.copies = { uid in informer.objects.filter { $0.metadata.labels["kuscia.secretflow/pod-uid"] == uid } }
        let task = Task { await informer.run() }
        life.withLock { $0.tasks.append(task) }
    }

    // MARK: ContractStage

    func sandbox(_ podUID: String) -> PodSandboxConfig { lab.sandboxConfig(podUID: podUID) }

    func container(_ program: ContractProgram, name: String, attempt: Int) -> ContainerConfig {
        lab.config(program.script, name: name) { config in
            config.attempt = attempt
            config.logPath = "\(lab.directory)/nowhere/\(name)_\(attempt).log"
            if program == .missing { config.command = ["/no/such/program"] }
            if program == .eatsMemory { config.limits.memoryBytes = 32 << 20 }
        }
    }

    func command(_ command: ContractCommand) -> [String] { [] }

    /// The copy of a container's pod.
    private func copy(_ id: ContainerID) throws -> (uid: String, name: String)? {
        guard let pod = try home.object(Pod.self, namespace: RunKContainers.namespace, name: RunKContainers.name(id)),
            let uid = pod.metadata.annotations[ClusterMark.copyUID],
            let name = pod.metadata.annotations[ClusterMark.copyName]?.split(separator: "/").last
        else { return nil }
        return (uid, String(name))
    }

    func waitUntilBegun(_ id: ContainerID) async throws {
        for _ in 0..<3_000 {
            if starts(id) > 0 { return }
            // A process of another namespace says nothing when it begins: its file is looked for, within a bound.
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("\(id) did not begin")
    }

    private func record(_ id: ContainerID) throws -> String {
        "\(lab.directory)/runp/pods/\(try copy(id)?.uid ?? "none")/\(id.name)_0"
    }

    func release(_ id: ContainerID) async throws {
        // By a command: the node's agent gives a container's /tmp a file system of its own.
        let inner = ContainerID(podUID: try #require(try copy(id)?.uid), name: id.name, attempt: 0)
        let result = try await lab.runtime.execSync(
            inner, command: ["/bin/touch", "/tmp/go"], timeoutSeconds: 20, maximumOutputBytes: 4096)
        if result.exitCode == 0 { return }
        // The program that waits for the file may be quicker than the command, which then goes with its container: one that ended by
        // itself. A command that was killed otherwise leaves its container running, or one that was killed too.
        #expect(result.exitCode == 137 && !result.timedOut, "\(result)")
        for _ in 0..<6_000 {
            if case .exited(let exit)? = try await lab.runtime.status(inner)?.phase {
                return #expect(exit.signal == nil, "the command was killed with its container: \(exit)")
            }
            // Polls another program, within the bound.
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the command was killed, and \(id) runs on: \(result)")
    }

    func graceElapses(_ id: ContainerID) async {}

    var hasLogs: Bool { false }

    func starts(_ id: ContainerID) -> Int {
        guard let copy = try? copy(id) else { return 0 }
        let paths = AgentPaths(state: "\(lab.directory)/agent")
        return lab.lines(paths.log(namespace: "team", name: copy.name, uid: copy.uid, container: id.name, attempt: 0)).count {
            $0 == "begin"
        }
    }

    func crash() async { await life.withLock(\.runtime).kill() }

    func recover() async throws -> [ContainerStatusReport] {
        let next = RunKContainers(home: home, target: target, images: ["host"], logger: Self.logger)
        let events = Events()
        await next.onEvent { events.add($0) }
        life.withLock { life in (life.runtime, life.events) = (next, events) }
        follow(next)
        return try await next.adopt()
    }

    /// After a restart the node's records say what they said, nothing runs, and the boot id is another.
    func reboot(_ running: [ContainerID]) async throws -> [ContainerStatusReport] {
        await crash()
        let (node, run) = life.withLock { ($0.node, $0.tasks.first) }
        node.shutDown()
        // A node that was switched off reports nothing more.
        await run?.value
        for id in running {
            let path = "\(try record(id))/state.json"
            let before = Lab.text(path)
            let boot = try #require(before.firstRange(of: "\"bootId\":\"").map { before[$0.upperBound...].prefix(36) })
            let uid = try #require(try copy(id)?.uid)
            try await lab.runtime.stopContainer(ContainerID(podUID: uid, name: id.name, attempt: 0), graceSeconds: 0)
            let descriptor = clinux_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0)
            try #require(descriptor >= 0)
            let text = before.replacing(boot, with: "00000000-0000-0000-0000-000000000000")
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            Glibc.close(descriptor)
        }
        let again = Self.node(lab, try Lab.makeRuntime(lab.configuration), target)
        let tasks = Self.start(again, target)
        life.withLock { life in
            life.node = again
            life.tasks += tasks
        }
        _ = try await recover()
        for _ in 0..<3_000 {
            let phases = try await runtime.list().filter { running.contains($0.id) }.map(\.phase)
            if !phases.contains(where: { if case .running = $0 { true } else { false } }) { break }
            try await Task.sleep(for: .milliseconds(10))  // polls another program, within the bound
        }
        return try await runtime.list()
    }

    func remains(_ podUID: String) -> [String] {
        let pods = (try? home.objects(Pod.self, namespace: RunKContainers.namespace)) ?? []
        let mine = pods.filter { RunKContainers.belongs($0, to: podUID) }
        let copies = mine.flatMap { life.withLock(\.runtime).copies($0.metadata.uid ?? "") }
        return mine.map { "pod \($0.metadata.name)" } + copies.map { "copy \($0.metadata.name)" }
            + copies.filter { !$0.status.containerStatuses.filter { $0.state.running != nil }.isEmpty }.map {
                "process of \($0.metadata.name)"
            }
    }

    func close() async throws {
        let life = life.withLock { $0 }
        for id in try await life.runtime.list().map(\.id) { try await life.runtime.removeContainer(id) }
        await life.runtime.kill()
        life.node.shutDown()
        for task in life.tasks.dropFirst() { task.cancel() }
        for uid in Set(try await lab.runtime.list().map(\.id.podUID)) {
            try await lab.runtime.stopPodSandbox(podUID: uid)
            try await lab.runtime.removePodSandbox(podUID: uid)
        }
        try await lab.runtime.close()
        umount2("\(lab.directory)/agent/memory", Int32(MNT_DETACH))
        lab.removeDirectory()
    }
}
