// The verb watch: events of the store, bookmarks and the end, as a stream.
import JSON
import KubernetesModel
import ResourceStore
import Synchronization

/// One thing that a watch tells.
enum WatchItem: Sendable {
    case event(StoreEvent)
    /// Everything up to this revision has been told.
    case bookmark(UInt64)
    /// A Status; the watch is over.
    case error(StatusError)
}

/// A watch with its timers, before it is given a form.
final class WatchSession: Sendable {
    /// About once a minute, as Kubernetes sends them.
    static let bookmarkInterval = Duration.seconds(60)
    /// A watch without timeoutSeconds ends after this; clients watch on.
    static let maximumDuration = Duration.seconds(3600)

    private enum Source {
        case store(StoreWatch)
        /// The wanted revision is gone: one error, then the end.
        case refused(StatusError)
        case ended
    }

    private struct State {
        var source: Source
        var nextBookmark: ContinuousClock.Instant
    }

    private let state: Mutex<State>
    private let deadline: ContinuousClock.Instant
    private let wantsBookmarks: Bool
    private let timer: WatchTimer

    init(_ watch: StoreWatch, timeout: Duration, wantsBookmarks: Bool, timer: WatchTimer) {
        let now = ContinuousClock.now
        deadline = now + timeout
        self.wantsBookmarks = wantsBookmarks
        self.timer = timer
        state = Mutex(State(source: .store(watch), nextBookmark: now + Self.bookmarkInterval))
        timer.add(watch, until: deadline, wakesEvery: wantsBookmarks ? Self.bookmarkInterval : nil)
    }

    init(refused error: StatusError, timer: WatchTimer) {
        deadline = .now
        wantsBookmarks = false
        self.timer = timer
        state = Mutex(State(source: .refused(error), nextBookmark: .now))
    }

    /// Suspends until there is something to tell; never empty. nil: the end.
    func next() async -> [WatchItem]? {
        while true {
            let source = state.withLock { state in
                if case .refused = state.source {
                    defer { state.source = .ended }
                    return state.source
                }
                return state.source
            }
            switch source {
            case .ended: return nil
            case .refused(let error): return [.error(error)]
            case .store(let watch):
                guard let events = await watch.next() else { return ended(watch) }
                if !events.isEmpty { return events.map { .event($0) } }
                if let items = attend(to: watch) { return items.isEmpty ? nil : items }
            }
        }
    }

    /// After a wake: the end (empty), a bookmark, or nothing yet (nil).
    private func attend(to watch: StoreWatch) -> [WatchItem]? {
        let now = ContinuousClock.now
        if now >= deadline {
            cancel()
            return []
        }
        guard wantsBookmarks else { return nil }
        let isDue = state.withLock { state in
            // The timer's grid and this one differ by less than a second.
            guard now >= state.nextBookmark - .seconds(2) else { return false }
            state.nextBookmark = now + Self.bookmarkInterval
            return true
        }
        guard isDue, let revision = watch.bookmark() else { return nil }
        return [.bookmark(revision)]
    }

    private func ended(_ watch: StoreWatch) -> [WatchItem]? {
        timer.remove(watch)
        state.withLock { $0.source = .ended }
        guard watch.end == .slow else { return nil }
        return [.error(.expired("the watch fell behind: list again"))]
    }

    func cancel() {
        let source = state.withLock { state in
            defer { state.source = .ended }
            return state.source
        }
        guard case .store(let watch) = source else { return }
        timer.remove(watch)
        watch.cancel()
    }

    deinit {
        if case .store(let watch) = state.withLock({ $0.source }) {
            timer.remove(watch)
            watch.cancel()
        }
    }
}

extension APIHandler {
    func watch(_ call: APICall) throws(StatusError) -> APIResponse {
        let form = try Representation(
            accept: call.request.accept, includeObject: call.request.query("includeObject"))
        let session = try watchSession(call)
        let framer = WatchFramer(kind: call.kind, representation: form, now: now)
        return .watch(
            APIWatch(
                contentType: "application/json",
                pull: {
                    guard let items = await session.next() else { return nil }
                    return framer.frames(items)
                },
                end: { session.cancel() }))
    }

    func watchSession(_ call: APICall) throws(StatusError) -> WatchSession {
        if call.request.flag("sendInitialEvents") {
            throw StatusError(
                code: 422, reason: "Invalid",
                message: "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "
                    + "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")
        }
        let parameters = try ListParameters(call)
        let timeout = call.request.query("timeoutSeconds").flatMap { Int($0) }.map { Duration.seconds(max(1, $0)) }
        // No revision, or "any": the present state first, as additions.
        let revision = parameters.revision == 0 ? nil : parameters.revision
        do {
            let watch = try store.watch(
                call.kind.collection, namespace: call.route.namespace, selector: parameters.selector, from: revision)
            return WatchSession(
                watch, timeout: min(timeout ?? WatchSession.maximumDuration, WatchSession.maximumDuration),
                wantsBookmarks: call.request.flag("allowWatchBookmarks"), timer: watchTimer)
        } catch {
            // Kubernetes tells this in the stream, so that a client handles it in one place.
            guard case .expired = error else { throw .store(error) }
            return WatchSession(refused: .expired("too old resource version: \(revision ?? 0)"), timer: watchTimer)
        }
    }
}

/// Gives items their lines. Plain events share the line that the store's event keeps for all watchers.
final class WatchFramer: Sendable {
    private let kind: ServedKind
    private let representation: Representation
    private let now: @Sendable () -> Int64
    private let hasSentColumns = Mutex(false)

    init(kind: ServedKind, representation: Representation, now: @escaping @Sendable () -> Int64) {
        self.kind = kind
        self.representation = representation
        self.now = now
    }

    func frames(_ items: [WatchItem]) -> [UInt8] {
        if items.count == 1, case .event(let event) = items[0], representation == .json { return event.frame }
        var result: [UInt8] = []
        for item in items { result.append(contentsOf: frame(item)) }
        return result
    }

    private func frame(_ item: WatchItem) -> [UInt8] {
        switch item {
        case .event(let event):
            switch representation {
            case .json: return event.frame
            case .partialMetadata: return line(event.kind.rawValue, writer.object(event.object))
            case .table: return line(event.kind.rawValue, table(event.object))
            }
        case .bookmark(let revision):
            return line("BOOKMARK", Self.bookmark(kind, revision))
        case .error(let error):
            return line("ERROR", error.status.serialized())
        }
    }

    static func bookmark(_ kind: ServedKind, _ revision: UInt64) -> [UInt8] {
        let object: JSONValue = [
            "kind": .string(kind.declaration.kind), "apiVersion": .string(kind.resource.apiVersion),
            "metadata": ["resourceVersion": .string(String(revision)), "creationTimestamp": .null],
        ]
        return object.serialized()
    }

    private var writer: ObjectWriter { ObjectWriter(kind: kind, representation: representation, now: now()) }

    /// Column definitions come with the first event only.
    private func table(_ object: StoredObject) -> [UInt8] {
        let isFirst = hasSentColumns.withLock { sent in
            defer { sent = true }
            return !sent
        }
        return writer.table(
            metadata: ["resourceVersion": .string(String(object.revision))], [object], withColumns: isFirst)
    }

    private func line(_ type: String, _ object: [UInt8]) -> [UInt8] {
        Array("{\"type\":\"\(type)\",\"object\":".utf8) + object + Array("}\n".utf8)
    }
}
