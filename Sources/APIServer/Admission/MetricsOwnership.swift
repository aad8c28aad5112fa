// Figures of use belong to what they are of: the garbage collector takes them away with their pod or node.
import JSON
import KubernetesModel
import ResourceStore

/// PodMetrics and NodeMetrics are owned by the pod or node of their name, and by nobody while there is none, whatever their writer says. Else what a node wrote
/// of a pod that is gone would stay for good: NodeRestriction lets it write only of pods that are there.
struct MetricsOwnership: AdmissionStep {
    let name = "MetricsOwnership"

    func handles(_ attributes: AdmissionAttributes) -> Bool { attributes.isWriteOfObject && attributes.kind.resource.group == "metrics.k8s.io" }

    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let attributes = review.attributes
        let name = review.object["metadata"]?["name"]?.stringValue ?? attributes.name
        let resource = attributes.kind.resource.resource
        let key = ResourceKey(group: "", resource: resource, namespace: attributes.namespace ?? "", name: name)
        guard let owner = try lookup.stored(key) else { return review.object.set(["metadata", "ownerReferences"], to: .null) }
        let reference: JSONValue = [
            "apiVersion": "v1", "kind": resource == "nodes" ? "Node" : "Pod", "name": .string(name), "uid": .string(owner.index.uid),
        ]
        review.object.set(["metadata", "ownerReferences"], to: [reference])
    }
}
