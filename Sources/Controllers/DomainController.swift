// Gives each domain what it needs to take part: a namespace of its name, with the quota that the domain asks for, a deploy token
// that its next Lite can register with, and a report of its nodes.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

public struct DomainController: Sendable {
    /// Kuscia's length of a deploy token.
    public static let tokenLength = 32

    private let api: any KubernetesAPI
    private let informers: SharedInformers
    private let now: @Sendable () -> Timestamp
    private let makeToken: @Sendable () -> String
    private let logger: Logger
    private let queue = WorkQueue<String>()

    /// `makeToken` returns a fresh unguessable text of `tokenLength` letters and digits.
    public init(
        api: any KubernetesAPI, informers: SharedInformers, now: @escaping @Sendable () -> Timestamp,
        makeToken: @escaping @Sendable () -> String = DomainController.randomToken, logger: Logger
    ) {
        self.api = api
        self.informers = informers
        self.now = now
        self.makeToken = makeToken
        self.logger = logger
    }

    /// 190 bits from the system's generator.
    public static func randomToken() -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        var generator = SystemRandomNumberGenerator()
        return String((0..<tokenLength).map { _ in letters[Int.random(in: 0..<letters.count, using: &generator)] })
    }

    public func run() async throws {
        informers.domains.onEvent { event in
            let name = event.object.metadata.name
            // Mostly our own report.
            if case .updated(let old, let new) = event, old.status.nodeStatuses != new.status.nodeStatuses {
                return queue.add(name, after: reportPause(name))
            }
            queue.add(name)
        }
        informers.nodes.onEvent { event in
            // A heartbeat changes nothing that is told here.
            if case .updated(let old, let new) = event, old.status.isReady == new.status.isReady,
                old.metadata.labels == new.metadata.labels,
                old.status.nodeInfo?.kubeletVersion == new.status.nodeInfo?.kubeletVersion
            {
                return
            }
            if let domain = event.object.metadata.labels[KusciaLabel.nodeNamespace] {
                queue.add(domain, after: reportPause(domain))
            }
        }
        await informers.waitUntilSynced()
        await queue.run(workers: 1) { name, error in
            logger.warning("domain not brought up to date; trying again", metadata: ["domain": "\(name)", "error": "\(error)"])
        } work: { name in
            try await bringUpToDate(name)
        }
    }

    /// A report names every node of its domain: the longer it is, the more changes share one. A second at 5,000 nodes, nothing to
    /// speak of at a few.
    private func reportPause(_ domain: String) -> Duration {
        .microseconds(200 * informers.nodes.count(in: NodeIndex.domain, domain))
    }

    private func bringUpToDate(_ name: String) async throws {
        guard let domain = informers.domains.get(name: name) else { return }
        try await ensureNamespace(name)
        try await ensureQuota(of: domain)
        var status = domain.status
        if !status.deployTokenStatuses.contains(where: { $0.state == "unused" }) {
            status.deployTokenStatuses = status.deployTokenStatuses.suffix(1)
            status.deployTokenStatuses.append(DeployTokenStatus(token: makeToken(), state: "unused", lastTransitionTime: now()))
        }
        status.nodeStatuses = nodeStatuses(of: name)
        guard status != domain.status else { return }
        var merge: JSONValue = ["status": try JSON.encodeToValue(status)]
        // An empty array is left out of an encoded view, and a merge patch would then keep the old one.
        if status.nodeStatuses.isEmpty { merge["status"]?["nodeStatuses"] = [] }
        // A stale copy must not bring a used token back.
        merge["metadata"] = ["resourceVersion": .string(domain.metadata.resourceVersion ?? "")]
        try await api.patchStatus(Domain.self, name: name, merge: merge)
    }

    private func ensureNamespace(_ name: String) async throws {
        let namespace = Namespace(metadata: ObjectMeta(name: name, labels: [KusciaLabel.domain: name]))
        do {
            try await api.create(namespace)
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            return
        }
    }

    /// Kuscia's name for the quota of a domain's namespace.
    static let quotaName = "resource-limitation"

    /// `podMaxCount` as the quota of the domain's namespace; without it there is none of ours.
    private func ensureQuota(of domain: Domain) async throws {
        let name = domain.metadata.name
        let present = try await api.find(ResourceQuota.self, namespace: name, name: Self.quotaName)
        let isOurs = present?.metadata.labels[KusciaLabel.domain] == name
        guard let count = domain.spec.resourceQuota?.podMaxCount else {
            if isOurs { try await api.deleteIfPresent(ResourceQuota.self, namespace: name, name: Self.quotaName) }
            return
        }
        let hard = ["pods": Quantity(Int64(count))]
        if present == nil {
            let metadata = ObjectMeta(name: Self.quotaName, namespace: name, labels: [KusciaLabel.domain: name])
            try await api.createIfAbsent(ResourceQuota(metadata: metadata, spec: ResourceQuotaSpec(hard: hard)))
        } else if isOurs, present?.spec.hard != hard {
            let change: JSONValue = ["spec": ["hard": ["pods": .int(Int64(count))]]]
            try await api.patch(ResourceQuota.self, namespace: name, name: Self.quotaName, merge: change)
        }
    }

    private func nodeStatuses(of domain: String) -> [DomainNodeStatus] {
        informers.nodes.objects(in: NodeIndex.domain, domain)
            .sorted { $0.metadata.name < $1.metadata.name }
            .map { node in
                let ready = node.status.conditions.first { $0.type == "Ready" }
                return DomainNodeStatus(
                    name: node.metadata.name, version: node.status.nodeInfo?.kubeletVersion,
                    status: node.status.isReady ? "Ready" : "NotReady", lastTransitionTime: ready?.lastTransitionTime)
            }
    }
}
