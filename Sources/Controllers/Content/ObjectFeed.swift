// The metadata of every object of every kind, as it changes: for controllers that treat all kinds alike. Kinds of which there is
// a local copy are heard of through it; the others have one list and one watch, and nothing is kept.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

/// Which object, whatever its kind.
struct ObjectIdentity: Hashable, Sendable, CustomStringConvertible {
    var resource: GroupVersionResource
    /// nil at cluster scope.
    var namespace: String?
    var name: String

    var description: String { "\(resource) \(namespace.map { $0 + "/" } ?? "")\(name)" }
}

/// The part of an object's metadata that says whether it stays.
struct LifeMetadata: Hashable, Sendable {
    var uid = ""
    var isDeleting = false
    var finalizers: [String] = []
    var owners: [OwnerReference] = []

    init(uid: String = "", isDeleting: Bool = false, finalizers: [String] = [], owners: [OwnerReference] = []) {
        self.uid = uid
        self.isDeleting = isDeleting
        self.finalizers = finalizers
        self.owners = owners
    }

    init(_ metadata: ObjectMeta) {
        self.init(
            uid: metadata.uid ?? "", isDeleting: metadata.deletionTimestamp != nil, finalizers: metadata.finalizers,
            owners: metadata.ownerReferences)
    }

    /// Reads `metadata` of an object on a tape: only what is there is decoded.
    init(_ metadata: JSONTape.Node, of tape: JSONTape) throws {
        uid = tape.member(of: metadata, "uid").flatMap { tape.string($0) } ?? ""
        isDeleting = tape.member(of: metadata, "deletionTimestamp") != nil
        if let finalizers = tape.member(of: metadata, "finalizers") {
            self.finalizers = tape.elements(of: finalizers).compactMap { tape.string($0) }
        }
        if let owners = tape.member(of: metadata, "ownerReferences") {
            self.owners = try JSON.decode([OwnerReference].self, from: owners, of: tape)
        }
    }
}

enum FeedEvent: Sendable {
    case present(ObjectIdentity, LifeMetadata)
    case deleted(ObjectIdentity, LifeMetadata)
    /// A list of this kind was read anew: what was deleted meanwhile was not told.
    case listed(GroupVersionResource)
}

final class ObjectFeed: Sendable {
    typealias Handler = @Sendable (FeedEvent) -> Void

    /// They come and go by themselves, own nothing and are owned by nobody.
    static let ignored: Set<String> = ["events"]
    static let pageSize = 500

    private struct State {
        var handlers: [Handler] = []
        var unsynced: Set<GroupVersionResource>
        var ended = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let api: any KubernetesAPI
    private let resources: [ServedResource]
    private let informers: SharedInformers?
    private let logger: Logger
    private let state: Mutex<State>

    /// `informers` are run by somebody else.
    init(api: any KubernetesAPI, resources: [ServedResource], informers: SharedInformers? = nil, logger: Logger) {
        self.api = api
        self.resources = resources.filter { !Self.ignored.contains($0.resource.resource) }
        self.informers = informers
        self.logger = logger
        state = Mutex(State(unsynced: Set(self.resources.map(\.resource))))
    }

    /// Before `run`. Called from one task a kind, in the order of the kind's changes; must return quickly.
    func onEvent(_ handler: @escaping Handler) { state.withLock { $0.handlers.append(handler) } }

    /// Suspends until every kind was listed once, or the feed ended.
    func waitUntilSynced() async {
        await withCheckedContinuation { continuation in
            let ready = state.withLock { state in
                if !state.unsynced.isEmpty, !state.ended { state.waiters.append(continuation) }
                return state.unsynced.isEmpty || state.ended
            }
            if ready { continuation.resume() }
        }
    }

    /// Follows all kinds until cancelled.
    func run() async {
        let copied = SharedInformers.copied
        await withTaskGroup(of: Void.self) { group in
            for served in resources where informers == nil || !copied.contains(served.resource) {
                group.addTask { await self.follow(served) }
            }
            guard let informers else { return }
            informers.onLife { [weak self] identity, metadata, isDeleted in
                self?.tell(isDeleted ? .deleted(identity, metadata) : .present(identity, metadata))
            }
            group.addTask {
                await informers.waitUntilSynced()
                self.release { $0.unsynced.subtract(copied) }
            }
        }
        release { $0.ended = true }
    }

    private func follow(_ served: ServedResource) async {
        var backoff = Backoff()
        while !Task.isCancelled {
            do {
                var revision = try await list(served)
                backoff.reset()
                while let next = try await watch(served, from: revision) { revision = next }
                try await Task.sleep(for: backoff.next())
            } catch let error as KubernetesAPIError where error.isGone {
                continue
            } catch {
                if Task.isCancelled { return }
                logger.debug("feed interrupted", metadata: ["kind": "\(served.kind)", "error": "\(error)"])
                try? await Task.sleep(for: backoff.next())
            }
        }
    }

    private func list(_ served: ServedResource) async throws -> String {
        let options = ListOptions(limit: Self.pageSize)
        let revision = try await api.forEachObject(served.resource, namespace: nil, options: options) { node, tape in
            if let (identity, metadata) = try Self.read(node, of: tape, served) { tell(.present(identity, metadata)) }
        }
        tell(.listed(served.resource))
        release { $0.unsynced.remove(served.resource) }
        return revision
    }

    private func watch(_ served: ServedResource, from revision: String) async throws -> String? {
        let stream = try await api.watch(served.resource, namespace: nil, options: ListOptions(resourceVersion: revision))
        defer { stream.cancel() }
        return try await withTaskCancellationHandler {
            var last = revision
            var seen = false
            while let batch = try await stream.next() {
                seen = true
                for event in batch { last = try take(event, served) ?? last }
            }
            try Task.checkCancellation()
            return seen ? last : nil
        } onCancel: {
            stream.cancel()
        }
    }

    private func take(_ event: RawWatchEvent, _ served: ServedResource) throws -> String? {
        let tape = try JSONTape(parsing: event.object)
        if event.kind == .error {
            let status = (try? JSON.decode(APIStatus.self, from: event.object)) ?? APIStatus(status: "Failure", code: 500)
            throw KubernetesAPIError.status(status)
        }
        if event.kind != .bookmark, let (identity, metadata) = try Self.read(tape.root, of: tape, served) {
            tell(event.kind == .deleted ? .deleted(identity, metadata) : .present(identity, metadata))
        }
        return tape.node(at: "metadata", "resourceVersion").flatMap { tape.string($0) }
    }

    static func read(_ object: JSONTape.Node, of tape: JSONTape, _ served: ServedResource) throws -> (
        ObjectIdentity, LifeMetadata
    )? {
        guard let metadata = tape.member(of: object, "metadata"),
            let name = tape.member(of: metadata, "name").flatMap({ tape.string($0) })
        else { return nil }
        let namespace = served.namespaced ? tape.member(of: metadata, "namespace").flatMap { tape.string($0) } : nil
        return (ObjectIdentity(resource: served.resource, namespace: namespace, name: name), try LifeMetadata(metadata, of: tape))
    }

    private func tell(_ event: FeedEvent) {
        for handler in state.withLock({ $0.handlers }) { handler(event) }
    }

    private func release(_ change: (inout State) -> Void) {
        let waiters = state.withLock { state in
            change(&state)
            guard state.unsynced.isEmpty || state.ended else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
