// EndpointSlice: up to a hundred of the addresses behind a service (discovery.k8s.io/v1).

public struct EndpointSlice: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: "discovery.k8s.io", resource: "endpointslices")
    public static let kind = "EndpointSlice"
    public static let namespaced = true

    private var apiVersion = APIVersionField<EndpointSlice>()
    private var kind = KindField<EndpointSlice>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    /// "IPv4" or "IPv6".
    @WrittenEmpty public var addressType: String = ""
    @WrittenEmpty public var endpoints: [Endpoint] = []
    @DefaultEmpty public var ports: [EndpointPort] = []

    public init(
        metadata: ObjectMeta = .init(), addressType: String = "IPv4", endpoints: [Endpoint] = [], ports: [EndpointPort] = []
    ) {
        self.metadata = metadata
        self.addressType = addressType
        self.endpoints = endpoints
        self.ports = ports
    }
}

public struct Endpoint: DefaultInitializable, Sendable {
    @WrittenEmpty public var addresses: [String] = []
    @DefaultEmpty public var conditions: EndpointConditions = .init()
    public var hostname: String?
    public var nodeName: String?
    public var targetRef: ObjectReference?

    public init() {}

    public init(
        addresses: [String] = [], conditions: EndpointConditions = .init(), hostname: String? = nil, nodeName: String? = nil,
        targetRef: ObjectReference? = nil
    ) {
        self.addresses = addresses
        self.conditions = conditions
        self.hostname = hostname
        self.nodeName = nodeName
        self.targetRef = targetRef
    }
}

public struct EndpointConditions: DefaultInitializable, Sendable {
    public var ready: Bool?
    public var serving: Bool?
    public var terminating: Bool?

    public init() {}

    public init(ready: Bool? = nil, serving: Bool? = nil, terminating: Bool? = nil) {
        self.ready = ready
        self.serving = serving
        self.terminating = terminating
    }
}
