// What every namespace has from its first moment: the service account `default`, and the cluster's certificate authority
// where pods look for it.
import KubernetesClient
import KubernetesModel
import Logging

final class NamespaceDefaultsController: Sendable {
    static let serviceAccount = "default"
    static let authorityMap = "kube-root-ca.crt"

    private let api: any KubernetesAPI
    private let namespaces: Informer<Namespace>
    private let configMaps: Informer<ConfigMap>
    /// PEM; nil leaves the map out.
    private let authority: String?
    private let logger: Logger
    private let queue = WorkQueue<String>()

    init(
        api: any KubernetesAPI, feed: ObjectFeed, namespaces: Informer<Namespace>, configMaps: Informer<ConfigMap>,
        authority: String?,
        logger: Logger
    ) {
        self.api = api
        self.namespaces = namespaces
        self.configMaps = configMaps
        self.authority = authority
        self.logger = logger
        feed.onEvent { [weak self] event in
            // What somebody deletes comes back.
            guard case .deleted(let identity, _) = event, let namespace = identity.namespace else { return }
            let isAccount = identity.resource == ServiceAccount.resource && identity.name == Self.serviceAccount
            let isMap = identity.resource == ConfigMap.resource && identity.name == Self.authorityMap
            if isAccount || isMap { self?.queue.add(namespace) }
        }
    }

    func run() async throws {
        namespaces.onEvent { event in
            if case .deleted = event { return }
            if event.object.metadata.deletionTimestamp == nil { self.queue.add(event.object.metadata.name) }
        }
        configMaps.onEvent { event in
            let map = event.object
            guard map.metadata.name == Self.authorityMap, map.data["ca.crt"] != self.authority,
                let namespace = map.metadata.namespace
            else { return }
            self.queue.add(namespace)
        }
        await namespaces.waitUntilSynced()
        await queue.run(workers: 2) { name, error in
            self.logger.debug("defaults not made; trying again", metadata: ["namespace": "\(name)", "error": "\(error)"])
        } work: { name in
            try await self.provide(name)
        }
    }

    private func provide(_ namespace: String) async throws {
        guard let found = namespaces.get(name: namespace), found.metadata.deletionTimestamp == nil else { return }
        do {
            try await api.createIfAbsent(ServiceAccount(metadata: ObjectMeta(name: Self.serviceAccount, namespace: namespace)))
            guard let authority else { return }
            let map = ConfigMap(metadata: ObjectMeta(name: Self.authorityMap, namespace: namespace), data: ["ca.crt": authority])
            let present = try await api.createIfAbsent(map)
            if present.data["ca.crt"] == authority { return }
            try await api.patch(
                ConfigMap.self, namespace: namespace, name: Self.authorityMap, merge: ["data": ["ca.crt": .string(authority)]])
        } catch let error as KubernetesAPIError where error.isNotFound || error.isRefusal {
            // The namespace went away or is about to; its next event brings us back if not.
            if let now = try await api.find(Namespace.self, name: namespace), now.metadata.deletionTimestamp == nil {
                throw error
            }
        }
    }
}
