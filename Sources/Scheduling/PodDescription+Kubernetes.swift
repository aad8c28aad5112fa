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
        let affinity = pod.spec.affinity?.nodeAffinity
        self.init(
            key: PodKey(namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name), uid: pod.metadata.uid ?? "",
            priority: pod.spec.priority ?? 0, mayPreempt: pod.spec.preemptionPolicy != "Never",
            terminating: pod.metadata.deletionTimestamp != nil,
            arrival: (pod.metadata.creationTimestamp?.unixSeconds ?? 0) * 1000,
            request: ResourceAmounts(requestedBy: pod.spec), nodeSelector: pod.spec.nodeSelector,
            tolerations: pod.spec.tolerations,
            requiredTerms: affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms,
            preferredTerms: affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
            hostPorts: Self.hostPorts(of: pod.spec), group: group, nodeName: node.isEmpty ? nil : node)
    }

    private static func hostPorts(of spec: PodSpec) -> [HostPort] {
        var ports: [HostPort] = []
        for container in spec.containers + spec.initContainers where !container.ports.isEmpty {
            for port in container.ports {
                guard let number = port.hostPort, number > 0 else { continue }
                let address = port.hostIP ?? ""
                ports.append(
                    HostPort(number, transport: port.protocol ?? "TCP", address: address.isEmpty ? "0.0.0.0" : address))
            }
        }
        return ports
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
    /// A petabyte, or as many of anything: more than a node has. Pods and nodes are written by others; whatever they say, sums of thousands fit.
    static let maximum: Int64 = 1 << 50

    private static func bounded(_ amount: Int64) -> Int64 { min(max(0, amount), maximum) }

    public init(_ quantities: [String: Quantity]) {
        self.init()
        for (name, quantity) in quantities {
            switch name {
            case "cpu": milliCPU = Self.bounded(quantity.milliValue)
            case "memory": memory = Self.bounded(quantity.value)
            case "pods": pods = Self.bounded(quantity.value)
            default:
                if !Self.ignored.contains(name) && !name.hasPrefix("hugepages-") { extended[name] = Self.bounded(quantity.value) }
            }
        }
    }

    /// The containers and sidecars together, or the largest init container beside the sidecars before it if that is more;
    /// the runtime's overhead on top; a limit without a request is the request
    /// (kubernetes.io/docs/concepts/workloads/pods/init-containers and .../sidecar-containers, "Resource sharing").
    public init(requestedBy spec: PodSpec) {
        self.init(pods: 1)
        for container in spec.containers { add(Self.requests(of: container)) }
        if !spec.initContainers.isEmpty { coverInitContainers(spec.initContainers) }
        if !spec.overhead.isEmpty { add(ResourceAmounts(spec.overhead)) }
    }

    private mutating func coverInitContainers(_ containers: [Container]) {
        var sidecars = ResourceAmounts()
        var largest = ResourceAmounts()
        for container in containers {
            var one = Self.requests(of: container)
            if container.restartPolicy == "Always" { sidecars.add(one) }
            if container.restartPolicy != "Always" { one.add(sidecars) } else { one = sidecars }
            largest.raise(to: one)
        }
        add(sidecars)
        raise(to: largest)
    }

    private static func requests(of container: Container) -> ResourceAmounts {
        let resources = container.resources
        if resources.limits.isEmpty { return ResourceAmounts(resources.requests) }
        return ResourceAmounts(resources.limits.merging(resources.requests) { $1 })
    }

    private mutating func add(_ other: ResourceAmounts) {
        milliCPU = Self.bounded(milliCPU + other.milliCPU)
        memory = Self.bounded(memory + other.memory)
        for (name, amount) in other.extended { extended[name] = Self.bounded((extended[name] ?? 0) + amount) }
    }

    private mutating func raise(to other: ResourceAmounts) {
        milliCPU = max(milliCPU, other.milliCPU)
        memory = max(memory, other.memory)
        for (name, amount) in other.extended { extended[name] = max(extended[name] ?? 0, amount) }
    }
}
