// Carries a namespace to its end: deletes what is in it, kind by kind, says what is left, and takes off the finalizer
// `kubernetes` when nothing is. A master that is killed anywhere begins again where the content stands.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

final class NamespaceController: Sendable {
    static let workers = 2
    static let pageSize = 500
    /// Content that ends by itself (pods in their grace) wakes us when it goes; this is for what nobody tells.
    static let lookAgain = Duration.seconds(5)
    static let finalizer = "kubernetes"

    private let api: any KubernetesAPI
    private let feed: ObjectFeed
    private let resources: [ServedResource]
    private let namespaces: Informer<Namespace>
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private let queue = WorkQueue<String>()
    private let terminating = Mutex<Set<String>>([])

    init(
        api: any KubernetesAPI, feed: ObjectFeed, resources: [ServedResource], namespaces: Informer<Namespace>,
        now: @escaping @Sendable () -> Timestamp, logger: Logger
    ) {
        self.api = api
        self.feed = feed
        self.resources = resources.filter(\.namespaced)
        self.namespaces = namespaces
        self.now = now
        self.logger = logger
        feed.onEvent { [weak self] event in
            guard case .deleted(let identity, _) = event, let self, let namespace = identity.namespace else { return }
            // A moment later, so that a thousand deletions are one look.
            if terminating.withLock({ $0.contains(namespace) }) { queue.add(namespace, after: .milliseconds(20)) }
        }
    }

    func run() async throws {
        namespaces.onEvent { event in
            let name = event.object.metadata.name
            if case .deleted = event { return self.terminating.withLock { _ = $0.remove(name) } }
            if event.object.metadata.deletionTimestamp != nil { self.queue.add(name) }
        }
        await queue.run(workers: Self.workers) { name, error in
            self.logger.debug("namespace not emptied; trying again", metadata: ["namespace": "\(name)", "error": "\(error)"])
        } work: { name in
            try await self.end(name)
        }
    }

    private func end(_ name: String) async throws {
        guard let namespace = try await api.find(Namespace.self, name: name), namespace.metadata.deletionTimestamp != nil else {
            return
        }
        terminating.withLock { _ = $0.insert(name) }
        var content = NamespaceContent()
        for served in resources {
            do {
                content.count(served.resource, try await empty(served, in: name))
            } catch {
                content.failures.append("\(served.resource): \(error)")
            }
        }
        if content.isEmpty { return try await finalize(name) }
        try await report(content, on: namespace)
        queue.add(name, after: Self.lookAgain)
    }

    /// Deletes all objects of a kind; returns what is still there afterwards.
    private func empty(_ served: ServedResource, in namespace: String) async throws -> [LifeMetadata] {
        let found = try await list(served, namespace)
        if found.isEmpty { return [] }
        for (identity, metadata) in found where !metadata.isDeleting {
            do {
                _ = try await api.delete(
                    served.resource, namespace: namespace, name: identity.name,
                    options: DeleteOptions(propagationPolicy: "Background", uid: metadata.uid))
            } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
                continue
            }
        }
        return try await list(served, namespace).map(\.1)
    }

    private func list(_ served: ServedResource, _ namespace: String) async throws -> [(ObjectIdentity, LifeMetadata)] {
        var found: [(ObjectIdentity, LifeMetadata)] = []
        var options = ListOptions(limit: Self.pageSize)
        repeat {
            let tape = try JSONTape(parsing: try await api.list(served.resource, namespace: namespace, options: options))
            options.continueToken = tape.node(at: "metadata", "continue").flatMap { tape.string($0) }
            for item in tape.node(at: "items").map({ Array(tape.elements(of: $0)) }) ?? [] {
                if let one = try ObjectFeed.read(item, of: tape, served) { found.append(one) }
            }
        } while options.continueToken?.isEmpty == false
        return found
    }

    private func report(_ content: NamespaceContent, on namespace: Namespace) async throws {
        let conditions = content.conditions(after: namespace.status.conditions, now: now())
        guard conditions != namespace.status.conditions else { return }
        do {
            try await api.patchStatus(
                Namespace.self, name: namespace.metadata.name,
                merge: ["status": ["conditions": try JSON.encodeToValue(conditions)]])
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
    }

    private func finalize(_ name: String) async throws {
        do {
            var document = try JSONValue(
                parsing: try await api.get(Namespace.resource, namespace: nil, name: name, subresource: nil))
            let left = (document["spec"]?["finalizers"]?.arrayValue ?? []).filter { $0.stringValue != Self.finalizer }
            document["spec"] = ["finalizers": .array(left)]
            _ = try await api.update(
                Namespace.resource, namespace: nil, name: name, subresource: "finalize", body: document.serialized())
        } catch let error as KubernetesAPIError where error.isNotFound {
            return
        }
        logger.info("namespace is empty", metadata: ["namespace": "\(name)"])
    }
}
