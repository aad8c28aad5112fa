// core/v1 Node and Namespace.
import JSON
import KubernetesModel

extension ResourceKind {
    static let node = ResourceKind(
        resource: GroupVersionResource(resource: "nodes"), kind: "Node", singular: "node", shortNames: ["no"],
        namespaced: false, hasStatus: true, statusOnCreate: .keep, selectableFields: ["spec.unschedulable"],
        fields: [Field("spec", nodeSpec), Field("status", nodeStatus)],
        description: "Node is a machine that runs pods.", columns: NodeColumns.all,
        applyDefaults: { node in
            node.setDefault("spec", [:])
            node.setDefault("status", [:])
        },
        validate: { node in
            var errors: [FieldError] = []
            for (index, taint) in (node["spec"]?["taints"]?.arrayValue ?? []).enumerated() {
                if let problem = NameFormat.qualifiedNameProblem(taint["key"]?.stringValue ?? "") {
                    errors.append(.invalid("spec.taints[\(index)].key", taint["key"] ?? "", problem))
                }
            }
            return errors
        })

    private static let nodeSpec = Schema.object(
        "io.k8s.api.core.v1.NodeSpec", "",
        [
            Field("podCIDR", .string), Field("podCIDRs", .array(.string, mergeKey: "")), Field("providerID", .string),
            Field("unschedulable", .boolean), Field("externalID", .string), Field("configSource", .any),
            Field(
                "taints",
                .array(
                    .object(
                        "io.k8s.api.core.v1.Taint", "",
                        [
                            Field("key", .string, required: true), Field("value", .string),
                            Field("effect", .enumeration(["NoSchedule", "PreferNoSchedule", "NoExecute"]), required: true),
                            Field("timeAdded", .dateTime),
                        ]), mergeKey: "key")),
        ])

    private static let nodeStatus = Schema.object(
        "io.k8s.api.core.v1.NodeStatus", "",
        [
            Field("capacity", .quantityMap), Field("allocatable", .quantityMap), Field("phase", .string),
            Field("conditions", CommonSchemas.conditions),
            Field(
                "addresses",
                .array(
                    .object(
                        "io.k8s.api.core.v1.NodeAddress", "",
                        [
                            Field("type", .string, required: true), Field("address", .string, required: true),
                        ]), mergeKey: "type")),
            Field("daemonEndpoints", .any), Field("nodeInfo", .any), Field("images", .array(.any)),
            Field("volumesInUse", .array(.string)), Field("volumesAttached", .array(.any)), Field("config", .any),
            Field("runtimeHandlers", .array(.any)), Field("features", .any),
        ])

    static let namespace = ResourceKind(
        resource: GroupVersionResource(resource: "namespaces"), kind: "Namespace", singular: "namespace", shortNames: ["ns"],
        namespaced: false, hasStatus: true, statusOnCreate: .reset(["phase": "Active"]), nameRule: .label,
        selectableFields: ["status.phase"],
        fields: [
            Field("spec", .object("io.k8s.api.core.v1.NamespaceSpec", "", [Field("finalizers", .array(.string))])),
            Field(
                "status",
                .object(
                    "io.k8s.api.core.v1.NamespaceStatus", "",
                    [
                        Field("phase", .string), Field("conditions", CommonSchemas.conditions),
                    ])),
        ],
        description: "Namespace is a scope for names.",
        columns: [.name, .text("Status", ["status", "phase"], missing: "Active"), .age],
        applyDefaults: { namespace in
            namespace.setDefault("spec", [:])
            namespace.setDefault("status", ["phase": "Active"])
            // Selectors by name rely on this label (KEP-2161).
            if let name = namespace["metadata"]?["name"] {
                namespace.set(["metadata", "labels", "kubernetes.io/metadata.name"], to: name)
            }
        })
}
