// Which filter a container gets: its profile, its pod's runtime class, the node's permissions.

import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    /// RuntimeClass `runp-strict`: the small filter for containers that name none, and no start without the second wall.
    public static let strictHandler = "runp-strict"

    public var handlers: Set<String> { [name, Self.strictHandler] }

    /// The built-in profiles with the capabilities that pods add, of which there are few.
    private static var rememberedPrograms: Int { 32 }

    /// What a built-in filter depends on.
    struct SeccompWish: Sendable, Hashable {
        var reference: SeccompProfileReference
        var capabilities: Set<Capability>
    }

    /// nil: unconfined.
    func seccompProgram(_ config: ContainerConfig, _ pod: PodSandboxConfig) throws(RuntimeError) -> [UInt8]? {
        do throws(SandboxPolicyError) {
            var reference = try SeccompProfileReference(config.seccompProfile)
            if pod.handler == Self.strictHandler, reference == .runtimeDefault { reference = .builtIn(.strict) }
            let kept = Set((config.privileges?.capabilities ?? []).compactMap { Capability(name: $0) })
            let wish = SeccompWish(reference: reference, capabilities: kept)
            if let known = seccompPrograms.withLock({ $0[wish] }) { return known }
            let program = try pods.seccompProfiles.filter(
                for: reference, context: SeccompContext(capabilities: kept), countsDenials: configuration.countedDenials != nil)
            // Only what comes with this program cannot change meanwhile.
            if case .builtIn = reference, let program {
                seccompPrograms.withLock { if $0.count < Self.rememberedPrograms { $0[wish] = program } }
            }
            return program
        } catch { throw error.asRuntimeError }
    }
}
