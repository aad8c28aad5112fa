// What objects cost against a quota (kubernetes.io/docs/concepts/policy/resource-quotas): pure, the same for the check of a
// write and for the count of what there is.

/// Amounts by the names that a quota limits.
public struct QuotaUsage: Sendable, Hashable {
    public private(set) var amounts: [String: Quantity]

    public init(_ amounts: [String: Quantity] = [:]) { self.amounts = amounts }

    /// Objects of a kind that is not a pod: by count, and services by their type.
    public init(objectsOf resource: GroupVersionResource, count: Int = 1) {
        amounts = ["count/\(resource)": Quantity(Int64(count))]
        if resource.group.isEmpty, Self.plainCounts.contains(resource.resource) {
            amounts[resource.resource] = Quantity(Int64(count))
        }
    }

    /// Kinds that a quota may name without "count/".
    public static let plainCounts: Set<String> = [
        "pods", "services", "secrets", "configmaps", "resourcequotas", "replicationcontrollers", "persistentvolumeclaims",
    ]

    public init(_ service: Service) {
        self.init(objectsOf: Service.resource)
        if service.spec.type == "LoadBalancer" { amounts["services.loadbalancers"] = Quantity(1) }
        if service.spec.type == "NodePort" || service.spec.type == "LoadBalancer" {
            amounts["services.nodeports"] = Quantity(Int64(service.spec.ports.count))
        }
    }

    /// A pod that has ended counts as an object only.
    public init(_ pod: Pod) {
        amounts = ["count/pods": Quantity(1)]
        if pod.status.phase?.isFinished == true { return }
        amounts["pods"] = Quantity(1)
        let requests = Self.total(pod.spec) { $0.limits.merging($0.requests) { $1 } }
        let limits = Self.total(pod.spec) { $0.limits }
        for (name, amount) in requests {
            amounts["requests.\(name)"] = amount
            if ["cpu", "memory", "ephemeral-storage"].contains(name) { amounts[name] = amount }
        }
        for (name, amount) in limits { amounts["limits.\(name)"] = amount }
    }

    /// Containers and sidecars together, or the largest init container if that is more; the overhead on top of either.
    private static func total(_ spec: PodSpec, _ of: (ResourceRequirements) -> [String: Quantity]) -> [String: Quantity] {
        var sum: [String: Quantity] = [:]
        for container in spec.containers + spec.initContainers.filter({ $0.restartPolicy == "Always" }) {
            sum.merge(of(container.resources)) { $0 + $1 }
        }
        for container in spec.initContainers where container.restartPolicy != "Always" {
            sum.merge(of(container.resources)) { max($0, $1) }
        }
        sum.merge(spec.overhead) { $0 + $1 }
        return sum
    }

    public static func + (left: QuotaUsage, right: QuotaUsage) -> QuotaUsage {
        QuotaUsage(left.amounts.merging(right.amounts) { $0 + $1 })
    }

    public static func += (left: inout QuotaUsage, right: QuotaUsage) { left.amounts.merge(right.amounts) { $0 + $1 } }

    /// What of this a quota counts: the names it limits, each with 0 when nothing was used.
    public func counted(by hard: [String: Quantity]) -> [String: Quantity] {
        Dictionary(uniqueKeysWithValues: hard.keys.map { ($0, amounts[$0] ?? Quantity(0)) })
    }

    /// Names whose limit `used` plus this would exceed; only what this asks more of can be at fault.
    public func exceeded(hard: [String: Quantity], used: [String: Quantity]) -> [String] {
        hard.keys.filter { name in
            guard let amount = amounts[name], amount > Quantity(0), let limit = hard[name] else { return false }
            return (used[name] ?? Quantity(0)) + amount > limit
        }.sorted()
    }

    /// Compute resources that a quota limits and this pod does not name: such a pod is refused.
    public func missing(in hard: [String: Quantity]) -> [String] {
        hard.keys.filter { Self.mustBeNamed($0) && amounts[$0] == nil }.sorted()
    }

    private static func mustBeNamed(_ name: String) -> Bool {
        ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"].contains(name)
    }
}

extension ResourceQuotaSpec {
    /// Whether the quota's scopes take this pod in. Objects that are not pods match only a quota without scopes.
    public func covers(_ pod: Pod) -> Bool {
        scopes.allSatisfy { Self.holds($0, pod) } && (scopeSelector?.matchExpressions ?? []).allSatisfy { Self.holds($0, pod) }
    }

    public var hasScopes: Bool { !scopes.isEmpty || scopeSelector?.matchExpressions.isEmpty == false }

    private static func holds(_ scope: String, _ pod: Pod) -> Bool {
        switch scope {
        case "Terminating": return (pod.spec.activeDeadlineSeconds ?? -1) >= 0
        case "NotTerminating": return (pod.spec.activeDeadlineSeconds ?? -1) < 0
        case "BestEffort": return isBestEffort(pod)
        case "NotBestEffort": return !isBestEffort(pod)
        default: return false
        }
    }

    private static func holds(_ requirement: ScopeSelectorRequirement, _ pod: Pod) -> Bool {
        guard requirement.scopeName == "PriorityClass" else { return holds(requirement.scopeName, pod) }
        let name = pod.spec.priorityClassName ?? ""
        switch requirement.operator {
        case "In": return requirement.values.contains(name)
        case "NotIn": return !requirement.values.contains(name)
        case "Exists": return !name.isEmpty
        case "DoesNotExist": return name.isEmpty
        default: return false
        }
    }

    private static func isBestEffort(_ pod: Pod) -> Bool {
        (pod.spec.containers + pod.spec.initContainers).allSatisfy {
            $0.resources.requests.isEmpty && $0.resources.limits.isEmpty
        }
    }
}
