// Brings pods' statuses to the API server: the newest of each pod, retried while the server is away, never the same twice.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import RuntimeInterface
import Synchronization

/// Bounded by the number of pods: a newer report of a pod replaces the one that waits.
public final class StatusManager: PodReporter {
    /// On a busy node a report waits at every step of its way behind those of pods: four at a time told of fewer ends than there were.
    static let workers = 16
    static let firstRetry = Duration.milliseconds(200)
    static let longestRetry = Duration.seconds(15)
    /// A pod that begins says so once its first container had the time to start: most then have more to say.
    static let beginningDelay = Duration.milliseconds(25)
    /// What a running pod has to say waits this long for more: a task that is done at once has one report instead of two, and its last
    /// one need not wait for the other's answer.
    static let runningDelay = Duration.milliseconds(4)
    /// On a busy node both wait longer, so long for each step of a pod that waits for its turn, and look again then: to tell of each pod
    /// that it begins, that it runs and that it is done took a third of what such a node did. No pod waits longer than `longestDelay`.
    static let delayPerStep = Duration.milliseconds(2)
    static let longestDelay = Duration.seconds(5)

    private struct Waiting {
        var report: PodReport
        var done: @Sendable (PodReportOutcome) -> Void
        var version: Int
        /// Of the first report that this one contains.
        var since: ContinuousClock.Instant
    }

    private struct Deletion {
        var namespace: String
        var name: String
        var uid: String
        var done: @Sendable (PodReportOutcome) -> Void
    }

    private enum Job: Hashable, Sendable {
        case status(uid: String)
        case deletion(uid: String)
    }

    private struct State {
        var statuses: [String: Waiting] = [:]
        var deletions: [String: Deletion] = [:]
        /// The last report of each static pod: a mirror that is made again knows nothing.
        var ofStaticPods: [String: PodReport] = [:]
        var version = 0
        var idleWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let api: any KubernetesAPI
    private let events: EventRecorder
    private let logger: Logger
    /// The uid under which the API server knows a static pod: its mirror's. nil: not a static pod.
    private let mirrorUID: @Sendable (String) throws -> String?
    private let queue = WorkQueue<Job>(firstRetry: firstRetry, longestRetry: longestRetry)
    private let state = Mutex(State())

    public init(
        api: any KubernetesAPI, events: EventRecorder, logger: Logger,
        mirrorUID: @escaping @Sendable (String) throws -> String? = { _ in nil }
    ) {
        self.mirrorUID = mirrorUID
        self.api = api
        self.events = events
        self.logger = logger
    }

    /// Delivers until cancelled.
    public func run() async {
        await queue.run(workers: Self.workers) { [logger] job, error in
            logger.debug("pod report not delivered", metadata: ["job": "\(job)", "error": "\(error)"])
        } work: { job in
            switch job {
            case .status(let uid): try await self.deliver(uid)
            case .deletion(let uid): try await self.delete(uid)
            }
        }
    }

    public func report(_ report: PodReport, done: @escaping @Sendable (PodReportOutcome) -> Void) {
        state.withLock { state in
            let former = state.statuses[report.uid]
            // A final report is the last word; what was waiting is contained in it.
            if former?.report.final != true || report.final {
                state.version += 1
                state.statuses[report.uid] = Waiting(
                    report: report, done: done, version: state.version, since: former?.since ?? .now)
            }
        }
        queue.add(.status(uid: report.uid), after: Self.delay(of: report))
    }

    private static func delay(of report: PodReport) -> Duration {
        let least =
            report.final ? .zero : report.status.phase == .running ? runningDelay : isBeginning(report) ? beginningDelay : .zero
        return least == .zero ? .zero : max(least, min(longestDelay, delayPerStep * WorkThreads.shared.waits))
    }

    /// How much longer the report may wait for a newer one; nil: it is due.
    private func delay(of waiting: Waiting) -> Duration? {
        let delay = Self.delay(of: waiting.report)
        let age = waiting.since.duration(to: .now)
        return delay <= Self.beginningDelay || age >= min(Self.longestDelay, delay) ? nil : min(delay, Self.longestDelay) - age
    }

    /// Nothing has gone wrong and nothing has come about yet.
    private static func isBeginning(_ report: PodReport) -> Bool {
        guard report.status.phase == .pending else { return false }
        return (report.status.initContainerStatuses + report.status.containerStatuses).allSatisfy { status in
            status.state.waiting.map { $0.reason == "ContainerCreating" || $0.reason == "PodInitializing" } ?? false
        }
    }

    /// A static pod has a new mirror (or is gone for good): what was reported last is reported to it too.
    func mirrorChanged(ofStatic uid: String, exists: Bool) {
        let last = state.withLock { exists ? $0.ofStaticPods[uid] : $0.ofStaticPods.removeValue(forKey: uid) }
        if exists, let last { report(last) { _ in } }
    }

    public func deleteObject(namespace: String, name: String, uid: String, done: @escaping @Sendable (PodReportOutcome) -> Void) {
        state.withLock { $0.deletions[uid] = Deletion(namespace: namespace, name: name, uid: uid, done: done) }
        queue.add(.deletion(uid: uid))
    }

    public func event(pod: Pod, container: String?, warning: Bool, reason: String, message: String) {
        let subject = EventSubject(pod, fieldPath: container.flatMap { pod.spec.fieldPath(ofContainer: $0) })
        events.record(subject, warning ? .warning : .normal, reason: reason, message: message)
    }

    /// Reports that the API server does not have yet.
    public var undelivered: Int { state.withLock { $0.statuses.count + $0.deletions.count } }

    // MARK: Delivery

    private func deliver(_ uid: String) async throws {
        guard let waiting = state.withLock({ $0.statuses[uid] }) else { return }
        if let delay = delay(of: waiting) { return queue.add(.status(uid: uid), after: delay) }
        var report = waiting.report
        if let mirror = try mirrorUID(uid) {
            // A mirror that is gone is made again: the report waits for it.
            report.uid = mirror
            state.withLock { $0.ofStaticPods[uid] = waiting.report }
            try await send(report)
            return finish(waiting, .delivered)
        }
        do {
            try await send(report)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return finish(waiting, .gone)
        } catch let error as KubernetesAPIError where error.code == 409 || error.code == 422 {
            guard try await isGone(report.namespace, report.name, uid) else { throw error }
            return finish(waiting, .gone)
        }
        finish(waiting, .delivered)
    }

    private func finish(_ waiting: Waiting, _ outcome: PodReportOutcome) {
        let newer = state.withLock { state in
            let newer = state.statuses[waiting.report.uid]?.version != waiting.version
            if !newer || outcome == .gone { state.statuses[waiting.report.uid] = nil }
            return newer
        }
        waiting.done(outcome)
        if newer && outcome != .gone { queue.add(.status(uid: waiting.report.uid)) }
    }

    private func delete(_ uid: String) async throws {
        guard let deletion = state.withLock({ $0.deletions[uid] }) else { return }
        do {
            try await api.deleteIfPresent(
                Pod.self, namespace: deletion.namespace, name: deletion.name,
                options: DeleteOptions(gracePeriodSeconds: 0, uid: uid))
        } catch let error as KubernetesAPIError where error.code == 409 {
            guard try await isGone(deletion.namespace, deletion.name, uid) else { throw error }
        }
        state.withLock { _ = $0.deletions.removeValue(forKey: uid) }
        deletion.done(.delivered)
    }

    /// The name may belong to another pod by now.
    private func isGone(_ namespace: String, _ name: String, _ uid: String) async throws -> Bool {
        try await api.find(Pod.self, namespace: namespace, name: name)?.metadata.uid != uid
    }

    /// Sent raw: nobody here reads the answer, which holds the whole pod.
    private func send(_ report: PodReport) async throws {
        _ = try await api.patch(
            Pod.resource, namespace: report.namespace, name: report.name, subresource: "status", type: .strategicMerge,
            body: try Self.document(report).serialized())
    }

    /// A strategic merge patch, as kubelets send it: conditions are joined by their type, so that those of others (readiness gates,
    /// DisruptionTarget) stay; null removes what an earlier report had set. The uid makes the server refuse it when the name
    /// belongs to another pod by now.
    static func document(_ report: PodReport) throws -> JSONValue {
        var status = try JSON.encodeToValue(report.status)
        for field in ["reason", "message"] where status[field] == nil { status[field] = .null }
        // Joined by type means member by member: a condition's former reason would stay beside its new status.
        let conditions = (status["conditions"]?.arrayValue ?? []).map { condition in
            var condition = condition
            for field in ["reason", "message"] where condition[field] == nil { condition[field] = .null }
            return condition
        }
        if !conditions.isEmpty { status["conditions"] = .array(conditions) }
        let order = report.status.conditions.map { condition -> JSONValue in ["type": .string(condition.type)] }
        if !order.isEmpty { status["$setElementOrder/conditions"] = .array(order) }
        var metadata: JSONValue = ["uid": .string(report.uid)]
        if !report.annotations.isEmpty {
            metadata["annotations"] = .object(JSONObject(report.annotations.mapValues { .string($0) }))
        }
        return ["metadata": metadata, "status": status]
    }
}
