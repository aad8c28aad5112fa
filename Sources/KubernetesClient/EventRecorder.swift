// Tells users what happened to an object, as core/v1 Events: recorded without waiting, sent by one task, repeats counted
// on the event that is there already (the way kubelet and kube-scheduler do it).
import JSON
import KubernetesModel
import Logging
import Synchronization

public enum EventType: String, Sendable { case normal = "Normal", warning = "Warning" }

public final class EventRecorder: Sendable {
    /// Events not sent yet; beyond it the oldest is dropped, because the newest says how things stand.
    static let maximumPending = 512
    /// Different events whose repeats are counted; beyond it counting starts anew.
    static let maximumRemembered = 1024

    private struct Happening: Hashable, Sendable {
        var subject: ObjectReference
        var type: String
        var reason: String
        var message: String
    }

    private struct Sent: Sendable {
        var name: String
        var count: Int
    }

    private let api: any KubernetesAPI
    private let component: String
    private let host: String?
    private let now: @Sendable () -> MicroTimestamp
    private let logger: Logger
    private let queue = WorkQueue<Int>()
    private let pending = Mutex<[Happening]>([])

    public init(
        api: any KubernetesAPI, component: String, host: String? = nil, now: @escaping @Sendable () -> MicroTimestamp, logger: Logger
    ) {
        self.api = api
        self.component = component
        self.host = host
        self.now = now
        self.logger = logger
    }

    /// Never waits and never fails; an event that cannot be sent is logged.
    public func record<T: KubernetesObject>(_ object: T, _ type: EventType, reason: String, message: String) {
        let subject = ObjectReference(
            apiVersion: T.apiVersion, kind: T.kind, namespace: object.metadata.namespace, name: object.metadata.name,
            uid: object.metadata.uid)
        pending.withLock { pending in
            if pending.count >= Self.maximumPending { pending.removeFirst() }
            // etcd's usual bound for an event's message is 1 KiB.
            pending.append(Happening(subject: subject, type: type.rawValue, reason: reason, message: String(message.prefix(1024))))
        }
        queue.add(0)
    }

    /// Sends until cancelled.
    public func run() async {
        let sent = Mutex<[Happening: Sent]>([:])
        await queue.run(workers: 1) { _ in
            while let happening = self.pending.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                do {
                    let known = sent.withLock { $0[happening] }
                    let now = try await self.send(happening, known)
                    sent.withLock { sent in
                        if sent.count >= Self.maximumRemembered { sent.removeAll() }
                        sent[happening] = now
                    }
                } catch {
                    self.logger.debug("event not recorded", metadata: ["reason": "\(happening.reason)", "error": "\(error)"])
                }
            }
        }
    }

    private func send(_ happening: Happening, _ known: Sent?) async throws -> Sent {
        let time = now()
        // Events about cluster-scoped objects live in "default", as Kubernetes has it.
        let namespace = happening.subject.namespace ?? "default"
        if let known {
            do {
                try await api.patch(
                    Event.self, namespace: namespace, name: known.name,
                    merge: ["count": .int(Int64(known.count + 1)), "lastTimestamp": .string(time.timestamp.description)])
                return Sent(name: known.name, count: known.count + 1)
            } catch let error as KubernetesAPIError where error.isNotFound {
                return try await create(happening, namespace, time)
            }
        }
        return try await create(happening, namespace, time)
    }

    private func create(_ happening: Happening, _ namespace: String, _ time: MicroTimestamp) async throws -> Sent {
        // client-go's scheme: the object's name and the time in hexadecimal.
        let name = "\(happening.subject.name ?? "object").\(String(time.unixMicroseconds, radix: 16))"
        try await api.create(
            Event(
                metadata: ObjectMeta(name: name, namespace: namespace), involvedObject: happening.subject, reason: happening.reason,
                message: happening.message, source: EventSource(component: component, host: host), firstTimestamp: time.timestamp,
                lastTimestamp: time.timestamp, count: 1, type: happening.type, reportingComponent: component,
                reportingInstance: host ?? ""))
        return Sent(name: name, count: 1)
    }
}
