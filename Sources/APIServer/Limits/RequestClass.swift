// Which requests are counted and queued, at which level and price, and how large a caller's requests may be. Pure.

public enum RequestClass: Sendable, Hashable {
    /// Never waits: what keeps the cluster alive must not stand behind what loads it.
    case exempt
    case queued(FairQueue.Level, cost: Int)

    /// `path` without query. `isLongRunning`: a watch, a log that follows, a tunnel; it has a seat only until it has begun.
    public init(user: UserInfo, method: HTTPMethodName, path: String, isLongRunning: Bool) {
        let isNode = user.groups.contains(NodeIdentity.nodesGroup)
        if user.groups.contains(SystemGroup.masters) || OpenPaths.all.contains(path) || (isNode && Self.isHeartbeat(path)) {
            self = .exempt
            return
        }
        let level: FairQueue.Level
        if isNode || user.name.hasPrefix("system:kube-") {
            level = .system
        } else if user.groups.contains(NodeIdentity.deployTokensGroup) || !user.groups.contains(SystemGroup.authenticated) {
            level = .guest
        } else {
            level = .workload
        }
        self = .queued(level, cost: Self.cost(method, path, isLongRunning: isLongRunning))
    }

    /// Leases, node status and the tunnel, by which a node is known to live.
    private static func isHeartbeat(_ path: String) -> Bool {
        path.hasPrefix("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
            || (path.hasPrefix("/api/v1/nodes/") && path.hasSuffix("/status")) || path.hasPrefix("/apis/swiftlet.io/")
    }

    /// A read of many objects costs most, a write more than a read of one.
    private static func cost(_ method: HTTPMethodName, _ path: String, isLongRunning: Bool) -> Int {
        switch method {
        case .get, .head: isLongRunning ? 2 : isCollection(path) ? FairQueue.quantum : 1
        case .delete: isCollection(path) ? FairQueue.quantum : 2
        case .post, .put, .patch, .options: 2
        }
    }

    /// Whether the path ends with a resource and not with a name: /api/v1/[namespaces/N/]pods.
    private static func isCollection(_ path: String) -> Bool {
        let parts = path.split(separator: "/")
        let prefix = parts.first == "api" ? 2 : parts.first == "apis" ? 3 : 0
        guard prefix > 0, parts.count > prefix else { return false }
        let rest = parts.count - prefix
        return parts[prefix] == "namespaces" ? rest == 1 || rest == 3 : rest == 1
    }
}

public enum RequestSize {
    /// Whoever has only a deploy token asks for a certificate, which takes a few kilobytes.
    static let guestBytes = 64 << 10

    /// Largest body of a request.
    public static func maximumBytes(for user: UserInfo) -> Int {
        user.groups.contains(NodeIdentity.deployTokensGroup) || !user.groups.contains(SystemGroup.authenticated)
            ? guestBytes : APIHandler.maximumBodyBytes
    }
}
