// Service and Endpoints: a stable name for pods and the addresses behind it (core/v1).

public struct Service: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "services")
    public static let kind = "Service"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Service>()
    private var kind = KindField<Service>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: ServiceSpec = .init()

    public init(metadata: ObjectMeta = .init(), spec: ServiceSpec = .init()) {
        self.metadata = metadata
        self.spec = spec
    }
}

public struct ServiceSpec: DefaultInitializable, Sendable {
    /// ClusterIP when absent; ExternalName with `externalName`.
    public var type: String?
    /// "None" for headless.
    public var clusterIP: String?
    public var externalName: String?
    @DefaultEmpty public var selector: [String: String] = [:]
    @DefaultEmpty public var ports: [ServicePort] = []
    public var publishNotReadyAddresses: Bool?

    public init() {}

    public init(
        type: String? = nil, clusterIP: String? = nil, externalName: String? = nil, selector: [String: String] = [:],
        ports: [ServicePort] = [], publishNotReadyAddresses: Bool? = nil
    ) {
        self.type = type
        self.clusterIP = clusterIP
        self.externalName = externalName
        self.selector = selector
        self.ports = ports
        self.publishNotReadyAddresses = publishNotReadyAddresses
    }
}

public struct ServicePort: Sendable, Hashable, Codable {
    public var name: String?
    public var `protocol`: String?
    @WrittenEmpty public var port: Int = 0
    public var targetPort: IntOrString?
    public var nodePort: Int?

    public init(
        name: String? = nil, `protocol`: String? = nil, port: Int = 0, targetPort: IntOrString? = nil,
        nodePort: Int? = nil
    ) {
        self.name = name
        self.protocol = `protocol`
        self.port = port
        self.targetPort = targetPort
        self.nodePort = nodePort
    }
}

public struct Endpoints: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "endpoints")
    public static let kind = "Endpoints"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Endpoints>()
    private var kind = KindField<Endpoints>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var subsets: [EndpointSubset] = []

    public init(metadata: ObjectMeta = .init(), subsets: [EndpointSubset] = []) {
        self.metadata = metadata
        self.subsets = subsets
    }
}

public struct EndpointSubset: DefaultInitializable, Sendable {
    @DefaultEmpty public var addresses: [EndpointAddress] = []
    @DefaultEmpty public var notReadyAddresses: [EndpointAddress] = []
    @DefaultEmpty public var ports: [EndpointPort] = []

    public init() {}

    public init(
        addresses: [EndpointAddress] = [], notReadyAddresses: [EndpointAddress] = [], ports: [EndpointPort] = []
    ) {
        self.addresses = addresses
        self.notReadyAddresses = notReadyAddresses
        self.ports = ports
    }
}

public struct EndpointAddress: Sendable, Hashable, Codable {
    @WrittenEmpty public var ip: String = ""
    public var hostname: String?
    public var nodeName: String?
    public var targetRef: ObjectReference?

    public init(ip: String = "", hostname: String? = nil, nodeName: String? = nil, targetRef: ObjectReference? = nil) {
        self.ip = ip
        self.hostname = hostname
        self.nodeName = nodeName
        self.targetRef = targetRef
    }
}

public struct EndpointPort: Sendable, Hashable, Codable {
    public var name: String?
    @WrittenEmpty public var port: Int = 0
    public var `protocol`: String?

    public init(name: String? = nil, port: Int = 0, `protocol`: String? = nil) {
        self.name = name
        self.port = port
        self.protocol = `protocol`
    }
}
