// From API objects to what the scheduler needs to know of them.
import KubernetesModel

extension PodDescription {
    public static let groupAnnotation = "kuscia.secretflow/pod-group"
    public static let groupSizeAnnotation = "kuscia.secretflow/pod-group-size"
    public static let groupMinMembersAnnotation = "kuscia.secretflow/pod-group-min-members"

    public init(_ pod: Pod) {
        let annotations = pod.metadata.annotations
        let group = annotations[Self.groupAnnotation].map { name in
            PodGroup(
                name: name, size: annotations[Self.groupSizeAnnotation].flatMap { Int($0) } ?? 1,
                minMembers: annotations[Self.groupMinMembersAnnotation].flatMap { Int($0) })
        }
        let node = pod.spec.nodeName ?? ""
        self.init(
            key: PodKey(namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name), uid: pod.metadata.uid ?? "",
            priority: pod.spec.priority ?? 0, arrival: (pod.metadata.creationTimestamp?.unixSeconds ?? 0) * 1000,
            request: ResourceAmounts(requestedBy: pod.spec), nodeSelector: pod.spec.nodeSelector,
            tolerations: pod.spec.tolerations,
            group: group, nodeName: node.isEmpty ? nil : node)
    }
}

extension NodeDescription {
    public init(_ node: Node) {
        self.init(
            name: node.metadata.name, allocatable: ResourceAmounts(node.status.allocatable), labels: node.metadata.labels,
            taints: node.spec.taints, ready: node.status.isReady, unschedulable: node.spec.unschedulable)
    }
}

extension ResourceAmounts {
    /// Amounts that concern disks are not scheduled by.
    private static let ignored: Set<String> = ["ephemeral-storage", "storage"]

    public init(_ quantities: [String: Quantity]) {
        self.init()
        for (name, quantity) in quantities {
            switch name {
            case "cpu": milliCPU = quantity.milliValue
            case "memory": memory = quantity.value
            case "pods": pods = quantity.value
            default: if !Self.ignored.contains(name) && !name.hasPrefix("hugepages-") { extended[name] = quantity.value }
            }
        }
    }

    /// The containers together, or the largest init container if that is more; a limit without a request is the request
    /// (kubernetes.io/docs/concepts/workloads/pods/init-containers, "Resource sharing within containers").
    public init(requestedBy spec: PodSpec) {
        self.init(pods: 1)
        for container in spec.containers {
            let one = ResourceAmounts(Self.requests(of: container))
            milliCPU += one.milliCPU
            memory += one.memory
            extended.merge(one.extended) { $0 + $1 }
        }
        for container in spec.initContainers {
            let one = ResourceAmounts(Self.requests(of: container))
            milliCPU = max(milliCPU, one.milliCPU)
            memory = max(memory, one.memory)
            extended.merge(one.extended) { max($0, $1) }
        }
    }

    private static func requests(of container: Container) -> [String: Quantity] {
        container.resources.limits.merging(container.resources.requests) { $1 }
    }
}
