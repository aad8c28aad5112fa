// Keeps Endpoints and EndpointSlices of every service with a selector as its pods are. `ServiceMembers` knows whom a change
// touches, `EndpointsPlan` what the objects should say.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

final class EndpointsController: Sendable {
    typealias Key = ServiceMembers.Key

    static let workers = 4
    /// Pods of a service change in swarms: so long a swarm may gather.
    static let gathering = Duration.milliseconds(20)
    static let sliceIndex = "service"

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let slices: Informer<EndpointSlice>?
    private let logger: Logger
    private let queue = WorkQueue<Key>()
    private let members = Mutex(ServiceMembers())

    /// `withSlices` is false for a server that has no EndpointSlices.
    init(api: any KubernetesAPI, informers: SharedInformers, withSlices: Bool, logger: Logger) {
        self.api = api
        self.informers = informers
        self.logger = logger
        slices =
            withSlices
            ? Informer(
                api: api, options: ListOptions(labelSelector: "\(EndpointsPlan.managedByLabel)=\(EndpointsPlan.manager)"),
                indexes: [
                    Self.sliceIndex: { slice in
                        slice.metadata.labels[EndpointsPlan.serviceLabel].map { ["\(slice.metadata.namespace ?? "")/\($0)"] }
                            ?? []
                    }
                ], logger: logger) : nil
    }

    func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            if let slices { group.addTask { await slices.run() } }
            group.addTask { await self.work() }
        }
    }

    private func work() async {
        await informers.waitUntilSynced()
        await slices?.waitUntilSynced()
        follow()
        await queue.run(workers: Self.workers) { key, error in
            self.logger.debug(
                "endpoints not written; trying again", metadata: ["service": "\(key.namespace)/\(key.name)", "error": "\(error)"])
        } work: { key in
            try await self.bringUpToDate(key)
        }
    }

    private func follow() {
        informers.services.onEvent { event in
            let service = event.object
            if case .updated(let old, let new) = event, old.spec == new.spec, old.metadata.labels == new.metadata.labels {
                return
            }
            let key = Key(namespace: service.metadata.namespace ?? "", name: service.metadata.name)
            var selector: [String: String]? = service.spec.selector
            if case .deleted = event { selector = nil }
            self.members.withLock { $0.set(service: key, selector: selector) }
            self.queue.add(key)
        }
        informers.pods.onEvent { event in
            let pod = event.object
            if case .updated(let old, let new) = event, !Self.matters(old, new) { return }
            let key = Key(namespace: pod.namespace, name: pod.name)
            var labels: [String: String]? = pod.labels
            if case .deleted = event { labels = nil }
            if pod.isFinished { labels = nil }
            for service in self.members.withLock({ $0.set(pod: key, labels: labels) }) {
                self.queue.add(Key(namespace: key.namespace, name: service), after: Self.gathering)
            }
        }
        slices?.onEvent { event in
            // What somebody else changes or deletes is put right.
            let slice = event.object
            if case .added = event { return }
            if let service = slice.metadata.labels[EndpointsPlan.serviceLabel] {
                self.queue.add(Key(namespace: slice.metadata.namespace ?? "", name: service), after: Self.gathering)
            }
        }
    }

    private static func matters(_ old: PodView, _ new: PodView) -> Bool {
        old.uid != new.uid || old.labels != new.labels || old.isDeleting != new.isDeleting || old.nodeName != new.nodeName
            || old.addresses != new.addresses || old.phase != new.phase || old.isReady != new.isReady
    }

    private func bringUpToDate(_ key: Key) async throws {
        guard let service = informers.services.get(namespace: key.namespace, name: key.name) else { return try await remove(key) }
        guard !service.spec.selector.isEmpty, service.spec.type != "ExternalName" else { return }
        let pods = members.withLock { $0.pods(of: key) }.compactMap { informers.pods.get(namespace: key.namespace, name: $0) }
        let addresses = EndpointsPlan.addresses(service, pods)
        try await writeEndpoints(service, addresses)
        try await writeSlices(service, addresses, key)
    }

    /// The slices belong to the service by reference; Endpoints do so by name only.
    private func remove(_ key: Key) async throws {
        try await api.deleteIfPresent(Endpoints.self, namespace: key.namespace, name: key.name)
    }

    private func writeEndpoints(_ service: Service, _ addresses: [EndpointsPlan.Address]) async throws {
        let (subsets, isCut) = EndpointsPlan.subsets(addresses)
        var wanted = Endpoints(
            metadata: ObjectMeta(
                name: service.metadata.name, namespace: service.metadata.namespace, labels: service.metadata.labels),
            subsets: subsets)
        if service.spec.clusterIP == "None" { wanted.metadata.labels["service.kubernetes.io/headless"] = "" }
        if isCut { wanted.metadata.annotations[EndpointsPlan.overCapacity] = "truncated" }
        guard let present = try await api.find(Endpoints.self, namespace: service.metadata.namespace, name: service.metadata.name)
        else {
            do {
                try await api.create(wanted)
            } catch let error as KubernetesAPIError where error.isRefusal {
                return  // The namespace is being terminated.
            }
            return
        }
        if present.subsets == subsets, present.metadata.labels == wanted.metadata.labels { return }
        try await api.patch(
            Endpoints.self, namespace: service.metadata.namespace, name: service.metadata.name,
            merge: [
                "metadata": [
                    "resourceVersion": .string(present.metadata.resourceVersion ?? ""),
                    "annotations": [EndpointsPlan.overCapacity: isCut ? "truncated" : .null],
                    "labels": try JSON.encodeToValue(wanted.metadata.labels),
                ],
                "subsets": subsets.isEmpty ? .null : try JSON.encodeToValue(subsets),
            ])
    }

    private func writeSlices(_ service: Service, _ addresses: [EndpointsPlan.Address], _ key: Key) async throws {
        guard let slices else { return }
        let existing = slices.objects(in: Self.sliceIndex, "\(key.namespace)/\(key.name)").filter { slice in
            slice.metadata.ownerReferences.contains { $0.uid == service.metadata.uid }
        }
        let changes = EndpointsPlan.slices(service, addresses, existing: existing)
        for slice in changes.create {
            do {
                try await api.create(slice)
            } catch let error as KubernetesAPIError where error.isRefusal {
                return
            }
        }
        for slice in changes.update {
            try await api.patch(
                EndpointSlice.self, namespace: key.namespace, name: slice.metadata.name,
                merge: [
                    "metadata": ["resourceVersion": .string(slice.metadata.resourceVersion ?? "")],
                    "endpoints": try JSON.encodeToValue(slice.endpoints),
                    "ports": slice.ports.isEmpty ? .null : try JSON.encodeToValue(slice.ports),
                ])
        }
        for slice in changes.delete {
            try await api.deleteIfPresent(
                EndpointSlice.self, namespace: key.namespace, name: slice.metadata.name,
                options: DeleteOptions(uid: slice.metadata.uid))
        }
    }
}
