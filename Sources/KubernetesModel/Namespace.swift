// Namespace: the objects of one domain live in the namespace of its name (core/v1).

public struct Namespace: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "namespaces")
    public static let kind = "Namespace"
    public static let namespaced = false

    private var apiVersion = APIVersionField<Namespace>()
    private var kind = KindField<Namespace>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var status: NamespaceStatus = .init()

    public init(metadata: ObjectMeta = .init(), status: NamespaceStatus = .init()) {
        self.metadata = metadata
        self.status = status
    }
}

public struct NamespaceStatus: DefaultInitializable, Sendable {
    /// "Active" or "Terminating".
    public var phase: String?

    public init() {}

    public init(phase: String? = nil) {
        self.phase = phase
    }
}
