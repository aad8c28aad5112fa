// The target cluster's scheduler and kubelet: binds what comes, begins it once, plays its command, ends it when it is asked to.
import JSON
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import Synchronization

final class ClusterNode: Sendable {
    private struct State {
        /// Copy's uid -> it runs.
        var running: Set<String> = []
        /// Source pod's uid -> how often its program was begun.
        var starts: [String: Int] = [:]
        var graces: [String: [Int64]] = [:]
        var isHeld = false
    }

    private let api: InMemoryKubernetesAPI
    private let state = Mutex(State())
    private let tasks: Mutex<[Task<Void, Never>]>

    init(_ api: InMemoryKubernetesAPI) {
        self.api = api
        tasks = Mutex([])
        let informer = Informer<Pod>(
            api: api, backoff: Backoff(first: .milliseconds(5), longest: .milliseconds(50)), logger: TwoClusters.logger)
        let queue = WorkQueue<ObjectKey>()
        informer.onEvent { queue.add($0.object.observedKey) }
        let work: @Sendable (ObjectKey) async throws -> Void = { [weak self] key in try await self?.look(key) }
        tasks.withLock { $0 = [Task { await informer.run() }, Task { await queue.run(workers: 4, work: work) }] }
    }

    func stop() async {
        let tasks = tasks.withLock { $0 }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// How often the program of the source pod of that uid was begun, whatever copies it had.
    func starts(_ uid: String) -> Int { state.withLock { $0.starts[uid] ?? 0 } }
    var running: Int { state.withLock(\.running.count) }
    /// Graces with which it was asked to end the copies of a source pod.
    func graces(_ uid: String) -> [Int64] { state.withLock { $0.graces[uid] ?? [] } }
    /// Pods stay unbound from now on.
    func hold() { state.withLock { $0.isHeld = true } }

    private func look(_ key: ObjectKey) async throws {
        guard let pod = try api.object(Pod.self, namespace: key.namespace, name: key.name), let uid = pod.metadata.uid else {
            return
        }
        let source = pod.metadata.labels["kuscia.secretflow/pod-uid"] ?? uid
        if pod.metadata.deletionTimestamp != nil { return try await end(pod, uid, source) }
        if state.withLock(\.isHeld) { return }
        if pod.spec.nodeName == nil {
            try await api.bindTogether([PodBinding(namespace: key.namespace ?? "", name: key.name, uid: uid, node: "worker")])
            return
        }
        guard pod.status.phase?.isFinished != true else { return }
        let command = pod.spec.containers.first?.command ?? []
        let isNew = state.withLock { state in
            guard state.running.insert(uid).inserted else { return false }
            state.starts[source, default: 0] += 1
            return true
        }
        guard isNew else { return }
        try await report(
            pod, phase: .running, ContainerState(running: ContainerStateRunning(startedAt: Timestamp(unixSeconds: 1_767_225_601)))
        )
        if command.first == "exit" { try await finish(pod, code: Int(command.last ?? "") ?? 0) }
    }

    private func end(_ pod: Pod, _ uid: String, _ source: String) async throws {
        let grace = pod.metadata.deletionGracePeriodSeconds ?? 0
        let wasRunning = state.withLock { state in
            state.graces[source, default: []].append(grace)
            return state.running.contains(uid)
        }
        if pod.status.phase?.isFinished != true, pod.spec.nodeName != nil {
            // "stubborn" takes its whole grace: a test ends it by asking again with none.
            if pod.spec.containers.first?.command.first == "stubborn", grace > 0 { return }
            if wasRunning { try await finish(pod, code: 143) } else { try await report(pod, phase: .failed, ContainerState()) }
        }
        // With 0 it has been told already that nothing runs: only finalizers keep it.
        guard grace > 0 else { return }
        try await api.deleteIfPresent(
            Pod.self, namespace: pod.metadata.namespace, name: pod.metadata.name,
            options: DeleteOptions(gracePeriodSeconds: 0, uid: uid))
    }

    /// Its program ends.
    func finish(_ pod: Pod, code: Int) async throws {
        let ended = ContainerStateTerminated(
            exitCode: code, reason: code == 0 ? "Completed" : "Error", startedAt: Timestamp(unixSeconds: 1_767_225_601),
            finishedAt: Timestamp(unixSeconds: 1_767_225_602))
        try await report(pod, phase: code == 0 ? .succeeded : .failed, ContainerState(terminated: ended))
        state.withLock { _ = $0.running.remove(pod.metadata.uid ?? "") }
    }

    private func report(_ pod: Pod, phase: PodPhase, _ container: ContainerState) async throws {
        let status = PodStatus(
            phase: phase,
            conditions: [
                PodCondition(type: "PodScheduled", status: .true),
                PodCondition(type: "Ready", status: phase == .running ? .true : .false),
            ],
            hostIP: "10.1.0.1", podIP: "10.2.0.9",
            containerStatuses: [
                ContainerStatus(
                    name: "main", state: container, ready: phase == .running, image: "psi:1", imageID: "sha256:1",
                    containerID: "fake://1")
            ])
        do {
            try await api.patchStatus(
                Pod.self, namespace: pod.metadata.namespace, name: pod.metadata.name,
                merge: ["status": try JSON.encodeToValue(status)])
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
    }
}
