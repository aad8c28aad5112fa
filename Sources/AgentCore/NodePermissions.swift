// What a node grants to pods beyond a plain sandbox, and the first thing in a pod's spec that goes beyond it.
import KubernetesModel
import KusciaModel

public struct NodePermissions: Sendable, Hashable {
    /// Capabilities that a pod may add. They count in the pod's own user namespace only.
    public var capabilities: Set<String>
    /// `privileged: true`, `procMount: Unmasked`.
    public var privileged: Bool
    /// `seccompProfile: {type: Unconfined}`.
    public var unconfined: Bool
    /// `hostUsers: true`: root inside is root of the machine.
    public var hostUsers: Bool
    /// The node cannot enforce every limit asked for and runs such pods all the same.
    public var unenforcedLimits: Bool

    /// Powers over a process' own files, ids and low ports: nothing of the machine can be reached with them from inside a
    /// private id range. (Docker's default set without NET_RAW, MKNOD and AUDIT_WRITE, which reach out of it.)
    public static let harmlessCapabilities: Set<String> = [
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID",
        "SYS_CHROOT",
    ]

    public init(
        capabilities: Set<String> = NodePermissions.harmlessCapabilities, privileged: Bool = false, unconfined: Bool = false,
        hostUsers: Bool = false, unenforcedLimits: Bool = false
    ) {
        self.capabilities = capabilities
        self.privileged = privileged
        self.unconfined = unconfined
        self.hostUsers = hostUsers
        self.unenforcedLimits = unenforcedLimits
    }

    /// The first reason why the node does not take the pod, or nil.
    public func refusal(_ pod: Pod) -> String? {
        let spec = pod.spec
        if spec.hostPID == true { return "spec.hostPID: true is not permitted on this node" }
        if spec.hostIPC == true { return "spec.hostIPC: true is not permitted on this node" }
        if spec.shareProcessNamespace == true { return "spec.shareProcessNamespace: true is not supported on this node" }
        if spec.hostUsers == true, !hostUsers { return "spec.hostUsers: true is not permitted on this node" }
        if spec.securityContext?.seccompProfile?.type == "Unconfined", !unconfined {
            return "spec.securityContext.seccompProfile: Unconfined is not permitted on this node"
        }
        for container in spec.initContainers + spec.containers + spec.ephemeralContainers {
            if let refusal = refusal(container, in: pod) { return refusal }
        }
        do throws(PodWishError) {
            _ = try NetworkWish(pod)
        } catch { return "\(error)" }
        return nil
    }

    /// The first reason why the node does not start this container, which may have come to the pod later than the node's admission of it.
    public func refusal(_ container: Container, in pod: Pod) -> String? {
        let security = container.securityContext ?? SecurityContext()
        let field = "container \(container.name): securityContext"
        if security.privileged == true, !privileged { return "\(field).privileged: true is not permitted on this node" }
        if security.procMount == "Unmasked", !privileged { return "\(field).procMount: Unmasked is not permitted on this node" }
        if security.seccompProfile?.type == "Unconfined", !unconfined {
            return "\(field).seccompProfile: Unconfined is not permitted on this node"
        }
        let added = security.capabilities?.add.map(Self.capabilityName) ?? []
        if let refused = added.first(where: { !capabilities.contains($0) && !privileged }) {
            return
                "\(field).capabilities.add: \(refused) is not permitted on this node; permitted: "
                + capabilities.sorted().joined(separator: ", ")
        }
        // Without a user it is the image's, which is known when it is there: `SandboxSpec.container` looks then.
        if Self.refusesRoot(container, pod), (security.runAsUser ?? pod.spec.securityContext?.runAsUser) == 0 {
            return "\(field): runAsNonRoot is true and runAsUser is 0; expected another user"
        }
        return nil
    }

    /// The container's own word before the pod's.
    public static func refusesRoot(_ container: Container, _ pod: Pod) -> Bool {
        container.securityContext?.runAsNonRoot ?? pod.spec.securityContext?.runAsNonRoot ?? false
    }

    /// "CAP_NET_RAW" and "NET_RAW" are the same; "ALL" stays.
    public static func capabilityName(_ text: String) -> String {
        let upper = text.uppercased()
        return upper.hasPrefix("CAP_") ? String(upper.dropFirst(4)) : upper
    }
}
