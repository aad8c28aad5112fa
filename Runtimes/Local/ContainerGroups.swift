// The cgroups of a container: its pod's with the pod's sums, and its own below it.

import Cgroups
import Glibc
import KubernetesModel
import RuntimeInterface

package struct ContainerGroups {
    package let host: CgroupHost
    /// Above all pods, by its whole name; the others' are relative to the one above.
    package let parent: String
    package let pod: CgroupLevel
    package let container: CgroupLevel
    package let allowsUnenforced: Bool

    /// `limits` are the container's, completed.
    package init(
        _ id: ContainerID, pod config: PodSandboxConfig, limits: RuntimeLimits, host: CgroupHost, node: LocalConfiguration
    ) {
        self.host = host
        parent = node.cgroupParent
        var sums = config.limits
        // Agents up to November 2026 did not keep what the pod asks for: it is not less than what this container does.
        sums.cpuRequestMillis = sums.cpuRequestMillis ?? limits.cpuRequestMillis
        // Each write costs a file of the kernel's, and one of a bandwidth a walk through all groups of the machine. An ephemeral container
        // has another name, so the pod's group has its limits before it begins.
        if config.soleContainer == id.name { sums.leaveOut(heldBy: limits) }
        pod = CgroupLevel(id.podUID, Self.limits(sums, on: host))
        container = CgroupLevel(Self.name(id), Self.limits(limits, on: host))
        allowsUnenforced = node.allowsUnenforced
    }

    private static let minimumShares: Int64 = 2

    package static func name(_ id: ContainerID) -> String { "\(id.name)_\(id.attempt)" }

    /// A killed member of a container that goes on half alive is worth nothing: where the kernel can, it takes the group at once.
    package static func limits(_ limits: RuntimeLimits, on host: CgroupHost) -> CgroupLimits {
        var group = CgroupLimits(memoryBytes: limits.memoryBytes, cpuMillis: limits.cpuMillis, pids: limits.pids)
        // Kubernetes' rule (kubelet's MilliCPUToShares): 1,024 shares a CPU asked for, never less than 2, which is what who asks for none has.
        if let request = limits.cpuRequestMillis, request > 0 {
            group.cpuShares = max(minimumShares, request.saturatingMultiplied(by: 1024) / 1000)
        } else if host.hierarchies[.cpu] != nil {
            group.cpuShares = minimumShares
        }
        if limits.memoryBytes != nil, host.features.contains(.oomGroup) { group.oomGroup = true }
        return group
    }

    /// Everything that is asked for and that this machine would not hold.
    package var unenforceable: [UnenforceableLimit] { host.unenforceable(container.limits) + host.unenforceable(pod.limits) }

    /// Repeatable.
    package func make() throws(CgroupError) {
        if !allowsUnenforced, let first = unenforceable.first {
            throw CgroupError(stage: "unenforceable", path: "\(first.field): \(first.reason)", errno: 95, hint: first.fix)
        }
        let levels = [pod, container].map { CgroupLevel($0.name, host.enforceable($0.limits)) }
        do throws(CgroupError) {
            try Cgroup.apply(host.plan(levels, below: parent))
        } catch {
            // The group of all pods is not there (the first pod's), or without a controller that nobody needed until now.
            guard error.errno == ENOENT else { throw error }
            try Cgroup.apply(host.plan([CgroupLevel(parent)] + levels))
        }
    }
}

extension RuntimeLimits {
    /// Without the group limits that a member's own are no looser than.
    fileprivate mutating func leaveOut(heldBy member: RuntimeLimits) {
        func rest(_ sum: Int64?, _ own: Int64?) -> Int64? {
            guard let sum, let own, own <= sum else { return sum }
            return nil
        }
        memoryBytes = rest(memoryBytes, member.memoryBytes)
        cpuMillis = rest(cpuMillis, member.cpuMillis)
        pids = rest(pids, member.pids)
    }

    /// The container's own limits, else the pod's; a limit of processes always.
    package func completed(by pod: RuntimeLimits, _ node: LocalConfiguration) -> RuntimeLimits {
        RuntimeLimits(
            memoryBytes: memoryBytes ?? pod.memoryBytes, cpuMillis: cpuMillis ?? pod.cpuMillis,
            pids: pids ?? pod.pids ?? node.defaultPids, logBytes: logBytes ?? pod.logBytes,
            tmpBytes: tmpBytes ?? pod.tmpBytes, cpuRequestMillis: cpuRequestMillis,
            ephemeralStorageBytes: ephemeralStorageBytes ?? pod.ephemeralStorageBytes, logFiles: logFiles ?? pod.logFiles,
            logAgeSeconds: logAgeSeconds ?? pod.logAgeSeconds)
    }
}
