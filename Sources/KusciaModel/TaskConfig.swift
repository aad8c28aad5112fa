// The JSON that engines read: who takes part and where (TASK_CLUSTER_DEFINE), which ports are mine (ALLOCATED_PORTS).
// Shapes of Kuscia's app_config.proto in protojson with all fields written, so nothing is left out when empty.

public struct ClusterDefine: Sendable, Hashable, Codable {
    public var parties: [ClusterParty]
    /// Index in `parties` of the reader's own party.
    public var selfPartyIdx: Int
    /// Index among the endpoints of its own party's services.
    public var selfEndpointIdx: Int

    public init(parties: [ClusterParty], selfPartyIdx: Int, selfEndpointIdx: Int) {
        self.parties = parties
        self.selfPartyIdx = selfPartyIdx
        self.selfEndpointIdx = selfEndpointIdx
    }
}

public struct ClusterParty: Sendable, Hashable, Codable {
    /// The domain.
    public var name: String
    public var role: String
    public var services: [ClusterService]

    public init(name: String, role: String, services: [ClusterService]) {
        self.name = name
        self.role = role
        self.services = services
    }
}

public struct ClusterService: Sendable, Hashable, Codable {
    public var portName: String
    /// One per replica: "<pod>-<port>.<domain>.svc:<number>".
    public var endpoints: [String]

    public init(portName: String, endpoints: [String]) {
        self.portName = portName
        self.endpoints = endpoints
    }
}

public struct AllocatedPorts: Sendable, Hashable, Codable {
    public var ports: [AllocatedPort]

    public init(ports: [AllocatedPort]) { self.ports = ports }
}

public struct AllocatedPort: Sendable, Hashable, Codable {
    public var name: String
    public var port: Int
    public var scope: PortScope
    /// "HTTP" or "GRPC".
    public var `protocol`: String

    public init(name: String, port: Int, scope: PortScope, protocol: String) {
        self.name = name
        self.port = port
        self.scope = scope
        self.protocol = `protocol`
    }
}
