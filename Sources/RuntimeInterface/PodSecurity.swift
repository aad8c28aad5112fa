// What a pod's security context, network wish and limits come to, in words that every runtime understands.

/// The part of the machine's network that a pod gets. All containers of a pod share it.
public enum PodNetwork: Sendable, Hashable, Codable {
    /// The node's own network, with a rule for TCP where the kernel can hold a process to one (Landlock, ABI 4).
    case host(TCPRule)
    /// A loopback interface and nothing else.
    case none
    /// A network of the container networking plugins: the name of a list in the node's CNI directory.
    case cni(name: String)

    public var isHost: Bool {
        if case .host = self { return true }
        return false
    }
}

/// TCP ports that a process may use; nil is "any".
public struct TCPRule: Sendable, Hashable, Codable {
    public var bind: [UInt16]?
    public var connect: [UInt16]?

    public init(bind: [UInt16]? = nil, connect: [UInt16]? = nil) {
        self.bind = bind
        self.connect = connect
    }

    public static let any = TCPRule()
}

/// A port of the node that leads to one of a pod's, where its network can do that.
public struct PodPortMapping: Sendable, Hashable, Codable {
    public var hostPort: UInt16
    public var containerPort: UInt16
    /// "tcp", "udp" or "sctp".
    public var `protocol`: String

    public init(hostPort: UInt16, containerPort: UInt16, protocol: String) {
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.protocol = `protocol`
    }
}

/// A kernel parameter inside the pod's own namespaces, e.g. "kernel.shm_rmid_forced" = "1".
public struct KernelParameter: Sendable, Hashable, Codable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// How much a container may do beyond a plain process. All off is what a task gets.
public struct ContainerPrivileges: Sendable, Hashable, Codable {
    /// Names as in Kubernetes: "NET_BIND_SERVICE".
    public var capabilities: [String]
    /// Every capability, no filter, /proc not masked; inside the pod's own ids unless `PodSandboxConfig.hostUsers`.
    public var privileged: Bool
    /// `procMount: Unmasked`.
    public var unmaskedProc: Bool

    public init(capabilities: [String] = [], privileged: Bool = false, unmaskedProc: Bool = false) {
        self.capabilities = capabilities
        self.privileged = privileged
        self.unmaskedProc = unmaskedProc
    }

    public static let none = ContainerPrivileges()
}

/// A statement about the machine, as a node condition: what cannot be enforced, which wall the kernel lacks.
public struct RuntimeCondition: Sendable, Hashable {
    /// CamelCase, e.g. "UnenforcedLimits".
    public var type: String
    public var holds: Bool
    public var reason: String
    public var message: String

    public init(type: String, holds: Bool, reason: String, message: String) {
        self.type = type
        self.holds = holds
        self.reason = reason
        self.message = message
    }
}
