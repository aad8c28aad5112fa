// The master's controllers over a server in memory, two nodes whose part the test plays, and waiting for conditions.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Logging

@testable import Controllers

let testTime = Timestamp(unixSeconds: 1_767_225_600)

struct ControllerLab {
    /// The watch ended before what was waited for came.
    struct GaveUp: Error {
        var what: String
    }

    let api = InMemoryKubernetesAPI()
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        for (domain, address) in [("alice", "10.0.0.1"), ("bob", "10.0.0.2")] {
            try api.put(
                Node(
                    metadata: ObjectMeta(name: "\(domain)-node", labels: [KusciaLabel.nodeNamespace: domain]),
                    status: NodeStatus(
                        conditions: [NodeCondition(type: "Ready", status: .true)],
                        addresses: [NodeAddress(type: "InternalIP", address: address)])))
        }
        try api.put(
            AppImage(
                metadata: ObjectMeta(name: "psi-image"),
                spec: AppImageSpec(
                    image: AppImageInfo(name: "psi", tag: "1"), configTemplates: ["task.json": "{{.TASK_ID}}"],
                    deployTemplates: [
                        DeployTemplate(
                            name: "psi",
                            spec: AppImagePodSpec(containers: [
                                AppImageContainer(name: "engine", ports: [AppImagePort(name: "spu", scope: .cluster)])
                            ]))
                    ])))
    }

    /// Runs a master's controllers around `body`; afterwards none of them is left, as if the master had been killed.
    func master(_ body: () async throws -> Void) async throws {
        let informers = SharedInformers(api: api, logger: logger)
        let recorder = EventRecorder(
            api: api, component: "test", now: { MicroTimestamp(testTime) }, logger: logger)
        let jobs = KusciaJobController(api: api, informers: informers, recorder: recorder, now: { testTime }, logger: logger)
        let tasks = KusciaTaskController(api: api, informers: informers, recorder: recorder, now: { testTime }, logger: logger)
        let feed = ObjectFeed(api: api, resources: api.servedResources, logger: logger)
        let garbage = GarbageCollector(api: api, feed: feed, resources: api.servedResources, recorder: recorder, logger: logger)
        let domains = DomainController(api: api, informers: informers, now: { testTime }, logger: logger)
        let running = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { await recorder.run() }
                group.addTask { await feed.run() }
                group.addTask { try await jobs.run() }
                group.addTask { try await tasks.run() }
                group.addTask { try await garbage.run() }
                group.addTask { try await domains.run() }
                try await group.waitForAll()
            }
        }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body())
        } catch {
            result = .failure(error)
        }
        running.cancel()
        _ = await running.result
        try result.get()
    }

    /// Suspends until the objects of a kind are as wished; the suite's time limit is the deadline.
    @discardableResult
    func wait<T: KubernetesObject>(_ what: String, _ type: T.Type, _ wish: ([T]) -> Bool) async throws -> [T] {
        let stream = try await api.watch(T.resource, namespace: nil, options: .init())
        defer { stream.cancel() }
        while true {
            let objects = try api.objects(type)
            if wish(objects) { return objects }
            guard try await stream.next() != nil else { throw GaveUp(what: "\(what): \(objects)") }
        }
    }

    // MARK: jobs

    @discardableResult
    func submit(_ name: String, _ aliases: [String: [String]], parallel: Int = 1) async throws -> KusciaJob {
        let tasks = aliases.sorted { $0.key < $1.key }.map { alias, dependencies in
            KusciaTaskTemplate(
                alias: alias, dependencies: dependencies, appImage: "psi-image", taskInputConfig: "{}",
                parties: [KusciaJobParty(domainID: "alice"), KusciaJobParty(domainID: "bob")])
        }
        return try await api.create(
            KusciaJob(
                metadata: ObjectMeta(name: name, namespace: "cross-domain"),
                spec: KusciaJobSpec(initiator: "alice", maxParallelism: parallel, tasks: tasks)))
    }

    @discardableResult
    func job(_ name: String, is phase: KusciaJobPhase) async throws -> KusciaJobStatus {
        let jobs = try await wait("job \(name) \(phase)", KusciaJob.self) {
            $0.contains { $0.metadata.name == name && $0.status.phase == phase }
        }
        return jobs.first { $0.metadata.name == name }?.status ?? .init()
    }

    func command(_ name: String, _ stage: String, version: String) async throws {
        try await api.patch(
            KusciaJob.self, namespace: "cross-domain", name: name,
            merge: [
                "metadata": ["labels": [KusciaLabel.jobStage: .string(stage), KusciaLabel.jobStageVersion: .string(version)]]
            ])
    }

    // MARK: nodes

    /// Waits for a task's pods, and returns them.
    @discardableResult
    func pods(of task: String, count: Int = 2, but former: Set<String?> = []) async throws -> [Pod] {
        func own(_ pods: [Pod]) -> [Pod] {
            pods.filter { $0.metadata.labels[KusciaLabel.taskID] == task && !former.contains($0.metadata.uid) }
        }
        return own(try await wait("pods of \(task)", Pod.self) { own($0).count == count })
    }

    /// Binds a task's pods and says that they run.
    func start(_ task: String, but former: Set<String?> = []) async throws {
        for pod in try await pods(of: task, but: former) {
            let domain = pod.metadata.namespace ?? ""
            try await api.bindTogether([
                PodBinding(namespace: domain, name: pod.metadata.name, uid: pod.metadata.uid ?? "", node: "\(domain)-node")
            ])
            try await report(domain, pod.metadata.name, .running, ContainerState(running: .init(startedAt: testTime)))
        }
    }

    func end(_ domain: String, _ pod: String, code: Int, at seconds: Int64 = 0) async throws {
        let end = ContainerStateTerminated(
            exitCode: code, reason: code == 0 ? "Completed" : "Error", finishedAt: testTime.adding(seconds: seconds))
        try await report(domain, pod, code == 0 ? .succeeded : .failed, ContainerState(terminated: end))
    }

    private func report(_ domain: String, _ pod: String, _ phase: PodPhase, _ state: ContainerState) async throws {
        try await api.patchStatus(
            Pod.self, namespace: domain, name: pod,
            merge: [
                "status": [
                    "phase": .string(phase.rawValue),
                    "containerStatuses": try JSON.encodeToValue([ContainerStatus(name: "engine", state: state)]),
                ]
            ])
    }

    /// Runs a task to its good end.
    func complete(_ task: String) async throws {
        try await start(task)
        for domain in ["alice", "bob"] { try await end(domain, "\(task)-0", code: 0) }
    }

    /// What an agent does with a pod that it has stopped.
    func confirmStop(_ domain: String, _ pod: String) async throws {
        try await wait("stop of \(domain)/\(pod)", Pod.self) {
            $0.contains { $0.namespacedName == "\(domain)/\(pod)" && $0.metadata.deletionTimestamp != nil }
        }
        try await api.delete(Pod.self, namespace: domain, name: pod, options: DeleteOptions(gracePeriodSeconds: 0))
    }

    func ports(of pods: [Pod]) -> [Int] { pods.flatMap { $0.spec.containers.flatMap { $0.ports.map(\.containerPort) } } }
}
