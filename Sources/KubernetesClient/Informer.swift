// A local, always current copy of one kind of object: list, then watch, and list again whenever the watch breaks. What was
// deleted while the watch was broken is found by the next list, so no deletion is ever missed.
import JSON
import KubernetesModel
import Logging
import Synchronization

/// A change of the local copy.
public enum InformerEvent<T: ObservedObject>: Sendable {
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

public final class Informer<T: ObservedObject>: Sendable {
    public typealias Handler = @Sendable (InformerEvent<T>) -> Void
    /// The words under which an object is found in an index; none leaves it out.
    public typealias IndexKeys = @Sendable (T) -> [String]

    private struct Copy {
        var objects: [ObjectKey: T] = [:]
        /// Index -> word -> keys of objects.
        var indexes: [String: [String: Set<ObjectKey>]] = [:]
        var handlers: [Handler] = []
        var synced = false
        /// `run` has returned: nobody will sync any more.
        var ended = false
        var waiters: [CheckedContinuation<Void, Never>] = []

        /// Returns what was there.
        mutating func set(_ key: ObjectKey, to object: T?, _ functions: [String: IndexKeys]) -> T? {
            let old: T?
            if let object { old = objects.updateValue(object, forKey: key) } else { old = objects.removeValue(forKey: key) }
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
            return old
        }
    }

    /// Objects asked for in one page of a list.
    static var pageSize: Int { 500 }

    private let api: any KubernetesAPI
    private let namespace: String?
    private let options: ListOptions
    private let backoff: Backoff
    private let indexes: [String: IndexKeys]
    private let logger: Logger
    private let copy = Mutex(Copy())

    /// `indexes` are kept current with the copy.
    public init(
        api: any KubernetesAPI, namespace: String? = nil, options: ListOptions = .init(), backoff: Backoff = .init(),
        indexes: [String: IndexKeys] = [:], logger: Logger
    ) {
        self.indexes = indexes
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
        copy.withLock { $0.objects[ObjectKey(namespace: namespace, name: name)] }
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
        var found: [ObjectKey: T] = [:]
        var order: [ObjectKey] = []
        var misfits: Set<ObjectKey> = []
        let revision = try await api.forEachObject(T.resource, namespace: namespace, options: asked) { node, tape in
            guard let object = observe(node, tape) else {
                if let key = ObjectKey(node, of: tape) { misfits.insert(key) }
                return
            }
            let key = object.observedKey
            if found.updateValue(object, forKey: key) == nil { order.append(key) }
        }
        let (events, handlers) = copy.withLock { [found] copy in (replace(&copy, by: found, order, misfits), copy.handlers) }
        for event in events { for handler in handlers { handler(event) } }
        releaseWaiters(synced: true)
        return revision
    }

    private func replace(
        _ copy: inout Copy, by found: [ObjectKey: T], _ order: [ObjectKey], _ misfits: Set<ObjectKey>
    ) -> [InformerEvent<T>] {
        var events: [InformerEvent<T>] = []
        // An object that no longer fits the view is not deleted: what was last known of it stays.
        let gone = copy.objects.filter { key, old in
            found[key].map { $0.observedUID != old.observedUID } ?? !misfits.contains(key)
        }
        for (key, old) in gone {
            _ = copy.set(key, to: nil, indexes)
            events.append(.deleted(old))
        }
        for key in order {
            guard let object = found[key] else { continue }
            if let old = copy.set(key, to: object, indexes) {
                if old.observedVersion != object.observedVersion { events.append(.updated(old: old, new: object)) }
            } else {
                events.append(.added(object))
            }
        }
        return events
    }

    /// nil, with a warning, for an object that does not fit the view.
    private func observe(_ node: JSONTape.Node, _ tape: JSONTape) -> T? {
        do {
            return try T.observe(node, of: tape)
        } catch {
            let name = ObjectKey(node, of: tape)?.description ?? "?"
            logger.warning(
                "object ignored: it does not fit",
                metadata: ["kind": "\(T.kind)", "name": "\(name)", "error": "\(JSON.describe(error))"])
            return nil
        }
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
                for event in batch { if let now = try apply(event, after: last) { last = now } }
            }
            try Task.checkCancellation()
            return seen ? last : nil
        } onCancel: {
            stream.cancel()
        }
    }

    private func apply(_ event: RawWatchEvent, after last: String) throws -> String? {
        switch event.kind {
        case .error:
            let status = (try? JSON.decode(APIStatus.self, from: event.object)) ?? APIStatus(status: "Failure", code: 500)
            throw KubernetesAPIError.status(status)
        case .bookmark:
            let tape = try? JSONTape(parsing: event.object)
            return tape?.node(at: "metadata", "resourceVersion").flatMap { tape?.string($0) }
        case .added, .modified, .deleted:
            return try change(event, after: last)
        }
    }

    private func change(_ event: RawWatchEvent, after last: String) throws -> String? {
        let tape: JSONTape
        do {
            tape = try JSONTape(parsing: event.object)
        } catch {
            throw KubernetesAPIError.transport("\(T.kind) in a watch: \(error)")
        }
        guard let object = observe(tape.root, tape) else { return nil }
        // A former state that comes late, by a proxy or a replay, is no news: a deletion that was asked for must not be taken back.
        if event.kind != .deleted, Self.isOlder(object.observedVersion, than: last) { return nil }
        let key = object.observedKey
        let (change, handlers) = copy.withLock { copy -> (InformerEvent<T>?, [Handler]) in
            if event.kind == .deleted {
                let old = copy.set(key, to: nil, indexes)
                return (old == nil ? nil : .deleted(object), copy.handlers)
            }
            let old = copy.set(key, to: object, indexes)
            return (old.map { .updated(old: $0, new: object) } ?? .added(object), copy.handlers)
        }
        if let change { for handler in handlers { handler(change) } }
        return object.observedVersion
    }

    /// Revisions that are numbers are ordered (KEP-5504); others cannot be compared.
    private static func isOlder(_ version: String?, than last: String) -> Bool {
        guard let version = version.flatMap({ UInt64($0) }), let last = UInt64(last) else { return false }
        return version < last
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
}
