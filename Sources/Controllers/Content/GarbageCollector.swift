// Deletes what belongs to nobody any more, and lets owners go that waited for their dependents. `OwnerGraph` knows who
// belongs to whom, `GarbageDecision` decides; whether an owner is gone is asked of the server itself each time.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging
import Synchronization

final class GarbageCollector: Sendable {
    static let workers = 4

    private let api: any KubernetesAPI
    private let feed: ObjectFeed
    private let recorder: EventRecorder
    private let logger: Logger
    private let queue = WorkQueue<ObjectIdentity>()
    private let graph = Mutex(OwnerGraph())
    private let kinds: [GroupVersionResource: ServedResource]
    /// Group and kind -> where it is served, whatever version a reference names.
    private let places: [String: ServedResource]

    init(api: any KubernetesAPI, feed: ObjectFeed, resources: [ServedResource], recorder: EventRecorder, logger: Logger) {
        self.api = api
        self.feed = feed
        self.recorder = recorder
        self.logger = logger
        kinds = Dictionary(resources.map { ($0.resource, $0) }, uniquingKeysWith: { first, _ in first })
        places = Dictionary(resources.map { ("\($0.resource.group)/\($0.kind)", $0) }, uniquingKeysWith: { first, _ in first })
        feed.onEvent { [weak self] event in self?.take(event) }
    }

    private func take(_ event: FeedEvent) {
        let affected = graph.withLock { graph in
            switch event {
            case .present(let identity, let metadata): graph.set(identity, metadata)
            case .deleted(let identity, let metadata): graph.remove(identity, uid: metadata.uid)
            case .listed: graph.recheck()
            }
        }
        for identity in affected { queue.add(identity) }
    }

    func run() async throws {
        // Before that, dependents may exist that nobody told us of.
        await feed.waitUntilSynced()
        await queue.run(workers: Self.workers) { identity, error in
            self.logger.debug("collecting failed; trying again", metadata: ["object": "\(identity)", "error": "\(error)"])
        } work: { identity in
            try await self.examine(identity)
        }
    }

    // MARK: One object

    private func examine(_ identity: ObjectIdentity) async throws {
        // A thousand dependents of one owner ask for it once.
        if graph.withLock({ $0.isSettled(identity) }) { return }
        guard let (metadata, revision) = try await read(identity) else { return }
        if metadata.isDeleting {
            if metadata.finalizers.contains(OwnerGraph.orphan) { return try await orphan(identity, metadata, revision) }
            if metadata.finalizers.contains(OwnerGraph.foreground) { try await foreground(identity, metadata, revision) }
            return
        }
        var owners: [(owner: OwnerReference, state: OwnerState)] = []
        for owner in metadata.owners {
            let state = try await state(of: owner, for: identity)
            owners.append((owner, state))
            // One that stands is enough, unless another must be taken off the list.
            if state == .present, metadata.owners.count == 1 { return }
        }
        let hasDependents = graph.withLock { !$0.dependents(of: metadata.uid).isEmpty }
        switch GarbageDecision.decide(metadata, owners: owners, hasDependents: hasDependents) {
        case .keep: return
        case .dropOwners(let uids): try await drop(uids, from: identity, metadata, revision)
        case .delete(let policy):
            logger.debug("collecting", metadata: ["object": "\(identity)", "policy": "\(policy)"])
            try await delete(identity, uid: metadata.uid, policy: policy)
        }
    }

    private func delete(_ identity: ObjectIdentity, uid: String, policy: String) async throws {
        do {
            _ = try await api.delete(
                identity.resource, namespace: identity.namespace, name: identity.name,
                options: DeleteOptions(propagationPolicy: policy, uid: uid))
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return  // Gone already, or another object under the same name.
        }
    }

    /// Its dependents go first: each of them finds that this owner waits for it.
    private func foreground(_ identity: ObjectIdentity, _ metadata: LifeMetadata, _ revision: String) async throws {
        let (dependents, blocking) = graph.withLock { ($0.dependents(of: metadata.uid), $0.blocking(metadata.uid)) }
        for dependent in dependents { queue.add(dependent) }
        if !blocking.isEmpty { return }
        try await remove(finalizer: OwnerGraph.foreground, from: identity, metadata, revision)
    }

    /// Its dependents forget it first.
    private func orphan(_ identity: ObjectIdentity, _ metadata: LifeMetadata, _ revision: String) async throws {
        for dependent in graph.withLock({ $0.dependents(of: metadata.uid) }) {
            guard let (its, version) = try await read(dependent), its.owners.contains(where: { $0.uid == metadata.uid }) else {
                continue
            }
            try await drop([metadata.uid], from: dependent, its, version)
        }
        try await remove(finalizer: OwnerGraph.orphan, from: identity, metadata, revision)
    }

    private func drop(_ uids: [String], from identity: ObjectIdentity, _ metadata: LifeMetadata, _ revision: String) async throws
    {
        let left = metadata.owners.filter { !uids.contains($0.uid) }
        try await patch(identity, metadata, revision, ["ownerReferences": left.isEmpty ? .null : try JSON.encodeToValue(left)])
    }

    private func remove(
        finalizer: String, from identity: ObjectIdentity, _ metadata: LifeMetadata, _ revision: String
    ) async throws {
        let left = metadata.finalizers.filter { $0 != finalizer }.map { JSONValue.string($0) }
        try await patch(identity, metadata, revision, ["finalizers": left.isEmpty ? .null : .array(left)])
    }

    /// Only over what was seen: a conflict is an error, and the object is looked at again.
    private func patch(_ identity: ObjectIdentity, _ seen: LifeMetadata, _ revision: String, _ change: JSONValue) async throws {
        var metadata = change
        metadata["uid"] = .string(seen.uid)
        metadata["resourceVersion"] = .string(revision)
        let body: JSONValue = ["metadata": metadata]
        do {
            _ = try await api.patch(
                identity.resource, namespace: identity.namespace, name: identity.name, subresource: nil, type: .merge,
                body: body.serialized())
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
    }

    // MARK: Reading

    /// The object as the server has it now. One that is gone is taken out of the graph.
    private func read(_ identity: ObjectIdentity) async throws -> (LifeMetadata, revision: String)? {
        guard let served = kinds[identity.resource] else { return nil }
        do {
            let tape = try JSONTape(
                parsing: try await api.get(
                    identity.resource, namespace: identity.namespace, name: identity.name, subresource: nil))
            guard let (_, metadata) = try ObjectFeed.read(tape.root, of: tape, served) else { return nil }
            return (metadata, tape.node(at: "metadata", "resourceVersion").flatMap { tape.string($0) } ?? "")
        } catch let error as KubernetesAPIError where error.isNotFound {
            let affected = graph.withLock { graph in graph.entries[identity].map { graph.remove(identity, uid: $0.uid) } ?? [] }
            for one in affected { queue.add(one) }
            return nil
        }
    }

    private func state(of owner: OwnerReference, for dependent: ObjectIdentity) async throws -> OwnerState {
        let group = owner.apiVersion.contains("/") ? String(owner.apiVersion.prefix { $0 != "/" }) : ""
        guard let served = places["\(group)/\(owner.kind)"] else { return .unresolvable }
        if served.namespaced, dependent.namespace == nil {
            invalid(owner, dependent)
            return .unresolvable
        }
        let removals = graph.withLock { $0.removals }
        for namespace in Self.namespaces(served, dependent) {
            let identity = ObjectIdentity(resource: served.resource, namespace: namespace, name: owner.name)
            guard let (found, _) = try await read(identity), found.uid == owner.uid else { continue }
            if found.isDeleting, found.finalizers.contains(OwnerGraph.foreground) { return .waitsForDependents }
            graph.withLock { $0.confirm(owner.uid, asOf: removals) }
            return .present
        }
        if served.namespaced, try await livesElsewhere(owner, served, dependent) { invalid(owner, dependent) }
        return .absent
    }

    /// Kuscia's jobs and tasks live in `cross-domain` and own objects of the domains; all other owners live with what they own.
    private static func namespaces(_ owner: ServedResource, _ dependent: ObjectIdentity) -> [String?] {
        guard owner.namespaced else { return [nil] }
        guard owner.resource.group == KusciaTask.resource.group, dependent.namespace != Kuscia.crossDomainNamespace else {
            return [dependent.namespace]
        }
        return [Kuscia.crossDomainNamespace, dependent.namespace]
    }

    /// Only to tell the user what is wrong: an owner in another namespace counts as absent all the same.
    private func livesElsewhere(_ owner: OwnerReference, _ served: ServedResource, _ dependent: ObjectIdentity) async throws
        -> Bool
    {
        let list = try await api.list(
            served.resource, namespace: nil, options: ListOptions(fieldSelector: "metadata.name=\(owner.name)", limit: 100))
        let tape = try JSONTape(parsing: list)
        return tape.node(at: "items").map { items in
            tape.elements(of: items).contains { item in
                tape.member(of: item, "metadata").flatMap { tape.member(of: $0, "uid") }.flatMap { tape.string($0) } == owner.uid
            }
        } ?? false
    }

    private func invalid(_ owner: OwnerReference, _ dependent: ObjectIdentity) {
        guard let served = kinds[dependent.resource] else { return }
        let subject = EventSubject(
            ObjectReference(
                apiVersion: dependent.resource.apiVersion, kind: served.kind, namespace: dependent.namespace, name: dependent.name
            ))
        recorder.record(
            subject, .warning, reason: "OwnerRefInvalidNamespace",
            message: "ownerRef [\(owner.apiVersion)/\(owner.kind), namespace: \(dependent.namespace ?? ""), name: \(owner.name), "
                + "uid: \(owner.uid)] does not exist in namespace \"\(dependent.namespace ?? "")\"")
    }
}
