// The cgroups of a container: its pod's with the pod's sums, and its own below it.

import Cgroups
import RuntimeInterface
import SandboxPolicy

struct ContainerGroups {
    let host: CgroupHost
    let pod: CgroupLevel
    let container: CgroupLevel
    let allowsUnenforced: Bool

    init(_ input: ContainerSpecInput) {
        host = input.cgroup.host
        pod = CgroupLevel(
            "\(input.node.cgroupParent)/\(input.id.podUID)", Self.limits(input.sandbox.config.limits, on: input.cgroup.host))
        container = CgroupLevel(Self.name(input.id), Self.limits(SandboxSpec.limits(input), on: input.cgroup.host))
        allowsUnenforced = input.node.allowsUnenforced
    }

    static func name(_ id: ContainerID) -> String { "\(id.name)_\(id.attempt)" }

    /// A killed member of a container that goes on half alive is worth nothing: where the kernel can, it takes the group at once.
    static func limits(_ limits: RuntimeLimits, on host: CgroupHost) -> CgroupLimits {
        var group = CgroupLimits(memoryBytes: limits.memoryBytes, cpuMillis: limits.cpuMillis, pids: limits.pids)
        // Kubernetes' rule: 1,024 shares a CPU asked for, never less than 2.
        group.cpuShares = limits.cpuRequestMillis.map { max(2, $0 * 1024 / 1000) }
        if limits.memoryBytes != nil, host.features.contains(.oomGroup) { group.oomGroup = true }
        return group
    }

    /// Everything that is asked for and that this machine would not hold.
    var unenforceable: [UnenforceableLimit] { host.unenforceable(container.limits) + host.unenforceable(pod.limits) }

    /// Repeatable.
    func make() throws(CgroupError) {
        if !allowsUnenforced, let first = unenforceable.first {
            throw CgroupError(stage: "unenforceable", path: "\(first.field): \(first.reason)", errno: 95, hint: first.fix)
        }
        let levels = [pod, container].map { CgroupLevel($0.name, host.enforceable($0.limits)) }
        try Cgroup.apply(host.plan(levels))
    }
}
