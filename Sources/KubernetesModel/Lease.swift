// Lease: a heartbeat, or who leads (coordination.k8s.io/v1).

public struct Lease: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: "coordination.k8s.io", resource: "leases")
    public static let kind = "Lease"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Lease>()
    private var kind = KindField<Lease>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: LeaseSpec = .init()

    public init(metadata: ObjectMeta = .init(), spec: LeaseSpec = .init()) {
        self.metadata = metadata
        self.spec = spec
    }
}

public struct LeaseSpec: DefaultInitializable, Sendable {
    public var holderIdentity: String?
    public var leaseDurationSeconds: Int?
    public var acquireTime: MicroTimestamp?
    public var renewTime: MicroTimestamp?
    public var leaseTransitions: Int?

    public init() {}

    public init(
        holderIdentity: String? = nil, leaseDurationSeconds: Int? = nil, acquireTime: MicroTimestamp? = nil,
        renewTime: MicroTimestamp? = nil, leaseTransitions: Int? = nil
    ) {
        self.holderIdentity = holderIdentity
        self.leaseDurationSeconds = leaseDurationSeconds
        self.acquireTime = acquireTime
        self.renewTime = renewTime
        self.leaseTransitions = leaseTransitions
    }
}
