// A local, always current copy of one kind of object: list, then watch, and list again whenever the watch breaks. What was
// deleted while the watch was broken is found by the next list, so no deletion is ever missed.
import JSON
import KubernetesModel
import Logging
import Synchronization

/// A change of the local copy.
public enum InformerEvent<T: KubernetesObject>: Sendable {
    case added(T)
    case updated(old: T, new: T)
    case deleted(T)

    /// The object as it is now, or was last.
    public var object: T {
        switch self {
        case .added(let object), .deleted(let object): object
        case .updated(_, let object): object
        }
    }
}

/// Pauses before a repeated attempt: doubling from `first` to `longest`, each jittered by a fifth, so that many clients of
/// a server that comes back do not come all at once.
public struct Backoff: Sendable {
    public var first: Duration
    public var longest: Duration
    private var current: Duration

    public init(first: Duration = .milliseconds(200), longest: Duration = .seconds(15)) {
        self.first = first
        self.longest = longest
        current = first
    }

    public mutating func reset() { current = first }

    public mutating func next() -> Duration {
        defer { current = min(current * 2, longest) }
        return current * Double.random(in: 0.8...1.2)
    }
}

public final class Informer<T: KubernetesObject>: Sendable {
    public typealias Handler = @Sendable (InformerEvent<T>) -> Void
    /// The words under which an object is found in an index; none leaves it out.
    public typealias IndexKeys = @Sendable (T) -> [String]

    private struct Copy {
        var objects: [String: T] = [:]
        /// Index -> word -> keys of objects.
        var indexes: [String: [String: Set<String>]] = [:]
        var handlers: [Handler] = []
        var synced = false
        /// `run` has returned: nobody will sync any more.
        var ended = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func set(_ key: String, to object: T?, _ functions: [String: IndexKeys]) {
            let old = objects[key]
            objects[key] = object
            for (name, keys) in functions {
                let before = old.map(keys) ?? []
                let after = object.map(keys) ?? []
                if before == after { continue }
                for word in before {
                    indexes[name]?[word]?.remove(key)
                    if indexes[name]?[word]?.isEmpty ?? false { indexes[name]?[word] = nil }
                }
                for word in after { indexes[name, default: [:]][word, default: []].insert(key) }
            }
        }
    }

    /// Objects asked for in one page of a list.
    static var pageSize: Int { 500 }

    private let api: any KubernetesAPI
    private let namespace: String?
    private let options: ListOptions
    private let backoff: Backoff
    private let indexes: [String: IndexKeys]
    private let slim: @Sendable (inout T) -> Void
    private let logger: Logger
    private let copy = Mutex(Copy())

    /// `indexes` are kept current with the copy. `slim` takes out of each object what nobody here reads, before it is kept.
    public init(
        api: any KubernetesAPI, namespace: String? = nil, options: ListOptions = .init(), backoff: Backoff = .init(),
        indexes: [String: IndexKeys] = [:], slim: @escaping @Sendable (inout T) -> Void = { _ in }, logger: Logger
    ) {
        self.indexes = indexes
        self.slim = slim
        self.api = api
        self.namespace = namespace
        self.options = options
        self.backoff = backoff
        self.logger = logger
    }

    /// Called for each change, in order, from one task; must return quickly (put a key into a `WorkQueue`). A handler that
    /// comes late is told of everything present as added.
    public func onEvent(_ handler: @escaping Handler) {
        let present = copy.withLock { copy in
            copy.handlers.append(handler)
            return Array(copy.objects.values)
        }
        for object in present { handler(.added(object)) }
    }

    public func get(namespace: String? = nil, name: String) -> T? {
        copy.withLock { $0.objects[Self.key(namespace, name)] }
    }

    /// The objects under `word` of an index: costs what is found, not what there is.
    public func objects(in index: String, _ word: String) -> [T] {
        copy.withLock { copy in copy.indexes[index]?[word]?.compactMap { copy.objects[$0] } ?? [] }
    }

    public func count(in index: String, _ word: String) -> Int { copy.withLock { $0.indexes[index]?[word]?.count ?? 0 } }

    public var objects: [T] { copy.withLock { Array($0.objects.values) } }
    public var hasSynced: Bool { copy.withLock { $0.synced } }

    /// Suspends until the first list has arrived, or the informer was cancelled.
    public func waitUntilSynced() async {
        await withCheckedContinuation { continuation in
            let ready = copy.withLock { copy in
                if !copy.synced && !copy.ended { copy.waiters.append(continuation) }
                return copy.synced || copy.ended
            }
            if ready { continuation.resume() }
        }
    }

    /// Keeps the copy current until the task is cancelled.
    public func run() async {
        var backoff = backoff
        while !Task.isCancelled {
            do {
                var revision = try await relist()
                backoff.reset()
                while let next = try await follow(from: revision) { revision = next }
                // The server ended a watch without a word: a pause, so that a server that always does cannot make us spin.
                try await Task.sleep(for: backoff.next())
            } catch is CancellationError {
                break
            } catch let error as KubernetesAPIError where error.isGone {
                logger.debug("watch expired; listing again", metadata: ["kind": "\(T.kind)"])
            } catch {
                if Task.isCancelled { break }
                logger.debug("list or watch failed", metadata: ["kind": "\(T.kind)", "error": "\(error)"])
                try? await Task.sleep(for: backoff.next())
            }
        }
        releaseWaiters(synced: false)
    }

    /// Fetches all pages, and tells the handlers of the differences. Returns the list's revision.
    private func relist() async throws -> String {
        var asked = options
        asked.limit = Self.pageSize
        asked.resourceVersion = nil
        let list = try await api.listAll(T.self, namespace: namespace, options: asked)
        for defect in list.undecodable { logger.warning("object ignored: it does not fit", metadata: ["error": "\(defect)"]) }
        let items = list.items.map { item in
            var item = item
            slim(&item)
            return item
        }
        var fresh = Dictionary(items.map { (Self.key($0), $0) }, uniquingKeysWith: { $1 })
        let (events, handlers) = copy.withLock { copy in
            var events: [InformerEvent<T>] = []
            // An object that no longer fits the view is not deleted: what was last known of it stays.
            for key in list.undecodableKeys where fresh[key] == nil { fresh[key] = copy.objects[key] }
            for (key, old) in copy.objects where fresh[key] == nil || fresh[key]?.metadata.uid != old.metadata.uid {
                events.append(.deleted(old))
            }
            for object in items {
                if let old = copy.objects[Self.key(object)], old.metadata.uid == object.metadata.uid {
                    if old.metadata.resourceVersion != object.metadata.resourceVersion {
                        events.append(.updated(old: old, new: object))
                    }
                } else {
                    events.append(.added(object))
                }
            }
            for key in copy.objects.keys where fresh[key] == nil { copy.set(key, to: nil, indexes) }
            for (key, object) in fresh { copy.set(key, to: object, indexes) }
            return (events, copy.handlers)
        }
        for event in events { for handler in handlers { handler(event) } }
        releaseWaiters(synced: true)
        return list.resourceVersion
    }

    /// Watches until the server ends the watch in order; returns the revision to go on from. nil: list again.
    private func follow(from revision: String) async throws -> String? {
        var asked = options
        asked.resourceVersion = revision
        let stream = try await api.watch(T.resource, namespace: namespace, options: asked)
        defer { stream.cancel() }
        return try await withTaskCancellationHandler {
            var last = revision
            var seen = false
            while let batch = try await stream.next() {
                seen = true
                for event in batch { if let now = try apply(event) { last = now } }
            }
            try Task.checkCancellation()
            return seen ? last : nil
        } onCancel: {
            stream.cancel()
        }
    }

    private func apply(_ event: RawWatchEvent) throws -> String? {
        switch event.kind {
        case .error:
            let status = (try? JSON.decode(APIStatus.self, from: event.object)) ?? APIStatus(status: "Failure", code: 500)
            throw KubernetesAPIError.status(status)
        case .bookmark:
            let tape = try? JSONTape(parsing: event.object)
            return tape?.node(at: "metadata", "resourceVersion").flatMap { tape?.string($0) }
        case .added, .modified, .deleted:
            return change(event)
        }
    }

    private func change(_ event: RawWatchEvent) -> String? {
        var object: T
        do {
            object = try JSON.decode(T.self, from: event.object)
            slim(&object)
        } catch {
            logger.warning(
                "object ignored: it does not fit", metadata: ["kind": "\(T.kind)", "error": "\(JSON.describe(error))"])
            return nil
        }
        let key = Self.key(object)
        let (change, handlers) = copy.withLock { [object] copy -> (InformerEvent<T>?, [Handler]) in
            let old = copy.objects[key]
            if event.kind == .deleted {
                copy.set(key, to: nil, indexes)
                return (old == nil ? nil : .deleted(object), copy.handlers)
            }
            copy.set(key, to: object, indexes)
            return (old.map { .updated(old: $0, new: object) } ?? .added(object), copy.handlers)
        }
        if let change { for handler in handlers { handler(change) } }
        return object.metadata.resourceVersion
    }

    private func releaseWaiters(synced: Bool) {
        let waiters = copy.withLock { copy in
            copy.synced = copy.synced || synced
            copy.ended = copy.ended || !synced
            defer { copy.waiters = [] }
            return copy.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private static func key(_ object: T) -> String { key(object.metadata.namespace, object.metadata.name) }
    private static func key(_ namespace: String?, _ name: String) -> String { namespace.map { "\($0)/\(name)" } ?? name }
}
