// Deletes what belongs to nobody any more: objects all of whose owners (ownerReferences) are gone. Kubernetes' background
// propagation: the owner goes at once, its children follow.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

public struct GarbageCollector: Sendable {
    /// A child by its endpoint and name.
    struct Child: Hashable, Sendable {
        var resource: GroupVersionResource
        var namespace: String?
        var name: String
    }

    static let workers = 2

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let logger: Logger
    private let queue = WorkQueue<Child>()

    public init(api: any KubernetesAPI, informers: SharedInformers, logger: Logger) {
        self.api = api
        self.informers = informers
        self.logger = logger
    }

    public func run() async throws {
        followChildren(of: informers.tasks)
        followChildren(of: informers.pods)
        followChildren(of: informers.configMaps)
        followChildren(of: informers.services)
        followOwners(informers.jobs)
        followOwners(informers.tasks)
        followOwners(informers.pods)
        await informers.waitUntilSynced()
        await queue.run(workers: Self.workers) { child, error in
            logger.debug("collecting failed; trying again", metadata: ["child": "\(child.resource) \(child.name)", "error": "\(error)"])
        } work: { child in
            try await collect(child)
        }
    }

    /// A child that appears after its owner went is looked at too.
    private func followChildren<T: KubernetesObject>(of informer: Informer<T>) {
        informer.onEvent { event in
            guard case .added(let object) = event, !object.metadata.ownerReferences.isEmpty else { return }
            queue.add(Self.child(object))
        }
    }

    private func followOwners<T: KubernetesObject>(_ informer: Informer<T>) {
        informer.onEvent { event in
            guard case .deleted(let owner) = event, let uid = owner.metadata.uid else { return }
            for child in children(of: uid) { queue.add(child) }
        }
    }

    private func children(of uid: String) -> [Child] {
        func owned<T: KubernetesObject>(_ informer: Informer<T>) -> [Child] {
            informer.objects.filter { $0.metadata.ownerReferences.contains { $0.uid == uid } }.map(Self.child)
        }
        return owned(informers.tasks) + owned(informers.pods) + owned(informers.configMaps) + owned(informers.services)
    }

    private func collect(_ child: Child) async throws {
        guard let metadata = metadata(of: child), !metadata.ownerReferences.isEmpty, metadata.deletionTimestamp == nil else { return }
        for owner in metadata.ownerReferences {
            // An owner of a kind that is not followed here is none of our business.
            guard let resource = Self.resources[owner.kind] else { return }
            if try await exists(owner, resource, near: child.namespace) { return }
        }
        logger.debug("collecting", metadata: ["child": "\(child.resource) \(child.namespace ?? "")/\(child.name)"])
        do {
            _ = try await api.delete(
                child.resource, namespace: child.namespace, name: child.name, options: DeleteOptions(uid: metadata.uid))
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return  // Gone already, or another object under the same name.
        }
    }

    private func metadata(of child: Child) -> ObjectMeta? {
        switch child.resource {
        case KusciaTask.resource: informers.tasks.get(namespace: child.namespace, name: child.name)?.metadata
        case Pod.resource: informers.pods.get(namespace: child.namespace, name: child.name)?.metadata
        case ConfigMap.resource: informers.configMaps.get(namespace: child.namespace, name: child.name)?.metadata
        case Service.resource: informers.services.get(namespace: child.namespace, name: child.name)?.metadata
        default: nil
        }
    }

    /// The local copy may lag behind, so only the server's own answer counts as "gone". Owners of children in a domain's
    /// namespace live in `cross-domain` (Kuscia's layout).
    private func exists(_ owner: OwnerReference, _ resource: GroupVersionResource, near namespace: String?) async throws -> Bool {
        for place in Set([namespace, Kuscia.crossDomainNamespace]) {
            do {
                let found = try await api.get(resource, namespace: place, name: owner.name, subresource: nil)
                let tape = try JSONTape(parsing: found)
                if tape.node(at: "metadata", "uid").flatMap({ tape.string($0) }) == owner.uid { return true }
            } catch let error as KubernetesAPIError where error.isNotFound {
                continue
            }
        }
        return false
    }

    private static let resources: [String: GroupVersionResource] = [
        KusciaJob.kind: KusciaJob.resource, KusciaTask.kind: KusciaTask.resource, Pod.kind: Pod.resource,
    ]

    private static func child<T: KubernetesObject>(_ object: T) -> Child {
        Child(resource: T.resource, namespace: object.metadata.namespace, name: object.metadata.name)
    }
}
