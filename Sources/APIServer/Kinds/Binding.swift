// core/v1 Binding: a scheduler's word that a pod belongs to a node. Answered and never stored (Subresources/PodBinding.swift).
import KubernetesModel

extension ResourceKind {
    static let binding = ResourceKind(
        resource: GroupVersionResource(resource: "bindings"), kind: "Binding", singular: "binding", isReview: true,
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Binding -- A pod's place.
              1 metadata meta.ObjectMeta -- The pod's name; annotations are added to the pod's.
              2 target ObjectReference! -- The node.
            """#))
}
