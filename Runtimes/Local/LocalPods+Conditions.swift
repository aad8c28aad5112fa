// What this machine can and cannot hold, as conditions of the node.

import CLinux
import Cgroups
import RuntimeInterface
import SandboxPolicy

extension LocalPods {
    /// The version with rules for TCP ports (landlock(7)).
    package static let landlockNetworkABI = 4

    package var conditions: [RuntimeCondition] { [landlock, unenforcedLimits] }

    private var landlock: RuntimeCondition {
        let version = Int(clinux_landlock_abi())
        let holds = version >= Self.landlockNetworkABI
        let reason = holds ? "InKernel" : version == 0 ? "NotInKernel" : "OldKernel"
        return RuntimeCondition(
            type: "SecondWall", holds: holds, reason: reason, message: LandlockFeature.summary(version: version))
    }

    private var unenforcedLimits: RuntimeCondition {
        let usual = RuntimeLimits(memoryBytes: 1 << 30, cpuMillis: 1000, pids: 100, cpuRequestMillis: 1000)
        let missing = cgroups.unenforceable(ContainerGroups.limits(usual, on: cgroups))
        guard !missing.isEmpty else {
            return RuntimeCondition(
                type: "UnenforcedLimits", holds: false, reason: "AllEnforced",
                message: "memory, CPU and process limits are enforced")
        }
        let list = missing.map { "\($0.field): \($0.reason)" }.joined(separator: "; ")
        return configuration.allowsUnenforced
            ? RuntimeCondition(
                type: "UnenforcedLimits", holds: true, reason: "AllowedBySetting",
                message: "tasks run without these limits: \(list)")
            : RuntimeCondition(
                type: "UnenforcedLimits", holds: false, reason: "RefusedByDefault",
                message: "tasks with these limits are refused: \(list)")
    }

    /// Before anything is made.
    package func refuseUnenforceable(_ config: ContainerConfig, _ pod: PodSandboxConfig) throws(RuntimeError) {
        guard !configuration.allowsUnenforced else { return }
        let missing =
            cgroups.unenforceable(ContainerGroups.limits(config.limits, on: cgroups))
            + cgroups.unenforceable(ContainerGroups.limits(pod.limits, on: cgroups))
        guard let first = missing.first else { return }
        throw .unenforceable("\(first.field): \(first.reason); \(first.fix)")
    }
}
