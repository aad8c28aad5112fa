// A namespaced object needs its namespace, a namespace that is going away takes nothing new, and it goes when it is empty.
import JSON
import KubernetesModel
import ResourceStore

struct NamespaceLifecycle: AdmissionStep {
    let name = "NamespaceLifecycle"

    /// Namespaces that the server itself needs.
    static let protected: Set<String> = ["default", "kube-system", "kube-public"]

    func handles(_ attributes: AdmissionAttributes) -> Bool {
        switch attributes.operation {
        case .create:
            (attributes.kind.declaration.namespaced && attributes.subresource.isEmpty) || attributes.concerns("", "namespaces")
        case .delete, .update: attributes.concerns("", "namespaces")
        }
    }

    /// Stands for the content of a namespace; the namespace controller takes it away by the subresource finalize.
    static let finalizer: JSONValue = "kubernetes"

    /// `spec.finalizers` is the server's: set by a create, changed by finalize only.
    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard review.attributes.concerns("", "namespaces") else { return }
        switch review.attributes.operation {
        case .create:
            var finalizers = review.object["spec"]?["finalizers"]?.arrayValue ?? []
            if !finalizers.contains(Self.finalizer) { finalizers.append(Self.finalizer) }
            review.object.set(["spec", "finalizers"], to: .array(finalizers))
        case .update: review.object.set(["spec", "finalizers"], to: review.old?["spec"]?["finalizers"])
        case .delete: return
        }
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let attributes = review.attributes
        if attributes.operation == .delete {
            guard Self.protected.contains(attributes.name) else { return }
            throw .forbidden("namespaces", group: "", name: attributes.name, "this namespace may not be deleted")
        }
        guard attributes.operation == .create, attributes.kind.declaration.namespaced else { return }
        let namespace = attributes.namespace ?? ""
        let key = ResourceKey(group: "", resource: "namespaces", namespace: "", name: namespace)
        guard let found = try lookup.stored(key) else {
            throw .notFound(GroupVersionResource(resource: "namespaces"), namespace)
        }
        // The commit holds only while the namespace is as it is now: a deletion that comes between is a conflict.
        review.require(found)
        if found.index.fields["status.phase"] == "Terminating" {
            let kind = attributes.kind.resource
            let name = review.object["metadata"]?["name"]?.stringValue ?? ""
            var refusal = StatusError.forbidden(
                kind.resource, group: kind.group, name: name,
                "unable to create new content in namespace \(namespace) because it is being terminated")
            refusal.causes = [
                FieldError(
                    field: "metadata.namespace", reason: .namespaceTerminating,
                    message: "namespace \(namespace) is being terminated")
            ]
            throw refusal
        }
    }
}
