// Counts what the objects of a namespace use of its quotas and writes it into their status. Admission counts what comes
// (in the same commit as the object); this counts again when something goes, changes, or the quota is new.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Synchronization

/// I-QUOTA-1: a count is written only over the quota that was read before counting. Whatever is admitted meanwhile changes
/// the quota, so the write is a conflict and the count is made anew: nothing is ever counted out.
final class QuotaController: Sendable {
    /// Deletions come in swarms: so long a swarm may gather.
    static let gathering = Duration.milliseconds(200)
    static let pageSize = 500

    private let api: any KubernetesAPI
    private let quotas: Informer<ResourceQuota>
    private let resources: [ServedResource]
    private let logger: Logger
    private let queue = WorkQueue<String>()
    /// Namespaces that have a quota: nothing else is counted.
    private let limited = Mutex<[String: Set<String>]>([:])

    init(api: any KubernetesAPI, feed: ObjectFeed, informers: SharedInformers, resources: [ServedResource], logger: Logger) {
        self.api = api
        quotas = Informer(api: api, logger: logger)
        self.resources = resources.filter(\.namespaced)
        self.logger = logger
        feed.onEvent { [weak self] event in
            guard case .deleted(let identity, _) = event else { return }
            self?.changed(identity.namespace)
        }
        informers.pods.onEvent { [weak self] event in
            // One that ends gives back what it had; one that is made was counted when it was admitted.
            guard case .updated(let old, let new) = event, old.isFinished != new.isFinished else {
                return
            }
            self?.changed(new.namespace)
        }
    }

    private func changed(_ namespace: String?) {
        guard let namespace, limited.withLock({ $0[namespace] != nil }) else { return }
        queue.add(namespace, after: Self.gathering)
    }

    func run() async throws {
        quotas.onEvent { event in
            let quota = event.object
            let namespace = quota.metadata.namespace ?? ""
            if case .deleted = event {
                return self.limited.withLock { limited in
                    limited[namespace]?.remove(quota.metadata.name)
                    if limited[namespace]?.isEmpty ?? false { limited[namespace] = nil }
                }
            }
            self.limited.withLock { _ = $0[namespace, default: []].insert(quota.metadata.name) }
            if quota.status.hard != quota.spec.hard { self.queue.add(namespace) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.quotas.run() }
            group.addTask {
                await self.quotas.waitUntilSynced()
                for namespace in self.limited.withLock({ Array($0.keys) }) { self.queue.add(namespace) }
                await self.queue.run(workers: 2) { namespace, error in
                    self.logger.debug(
                        "quota not counted; trying again", metadata: ["namespace": "\(namespace)", "error": "\(error)"])
                } work: { namespace in
                    for name in self.limited.withLock({ Array($0[namespace] ?? []) }) { try await self.count(namespace, name) }
                }
            }
        }
    }

    private func count(_ namespace: String, _ name: String) async throws {
        guard let quota = try await api.find(ResourceQuota.self, namespace: namespace, name: name) else { return }
        var usage = QuotaUsage()
        for served in resources where Self.concerns(quota.spec, served.resource) {
            usage += try await self.usage(of: served, quota)
        }
        let status = ResourceQuotaStatus(hard: quota.spec.hard, used: usage.counted(by: quota.spec.hard))
        if status == quota.status { return }
        try await api.patchStatus(
            ResourceQuota.self, namespace: namespace, name: name,
            merge: [
                "metadata": ["resourceVersion": .string(quota.metadata.resourceVersion ?? "")],
                "status": [
                    "hard": try Self.replacing(quota.status.hard, by: status.hard),
                    "used": try Self.replacing(quota.status.used, by: status.used),
                ],
            ])
    }

    /// Names that are no longer limited go.
    private static func replacing(_ old: [String: Quantity], by new: [String: Quantity]) throws -> JSONValue {
        var merge = try JSON.encodeToValue(new)
        for name in old.keys where new[name] == nil { merge[name] = .null }
        return merge
    }

    private static func concerns(_ spec: ResourceQuotaSpec, _ resource: GroupVersionResource) -> Bool {
        if resource == Pod.resource { return true }
        if spec.hasScopes { return false }
        let plain = resource.group.isEmpty ? resource.resource : ""
        return spec.hard.keys.contains {
            $0 == "count/\(resource)" || $0 == plain || (plain == "services" && $0.hasPrefix("services."))
        }
    }

    private func usage(of served: ServedResource, _ quota: ResourceQuota) async throws -> QuotaUsage {
        let namespace = quota.metadata.namespace
        if served.resource == Pod.resource {
            let pods = try await api.listAll(Pod.self, namespace: namespace).items.filter { quota.spec.covers($0) }
            return pods.reduce(into: QuotaUsage()) { $0 += QuotaUsage($1) }
        }
        if served.resource == Service.resource {
            return try await api.listAll(Service.self, namespace: namespace).items.reduce(into: QuotaUsage()) {
                $0 += QuotaUsage($1)
            }
        }
        var count = 0
        var options = ListOptions(limit: Self.pageSize)
        repeat {
            let tape = try JSONTape(parsing: try await api.list(served.resource, namespace: namespace, options: options))
            count += tape.node(at: "items").map { items in tape.elements(of: items).reduce(0) { sum, _ in sum + 1 } } ?? 0
            options.continueToken = tape.node(at: "metadata", "continue").flatMap { tape.string($0) }
        } while options.continueToken?.isEmpty == false
        return count == 0 ? QuotaUsage() : QuotaUsage(objectsOf: served.resource, count: count)
    }
}
