// Which of the node's devices a pod's containers get: extended resources that stand for device nodes, one each.
import KubernetesModel

/// A pod wants more devices than are free, although the count said that there are enough.
public struct DeviceShortage: Error, Sendable, Hashable, CustomStringConvertible {
    public var resource: String
    public var requested: Int64
    public var available: Int
    /// As a kubelet words it.
    public var description: String {
        "Allocate failed due to requested number of devices unavailable for \(resource). Requested: \(requested), Available: \(available)"
    }
}

public struct DeviceAllocator: Sendable {
    /// A kubelet's reason for a pod that it admitted by count and cannot serve.
    public static let rejectionReason = "UnexpectedAdmissionError"

    /// Resource -> paths of the node's devices, in the order in which they are given.
    public var devices: [String: [String]]
    /// Paths that other pods hold.
    public var taken: Set<String>

    public init(devices: [String: [String]], taken: Set<String> = []) {
        self.devices = devices
        self.taken = taken
    }

    /// Container -> paths; containers without devices are left out. No path is given to two containers that can run at the same time:
    /// sidecars and main containers have their own, an init container may have what the containers after it will have. The number in
    /// all is what `PodResources(requestedBy:)` counts.
    public func allocate(_ pod: Pod) throws(DeviceShortage) -> [String: [String]] {
        var given: [String: [String]] = [:]
        var used = taken
        for (resource, paths) in devices.sorted(by: { $0.key < $1.key }) {
            for (name, more) in try allocate(resource, paths, pod, &used) { given[name, default: []] += more }
        }
        return given
    }

    private func allocate(
        _ resource: String, _ paths: [String], _ pod: Pod, _ used: inout Set<String>
    ) throws(DeviceShortage) -> [String: [String]] {
        var free = paths.filter { !used.contains($0) }[...]
        var own: [String] = []
        var given: [String: [String]] = [:]
        func take(_ count: Int64, of wanted: Int64) throws(DeviceShortage) -> [String] {
            guard count <= free.count else { throw DeviceShortage(resource: resource, requested: wanted, available: free.count) }
            let taken = Array(free.prefix(Int(count)))
            free = free.dropFirst(taken.count)
            own += taken
            return taken
        }
        let lasting = pod.spec.initContainers.filter(Self.isSidecar) + pod.spec.containers
        for container in lasting {
            let wanted = Self.wanted(resource, container)
            if wanted > 0 { given[container.name] = try take(wanted, of: wanted) }
        }
        var sidecars: Set<String> = []
        for container in pod.spec.initContainers {
            if Self.isSidecar(container) {
                sidecars.formUnion(given[container.name] ?? [])
                continue
            }
            let wanted = Self.wanted(resource, container)
            guard wanted > 0 else { continue }
            let idle = own.filter { !sidecars.contains($0) }
            given[container.name] =
                idle.prefix(Int(min(wanted, Int64(idle.count)))) + (try take(max(0, wanted - Int64(idle.count)), of: wanted))
        }
        used.formUnion(own)
        return given
    }

    private static func isSidecar(_ container: Container) -> Bool { container.restartPolicy == "Always" }

    private static func wanted(_ resource: String, _ container: Container) -> Int64 {
        PodResources(container).extended[resource] ?? 0
    }
}
