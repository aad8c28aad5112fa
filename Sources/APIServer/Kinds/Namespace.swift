// core/v1 Namespace.
import JSON
import KubernetesModel

extension ResourceKind {
    static let namespace = ResourceKind(
        resource: GroupVersionResource(resource: "namespaces"), kind: "Namespace", singular: "namespace", shortNames: ["ns"],
        namespaced: false, hasStatus: true, statusOnCreate: .reset(["phase": "Active"]),
        subresources: [Subresource(name: "finalize", kind: GroupVersionKind(kind: "Namespace"), verbs: ["update"])],
        nameRule: .label, selectableFields: ["status.phase"], selectableAliases: ["name": "metadata.name"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Namespace -- A scope for names.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec NamespaceSpec ={} -- What is wanted.
              3 status NamespaceStatus -- What was last observed; written by the system.
            type NamespaceSpec
              1 finalizers []string -- What must be empty before the namespace is gone.
            type NamespaceStatus
              1 phase string -- Active or Terminating.
              2 conditions []NamespaceCondition merge(type)
            type NamespaceCondition
              1 type string!
              2 status string! -- What was last observed; written by the system.
              4 lastTransitionTime time -- When it last changed.
              5 reason string -- Why, in a word.
              6 message string -- Why, for people.
            """#),
        columns: [.name, .text("Status", ["status", "phase"], missing: "Active"), .age],
        applyDefaults: { namespace in
            if namespace["status"]?["phase"] == nil { namespace.set(["status", "phase"], to: "Active") }
            // Selectors by name rely on this label (KEP-2161).
            if let name = namespace["metadata"]?["name"] {
                namespace.set(["metadata", "labels", "kubernetes.io/metadata.name"], to: name)
            }
        },
        validate: { namespace in
            (namespace["spec"]?["finalizers"]?.arrayValue ?? []).enumerated().compactMap { index, finalizer in
                NameFormat.qualifiedNameProblem(finalizer.stringValue ?? "").map {
                    .invalid("spec.finalizers[\(index)]", finalizer, $0)
                }
            }
        })
}
