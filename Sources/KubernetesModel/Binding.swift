// Binding: the scheduler's word that a pod belongs to a node (core/v1, subresource pods/binding).

public struct Binding: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "bindings")
    public static let kind = "Binding"
    public static let namespaced = true

    private var apiVersion = APIVersionField<Binding>()
    private var kind = KindField<Binding>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var target: ObjectReference = .init()

    public init(metadata: ObjectMeta = .init(), target: ObjectReference = .init()) {
        self.metadata = metadata
        self.target = target
    }
}
