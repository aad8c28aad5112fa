// Tells users what happened to an object, as core/v1 Events: recorded without waiting, written by one task, repeats counted
// on the event that is there already (the way kubelet and kube-scheduler do it).
import JSON
import KubernetesModel
import Logging
import Synchronization

public enum EventType: String, Sendable {
    case normal = "Normal"
    case warning = "Warning"
}

/// What an event is about.
public struct EventSubject: Sendable, Hashable {
    var reference: ObjectReference
    /// Where the event lives: with the object; for cluster-scoped ones in `default`, as Kubernetes has it.
    var namespace: String

    /// `fieldPath`: the part of the object that it is about, e.g. `spec.containers{main}`.
    public init<T: KubernetesObject>(_ object: T, fieldPath: String? = nil) {
        namespace = object.metadata.namespace ?? "default"
        reference = ObjectReference(
            apiVersion: T.apiVersion, kind: T.kind, namespace: object.metadata.namespace, name: object.metadata.name,
            uid: object.metadata.uid, fieldPath: fieldPath)
    }

    /// An object that is known by reference only.
    public init(_ reference: ObjectReference) {
        namespace = reference.namespace ?? "default"
        self.reference = reference
    }

    /// A kubelet writes the node's name as its uid: it may not know the object yet.
    public init(node: String) {
        namespace = "default"
        reference = ObjectReference(kind: Node.kind, name: node, uid: node)
    }
}

public final class EventRecorder: Sendable {
    /// Different events that are remembered for counting; beyond it the oldest is forgotten (its repeat makes a new one).
    static let maximumRemembered = 1000
    /// Events are no evidence: after so many failures one is dropped.
    static let maximumAttempts = 8
    /// Characters of a message, Kubernetes' own bound.
    static let maximumMessage = 1024

    private struct Key: Hashable, Sendable {
        var subject: EventSubject
        var type: EventType
        var reason: String
        var message: String
    }

    private struct Entry {
        var first: MicroTimestamp
        var last: MicroTimestamp
        var count = 1
        /// Count that the API server knows; nil while the event was never written.
        var written: Int?
        var failures = 0
        var name: String
        /// When it is written at the earliest.
        var due: ContinuousClock.Instant
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        /// From the oldest, at `oldest`; a key that has no entry any more is skipped.
        var order: [Key] = []
        var oldest = 0
        var serial = 0

        mutating func remember(_ key: Key, _ entry: Entry) {
            while entries.count >= EventRecorder.maximumRemembered, oldest < order.count {
                entries[order[oldest]] = nil
                oldest += 1
            }
            // Now and then, so that forgetting one does not move all the others.
            if oldest > EventRecorder.maximumRemembered {
                order.removeFirst(oldest)
                oldest = 0
            }
            entries[key] = entry
            order.append(key)
        }
    }

    private let api: any KubernetesAPI
    private let component: String
    private let host: String?
    private let now: @Sendable () -> MicroTimestamp
    private let logger: Logger
    private let queue = WorkQueue<Key>(firstRetry: .milliseconds(500), longestRetry: .seconds(30))
    /// Warnings overtake what waits for its turn.
    private let warnings = WorkQueue<Key>(firstRetry: .milliseconds(500), longestRetry: .seconds(30))
    /// nil: nobody waits.
    private let turns: Mutex<TokenBucket?>
    private let pace: Pace?
    private let start = ContinuousClock.now
    private let state = Mutex(State())

    /// How many ordinary events are written; the others wait, and beyond `maximumRemembered` the oldest is dropped.
    public struct Pace: Sendable {
        public var perSecond: Double
        public var burst: Int
        /// So long after it came about an ordinary event is written: what it tells of is under way, and has more need of the
        /// server.
        public var delay: Duration
        /// Who has so much else to do that its events can wait gets rid of `busyPerSecond` of them, while that lasts.
        public var isBusy: @Sendable () -> Bool
        public var busyPerSecond: Double

        public init(
            perSecond: Double, burst: Int, delay: Duration = .zero, busyPerSecond: Double = 5,
            isBusy: @escaping @Sendable () -> Bool = { false }
        ) {
            self.perSecond = perSecond
            self.burst = burst
            self.delay = delay
            self.busyPerSecond = busyPerSecond
            self.isBusy = isBusy
        }
    }

    /// `component` says who reports ("swiftlet-master"), `host` on which node; `now` is the wall clock; `pace` nil: as they come.
    public init(
        api: any KubernetesAPI, component: String, host: String? = nil, pace: Pace? = nil,
        now: @escaping @Sendable () -> MicroTimestamp, logger: Logger
    ) {
        turns = Mutex(pace.map { TokenBucket(perSecond: $0.perSecond, burst: $0.burst) })
        self.pace = pace
        self.api = api
        self.component = component
        self.host = host
        self.now = now
        self.logger = logger
    }

    /// Writes until cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            for queue in [queue, warnings] {
                group.addTask {
                    await queue.run(workers: 1) { [logger = self.logger] key, error in
                        logger.debug("event not written", metadata: ["reason": "\(key.reason)", "error": "\(error)"])
                    } work: { key in
                        try await self.turn(key)
                        try await self.write(key)
                    }
                }
            }
        }
    }

    private func turn(_ key: Key) async throws {
        // One that was forgotten meanwhile takes nobody's turn: after a burst there are thousands of them before the ones that are left.
        guard key.type == .normal, let due = state.withLock({ $0.entries[key]?.due }) else { return }
        // They come in the order of their times: who waits for the first lets the next ones ripen.
        if due > .now { try await Task.sleep(until: due) }
        if let pace, pace.isBusy() { try await Task.sleep(for: .seconds(1 / pace.busyPerSecond)) }
        let pause = turns.withLock { $0?.take(at: ContinuousClock.now - start) ?? .zero }
        if pause > .zero { try await Task.sleep(for: pause) }
    }

    public func record<T: KubernetesObject>(_ object: T, _ type: EventType, reason: String, message: String) {
        record(EventSubject(object), type, reason: reason, message: message)
    }

    /// Returns at once and never fails.
    public func record(_ subject: EventSubject, _ type: EventType, reason: String, message: String) {
        let key = Key(subject: subject, type: type, reason: reason, message: String(message.prefix(Self.maximumMessage)))
        let now = now()
        state.withLock { state in
            if state.entries[key] != nil {
                state.entries[key]?.count += 1
                state.entries[key]?.last = now
                return
            }
            state.serial += 1
            // The serial keeps two events of the same instant apart.
            let suffix = String(UInt64(bitPattern: now.unixMicroseconds) &+ UInt64(state.serial), radix: 16)
            let name = "\(subject.reference.name ?? "").\(suffix)"
            state.remember(key, Entry(first: now, last: now, name: name, due: .now + (pace?.delay ?? .zero)))
        }
        (type == .warning ? warnings : queue).add(key)
    }

    private func write(_ key: Key) async throws {
        guard let entry = state.withLock({ $0.entries[key] }), entry.written != entry.count else { return }
        do {
            if entry.written == nil { try await create(key, entry) } else { try await count(key, entry) }
        } catch {
            let spent = state.withLock { state in
                state.entries[key]?.failures += 1
                guard entry.failures + 1 >= Self.maximumAttempts else { return false }
                state.entries[key] = nil
                return true
            }
            if spent { return }
            throw error
        }
        state.withLock { state in
            state.entries[key]?.written = entry.count
            state.entries[key]?.failures = 0
        }
    }

    private func create(_ key: Key, _ entry: Entry) async throws {
        let event = Event(
            metadata: ObjectMeta(name: entry.name, namespace: key.subject.namespace), involvedObject: key.subject.reference,
            reason: key.reason, message: key.message, source: EventSource(component: component, host: host),
            firstTimestamp: entry.first.timestamp, lastTimestamp: entry.last.timestamp, count: entry.count,
            type: key.type.rawValue,
            reportingComponent: component, reportingInstance: host ?? "")
        do {
            // Raw: nobody here reads the answer.
            _ = try await api.create(
                Event.resource, namespace: key.subject.namespace, name: nil, subresource: nil, body: try JSON.encode(event))
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            return  // An earlier attempt arrived, its answer did not.
        }
    }

    private func count(_ key: Key, _ entry: Entry) async throws {
        let merge: JSONValue = ["count": .int(Int64(entry.count)), "lastTimestamp": .string(entry.last.timestamp.description)]
        do {
            try await api.patch(Event.self, namespace: key.subject.namespace, name: entry.name, merge: merge)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return  // Expired on the server.
        }
    }
}
