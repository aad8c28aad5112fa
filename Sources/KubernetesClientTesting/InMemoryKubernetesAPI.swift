// A Kubernetes API server in memory for tests of controllers and the agent: real resourceVersions, watches, patches,
// bindings and graceful deletion, no schemas and no permissions; every failure is a knob.
import JSON
import KubernetesClient
import KubernetesModel
import Synchronization

/// One call that reached the fake.
public struct RecordedCall: Sendable, Hashable {
    public enum Verb: String, Sendable, Hashable { case get, list, watch, create, update, patch, delete, bind }

    public var verb: Verb
    public var resource: GroupVersionResource
    public var namespace: String?
    public var name: String?
    public var subresource: String?
}

public final class InMemoryKubernetesAPI: KubernetesAPI, GangBinding {
    /// Runs before a call is answered: may suspend (a slow server) or throw (a failing one).
    public typealias Hook = @Sendable (RecordedCall) async throws -> Void

    private struct Failure {
        var remaining: Int
        var verb: RecordedCall.Verb?
        var resource: GroupVersionResource?
        var error: KubernetesAPIError
    }

    private struct Knobs {
        var failures: [Failure] = []
        var hook: Hook?
        var calls: [RecordedCall] = []
    }

    /// Calls that are remembered; older ones are dropped.
    static let maximumCalls = 10_000

    let store: Mutex<InMemoryStore>
    private let knobs = Mutex(Knobs())

    /// `now` gives creation and deletion times; a fixed time by default, so that tests do not depend on the clock.
    public init(now: @escaping @Sendable () -> Timestamp = { Timestamp(unixSeconds: 1_767_225_600) }) {
        store = Mutex(InMemoryStore(now: now))
    }

    // MARK: - Knobs

    /// The next `count` calls (of that verb and resource, when given) throw `error`.
    public func failNext(
        _ count: Int = 1, verb: RecordedCall.Verb? = nil, resource: GroupVersionResource? = nil,
        with error: KubernetesAPIError = .status(
            APIStatus(status: "Failure", message: "injected", reason: "InternalError", code: 500))
    ) {
        knobs.withLock {
            $0.failures.append(Failure(remaining: count, verb: verb, resource: resource, error: error))
        }
    }

    /// What `failNext` still had in store is forgotten.
    public func failNoMore() { knobs.withLock { $0.failures = [] } }

    public func setHook(_ hook: Hook?) { knobs.withLock { $0.hook = hook } }

    /// Ends all running watches: in order when `error` is nil, else each `next` throws it.
    public func dropWatches(_ error: KubernetesAPIError? = nil) {
        let dropped = store.withLock { $0.takeWatches() }
        for watch in dropped { watch.finish(error) }
    }

    /// Forgets the history: a watch from an older revision than now is answered 410 Gone.
    public func expireHistory() { store.withLock { $0.expireHistory() } }

    public var calls: [RecordedCall] { knobs.withLock { $0.calls } }
    public var watchCount: Int { store.withLock { $0.watches.values.count { !$0.hasEnded } } }

    // MARK: - A test's own hands on the store, without hooks and failures

    /// Stores the object as it is, status included, replacing what is there.
    @discardableResult
    public func put<T: KubernetesObject>(_ object: T) throws -> T {
        let value = try JSON.encodeToValue(object)
        return try JSON.decode(T.self, from: store.withLock { $0.put(T.resource, value) })
    }

    public func objects<T: KubernetesObject>(_ type: T.Type, namespace: String? = nil) throws -> [T] {
        let values = store.withLock { $0.values(T.resource, namespace: namespace, options: .init()) }
        return try values.map { try JSON.decode(T.self, from: $0) }
    }

    public func object<T: KubernetesObject>(_ type: T.Type, namespace: String? = nil, name: String) throws -> T? {
        let value = store.withLock { $0.object(T.resource, namespace, name) }
        return try value.map { try JSON.decode(T.self, from: $0) }
    }

    /// The stored document, with the fields that views do not know.
    public func document(_ resource: GroupVersionResource, namespace: String? = nil, name: String) -> JSONValue? {
        store.withLock { $0.object(resource, namespace, name) }
    }

    /// Removes at once, without grace or finalizers.
    public func remove(_ resource: GroupVersionResource, namespace: String? = nil, name: String) {
        store.withLock { $0.remove(resource, namespace, name) }
    }

    func begin(
        _ verb: RecordedCall.Verb, _ resource: GroupVersionResource, _ namespace: String?, _ name: String? = nil,
        _ subresource: String? = nil
    ) async throws {
        let call = RecordedCall(verb: verb, resource: resource, namespace: namespace, name: name, subresource: subresource)
        let (hook, failure) = knobs.withLock { knobs -> (Hook?, KubernetesAPIError?) in
            if knobs.calls.count >= Self.maximumCalls { knobs.calls.removeFirst(Self.maximumCalls / 2) }
            knobs.calls.append(call)
            let match = knobs.failures.firstIndex {
                ($0.verb == nil || $0.verb == verb) && ($0.resource == nil || $0.resource == resource)
            }
            guard let match else { return (knobs.hook, nil) }
            knobs.failures[match].remaining -= 1
            let error = knobs.failures[match].error
            if knobs.failures[match].remaining <= 0 { knobs.failures.remove(at: match) }
            return (knobs.hook, error)
        }
        try await hook?(call)
        if let failure { throw failure }
    }
}
