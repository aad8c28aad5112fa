// A watch on the fake server, and the filter by namespace and selectors that it shares with lists.
import JSON
import KubernetesClient
import KubernetesModel
import Synchronization

struct InMemoryFilter: Sendable {
    let resource: GroupVersionResource
    private let namespace: String?
    private let labels: LabelSelectorExpression
    private let fields: FieldSelector

    /// Malformed selectors were refused before; here they match everything.
    init(resource: GroupVersionResource, namespace: String?, options: ListOptions) {
        self.resource = resource
        self.namespace = namespace
        labels = options.labelSelector.flatMap { try? LabelSelectorExpression($0) } ?? .init()
        fields = options.fieldSelector.flatMap { try? FieldSelector($0) } ?? .init()
    }

    func matches(_ object: JSONValue) -> Bool {
        if let namespace, object.namespace != namespace { return false }
        return labels.matches(object.labels) && fields.matches(object.field)
    }
}

extension InMemoryFilter {
    func visible(_ object: JSONValue?) -> JSONValue? {
        guard let object, matches(object) else { return nil }
        return object
    }
}

/// The server tells it of changes with its own lock held. So neither what wakes a reader nor what a reader's cancellation calls may take that
/// lock: both come with the reading task's lock held, or want it (`withTaskCancellationHandler`, "Cancellation handlers and locks").
final class InMemoryWatch: WatchStream {
    private struct Content {
        var events: [RawWatchEvent] = []
        var waiter: CheckedContinuation<[RawWatchEvent]?, any Error>?
        var end: Result<Void, KubernetesAPIError>?
    }

    /// A reader this far behind is cut off with 410, as by a real server.
    static let maximumPending = 100_000

    let id: Int
    private let filter: InMemoryFilter
    private let content = Mutex(Content())

    init(id: Int, filter: InMemoryFilter) {
        self.id = id
        self.filter = filter
    }

    /// The server forgets it with the next change.
    var hasEnded: Bool { content.withLock { $0.end != nil } }

    /// An object that stops matching the selector is deleted for this watch, one that starts is added.
    func offer(_ change: InMemoryStore.Change) {
        guard change.resource == filter.resource else { return }
        let old = filter.visible(change.old)
        let new = filter.visible(change.new)
        let kind: RawWatchEvent.Kind
        var object: JSONValue
        switch (old, new) {
        case (nil, nil): return
        case (nil, let new?): (kind, object) = (.added, new)
        case (_?, let new?): (kind, object) = (.modified, new)
        case (let old?, nil): (kind, object) = (.deleted, change.new ?? old)
        }
        object.set(["metadata", "resourceVersion"], to: .string(String(change.revision)))
        push(RawWatchEvent(kind: kind, object: object.serialized()))
    }

    private func push(_ event: RawWatchEvent) {
        let waiter = content.withLock { content -> CheckedContinuation<[RawWatchEvent]?, any Error>? in
            guard content.end == nil else { return nil }
            if let waiter = content.waiter {
                content.waiter = nil
                return waiter
            }
            if content.events.count >= Self.maximumPending {
                content.end = .failure(.failure(410, "Expired", "the watch's reader is too slow"))
            } else {
                content.events.append(event)
            }
            return nil
        }
        waiter?.resume(returning: [event])
    }

    func finish(_ error: KubernetesAPIError?) {
        let waiter = content.withLock { content -> CheckedContinuation<[RawWatchEvent]?, any Error>? in
            if content.end == nil { content.end = error.map { .failure($0) } ?? .success(()) }
            defer { content.waiter = nil }
            return content.waiter
        }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
    }

    func next() async throws -> [RawWatchEvent]? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let ready = content.withLock { content -> Result<[RawWatchEvent]?, any Error>? in
                    if !content.events.isEmpty {
                        defer { content.events = [] }
                        return .success(content.events)
                    }
                    if Task.isCancelled { return .success(nil) }
                    switch content.end {
                    case .success: return .success(nil)
                    case .failure(let error): return .failure(error)
                    case nil:
                        content.waiter = continuation
                        return nil
                    }
                }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            cancel()
        }
    }

    func cancel() { finish(nil) }
}
