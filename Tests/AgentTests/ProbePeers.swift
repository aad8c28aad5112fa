// What probes meet: a container over the fake runtime, peers whose bytes the test writes, and a clock that the test moves.
import AgentCore
import KubernetesModel
import RuntimeInterface
import Synchronization

@testable import Agent

/// Time passes only by `pass`; whoever sleeps till then is woken.
final class MovedClock: AgentClock {
    private struct State {
        var time: Int64 = 0
        var nextID = 0
        var sleepers: [Int: (until: Int64, continuation: CheckedContinuation<Void, Never>)] = [:]
        var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let state = Mutex(State())

    func now() -> UnixNanoseconds { state.withLock(\.time) }

    func sleep(until time: UnixNanoseconds) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let watchers = state.withLock { state -> [CheckedContinuation<Void, Never>]? in
                    guard state.time < time, !Task.isCancelled else { return nil }
                    state.sleepers[id] = (time, continuation)
                    let met = state.watchers.filter { $0.count <= state.sleepers.count }
                    state.watchers.removeAll { $0.count <= state.sleepers.count }
                    return met.map(\.continuation)
                }
                guard let watchers else { return continuation.resume() }
                for watcher in watchers { watcher.resume() }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id)?.continuation }?.resume()
        }
        try Task.checkCancellation()
    }

    func pass(seconds: Int64) {
        let woken = state.withLock { state in
            state.time += seconds * .nanosecondsPerSecond
            let due = state.sleepers.filter { $0.value.until <= state.time }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    /// Suspends until that many sleep at once.
    func waitForSleepers(_ count: Int = 1) async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if state.sleepers.count >= count { return true }
                state.watchers.append((count, continuation))
                return false
            }
            if ready { continuation.resume() }
        }
    }
}

/// One running container, without an agent around it.
struct ProbeLab {
    typealias Peer = @Sendable (FakeByteStream) async throws -> Void

    let runtime = FakeRuntime(now: { 0 })
    let clock = MovedClock()
    let id = ContainerID(podUID: "u1", name: "main", attempt: 0)
    var dialer: (any ProbeDialing)?
    var address: String?
    var container = Container(
        name: "main", image: "psi:1", ports: [ContainerPort(name: "http", containerPort: 8080)])

    init() async throws {
        try await runtime.runPodSandbox(
            PodSandboxConfig(
                podUID: "u1", namespace: "alice", name: "web", hostname: "web", stateDirectory: "/x", logDirectory: "/x"))
        _ = try await runtime.createContainer(podUID: "u1", config: ContainerConfig(name: "main", image: "i", logPath: "/x/log"))
        try await runtime.startContainer(id)
    }

    var prober: Prober { Prober(runtime: runtime, connector: PodConnector(runtime: runtime, dialer: dialer), clock: clock) }

    func target(_ container: Container) -> Prober.Target {
        let pod = Pod(
            metadata: ObjectMeta(name: "web", namespace: "alice", uid: "u1"), spec: PodSpec(containers: [container]))
        return Prober.Target(pod: pod, container: container, run: ContainerRun(name: "main", attempt: 0), address: address)
    }

    func outcome(_ probe: Probe) async -> ProbeOutcome {
        var container = container
        container.livenessProbe = probe
        return await prober.probe(.liveness, target(container))
    }

    func get(_ path: String? = "/healthz", _ headers: [HTTPHeader] = []) async -> ProbeOutcome {
        await outcome(Probe(httpGet: HTTPGetAction(path: path, port: 8080, httpHeaders: headers)))
    }

    func hook(_ handler: LifecycleHandler, seconds: Int = 5) async -> String? {
        var container = container
        container.lifecycle = Lifecycle(preStop: handler)
        return await prober.run(.preStop, target(container), timeoutSeconds: seconds)
    }

    /// Every connection to the pod is this peer's.
    func serve(_ peer: @escaping Peer) {
        runtime.onPortForward { _, _ in
            let (ours, theirs) = FakeByteStream.pair()
            Task { try await peer(theirs) }
            return ours
        }
    }

    /// Every connection is answered with these bytes, and stays open unless `ends`.
    func answer(_ bytes: [UInt8], ends: Bool = true) {
        serve { stream in
            _ = try await stream.read()
            try await stream.write(bytes)
            if ends { await stream.finishWriting() }
        }
    }

    func answer(_ text: String, ends: Bool = true) { answer(Array(text.utf8), ends: ends) }
}
