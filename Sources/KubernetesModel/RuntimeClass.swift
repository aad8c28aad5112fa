// RuntimeClass: a name for one of the ways in which nodes run pods (node.k8s.io/v1).

public struct RuntimeClass: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: "node.k8s.io", resource: "runtimeclasses")
    public static let kind = "RuntimeClass"
    public static let namespaced = false

    private var apiVersion = APIVersionField<RuntimeClass>()
    private var kind = KindField<RuntimeClass>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    /// What the nodes' runtimes know it by.
    @WrittenEmpty public var handler: String = ""

    public init(metadata: ObjectMeta = .init(), handler: String = "") {
        self.metadata = metadata
        self.handler = handler
    }
}
