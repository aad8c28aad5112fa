// Which filter a container gets: its profile, its pod's runtime class, the node's permissions.

import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    /// RuntimeClass `runp-strict`: the small filter for containers that name none, and no start without the second wall.
    public static let strictHandler = "runp-strict"

    public var handlers: Set<String> { [name, Self.strictHandler] }

    /// nil: unconfined.
    func seccompProgram(_ config: ContainerConfig, _ pod: PodSandboxConfig) throws(RuntimeError) -> [UInt8]? {
        do throws(SandboxPolicyError) {
            var reference = try SeccompProfileReference(config.seccompProfile)
            if pod.handler == Self.strictHandler, reference == .runtimeDefault { reference = .builtIn(.strict) }
            let kept = Set((config.privileges?.capabilities ?? []).compactMap { Capability(name: $0) })
            return try pods.seccompProfiles.filter(
                for: reference, context: SeccompContext(capabilities: kept), countsDenials: configuration.countedDenials != nil)
        } catch { throw error.asRuntimeError }
    }
}
