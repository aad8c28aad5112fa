// What copies use, as the cluster's own metrics say it (metrics.k8s.io: metrics-server, or whoever serves it there).
import JSON
import KubernetesClient
import KubernetesModel
import RuntimeInterface

extension ClusterPods {
    private static let metrics = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: "pods")
    /// Clusters measure every 15 s or less often.
    private static let statsInterval = Duration.seconds(10)
    /// Whoever asks for figures waits no longer than this.
    private static let statsPatience = Duration.seconds(3)
    /// Figures that could not be renewed for so long are none.
    private static let statsLife = Duration.seconds(120)

    struct Stats: Sendable {
        var askedAt: ContinuousClock.Instant
        var answeredAt: ContinuousClock.Instant?
        var pods: [RemotePodStats] = []
        /// It was said that the cluster tells nothing.
        var isMissing = false
    }

    public func podStats() async -> [RemotePodStats] {
        let now = ContinuousClock.now
        if let known = stats, now - known.askedAt < Self.statsInterval { return current(now) }
        stats = stats ?? Stats(askedAt: now)
        stats?.askedAt = now
        let (target, namespace) = (target, configuration.namespace)
        let options = ListOptions(labelSelector: "\(ClusterMark.node)=\(configuration.node)")
        do {
            let list = try await CallLimit.within(Self.statsPatience, "metrics of pods") {
                try await target.list(Self.metrics, namespace: namespace, options: options)
            }
            stats?.pods = read(try JSONValue(parsing: list))
            stats?.answeredAt = .now
            stats?.isMissing = false
        } catch {
            missing(error)
        }
        return current(.now)
    }

    private func current(_ now: ContinuousClock.Instant) -> [RemotePodStats] {
        guard let stats, let at = stats.answeredAt, now - at < Self.statsLife else { return [] }
        // Of pods that are still there: figures are older than what is known of pods.
        return stats.pods.filter { wishes[$0.uid] != nil && copy(of: $0.uid)?.hasEnded == false }
    }

    private func missing(_ error: any Error) {
        let code = (error as? KubernetesAPIError)?.code
        guard code == 404 || code == 403, stats?.isMissing == false else { return }
        stats?.isMissing = true
        logger.notice(
            "the cluster does not say what pods use: no figures for `kubectl top pod` of this node",
            metadata: ["resource": "pods.metrics.k8s.io", "error": "\(error)"])
    }

    private func read(_ list: JSONValue) -> [RemotePodStats] {
        (list["items"]?.arrayValue ?? []).compactMap { item in
            guard let name = item[path: "metadata", "name"]?.stringValue,
                let copy = copies.get(namespace: configuration.namespace, name: name),
                let uid = copy.metadata.labels[ClusterMark.podUID], let wish = wishes[uid]
            else { return nil }
            let containers = (item["containers"]?.arrayValue ?? []).compactMap { container -> RemotePodStats.Container? in
                guard let label = container["name"]?.stringValue else { return nil }
                func amount(_ what: String) -> Quantity? {
                    container[path: "usage", what]?.stringValue.flatMap { try? Quantity($0) }
                }
                return RemotePodStats.Container(
                    name: label, cpuNanoCores: Self.sane(amount("cpu")?.nanoValue ?? 0),
                    workingSetBytes: Self.sane(amount("memory")?.value ?? 0))
            }
            let measured = item["timestamp"]?.stringValue.flatMap(Timestamp.init) ?? now()
            return RemotePodStats(
                uid: uid, namespace: wish.metadata.namespace ?? "", name: wish.metadata.name,
                startedAt: Self.sane(copy.status.startTime?.unixSeconds ?? 0, Self.latestSecond),
                measuredAt: Self.sane(measured.unixSeconds, Self.latestSecond), containers: containers)
        }
    }

    /// In nanoseconds it is still a number (year 2255).
    private static let latestSecond: Int64 = 9_000_000_000

    /// Another's figures are added up here: none may be so large that a sum overflows.
    private static func sane(_ value: Int64, _ limit: Int64 = 1 << 52) -> Int64 { min(max(value, 0), limit) }
}
