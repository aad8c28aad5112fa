// Writes core/v1 events about pods and the node; repeats are counted on the event that is there already, as a kubelet does.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

public final class EventRecorder: Sendable {
    /// Different events that are remembered for counting; beyond it the oldest is forgotten (its repeat makes a new one).
    static let maximumRemembered = 1000
    /// Events are no evidence: after so many failures one is dropped.
    static let maximumAttempts = 8
    static let component = "swiftlet-agent"

    public struct Subject: Sendable, Hashable {
        var reference: ObjectReference
        var namespace: String

        init(_ pod: Pod) {
            namespace = pod.metadata.namespace ?? "default"
            reference = ObjectReference(
                apiVersion: "v1", kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid)
        }

        /// Events about nodes live in `default`; a kubelet writes the node's name as its uid.
        init(node: String) {
            namespace = "default"
            reference = ObjectReference(kind: "Node", name: node, uid: node)
        }
    }

    private struct Key: Hashable, Sendable {
        var subject: Subject
        var warning: Bool
        var reason: String
        var message: String
    }

    private struct Entry {
        var first: UnixNanoseconds
        var last: UnixNanoseconds
        var count = 1
        /// Count that the API server knows; nil while the event was never written.
        var written: Int?
        var failures = 0
        var name: String
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var order: [Key] = []
        var serial = 0
    }

    private let api: any KubernetesAPI
    private let node: String
    private let clock: any AgentClock
    private let logger: Logger
    private let queue = WorkQueue<Key>(firstRetry: .milliseconds(500), longestRetry: .seconds(30))
    private let state = Mutex(State())

    public init(api: any KubernetesAPI, node: String, clock: any AgentClock, logger: Logger) {
        self.api = api
        self.node = node
        self.clock = clock
        self.logger = logger
    }

    /// Writes until cancelled.
    public func run() async {
        await queue.run(workers: 1) { [logger] key, error in
            logger.debug("event not written", metadata: ["reason": "\(key.reason)", "error": "\(error)"])
        } work: { key in
            try await self.write(key)
        }
    }

    /// Returns at once.
    public func record(_ subject: Subject, warning: Bool, reason: String, message: String) {
        let key = Key(subject: subject, warning: warning, reason: reason, message: message)
        let now = clock.now()
        state.withLock { state in
            if state.entries[key] != nil {
                state.entries[key]?.count += 1
                state.entries[key]?.last = now
                return
            }
            if state.order.count >= Self.maximumRemembered { state.entries[state.order.removeFirst()] = nil }
            state.serial += 1
            // The serial keeps two events of the same instant apart.
            let suffix = String(UInt64(bitPattern: now) &+ UInt64(state.serial), radix: 16)
            state.entries[key] = Entry(first: now, last: now, name: "\(subject.reference.name ?? "").\(suffix)")
            state.order.append(key)
        }
        queue.add(key)
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
                state.order.removeAll { $0 == key }
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
            reason: key.reason, message: String(key.message.prefix(1024)),
            source: EventSource(component: Self.component, host: node),
            firstTimestamp: Timestamp(unixSeconds: entry.first / .nanosecondsPerSecond),
            lastTimestamp: Timestamp(unixSeconds: entry.last / .nanosecondsPerSecond), count: entry.count,
            type: key.warning ? "Warning" : "Normal", reportingComponent: Self.component, reportingInstance: node)
        do {
            try await api.create(event)
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            return  // An earlier attempt arrived, its answer did not.
        }
    }

    private func count(_ key: Key, _ entry: Entry) async throws {
        let last = Timestamp(unixSeconds: entry.last / .nanosecondsPerSecond)
        let merge: JSONValue = ["count": .int(Int64(entry.count)), "lastTimestamp": .string(last.description)]
        do {
            try await api.patch(Event.self, namespace: key.subject.namespace, name: entry.name, merge: merge)
        } catch let error as KubernetesAPIError where error.isNotFound {
            return  // Expired on the server.
        }
    }
}
