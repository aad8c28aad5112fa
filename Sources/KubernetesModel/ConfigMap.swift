// ConfigMap and Secret: small named texts and bytes (core/v1).

public struct ConfigMap: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "configmaps")
    public static let kind = "ConfigMap"
    public static let namespaced = true

    private var apiVersion = APIVersionField<ConfigMap>()
    private var kind = KindField<ConfigMap>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var data: [String: String] = [:]
    /// Base64.
    @DefaultEmpty public var binaryData: [String: String] = [:]
    public var immutable: Bool?

    public init(
        metadata: ObjectMeta = .init(), data: [String: String] = [:], binaryData: [String: String] = [:],
        immutable: Bool? = nil
    ) {
        self.metadata = metadata
        self.data = data
        self.binaryData = binaryData
        self.immutable = immutable
    }
}

public struct Secret: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "secrets")
    public static let kind = "Secret"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Secret>()
    private var kind = KindField<Secret>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    /// Base64.
    @DefaultEmpty public var data: [String: String] = [:]
    /// Plain texts; the server turns them into `data` when it stores them.
    @DefaultEmpty public var stringData: [String: String] = [:]
    public var type: String?
    public var immutable: Bool?

    public init(
        metadata: ObjectMeta = .init(), data: [String: String] = [:], stringData: [String: String] = [:],
        type: String? = nil, immutable: Bool? = nil
    ) {
        self.metadata = metadata
        self.data = data
        self.stringData = stringData
        self.type = type
        self.immutable = immutable
    }
}
