// ServiceAccount: an identity for the processes of pods (core/v1).

public struct ServiceAccount: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "serviceaccounts")
    public static let kind = "ServiceAccount"
    public static let namespaced = true

    private var apiVersion = APIVersionField<ServiceAccount>()
    private var kind = KindField<ServiceAccount>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    public var automountServiceAccountToken: Bool?

    public init(metadata: ObjectMeta = .init(), automountServiceAccountToken: Bool? = nil) {
        self.metadata = metadata
        self.automountServiceAccountToken = automountServiceAccountToken
    }
}
