// scheduling.k8s.io/v1 PriorityClass.
import JSON
import KubernetesModel

extension ResourceKind {
    /// Above it are the classes of the system itself.
    static let highestUserPriority: Int64 = 1_000_000_000
    static let systemPriorityClasses: [String: Int64] = [
        "system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000,
    ]

    static let priorityClass = ResourceKind(
        resource: GroupVersionResource(group: "scheduling.k8s.io", resource: "priorityclasses"), kind: "PriorityClass",
        singular: "priorityclass", shortNames: ["pc"], namespaced: false,
        types: TypeText(
            package: "io.k8s.api.scheduling.v1",
            #"""
            kind PriorityClass -- How important pods are.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 value int32 =0 -- The higher, the more important.
              3 globalDefault bool -- Whether it counts for pods that name no class.
              4 description string
              5 preemptionPolicy enum(PreemptLowerPriority|Never)? =PreemptLowerPriority
            """#),
        columns: [
            .name, .text("Value", ["value"], missing: "0", type: "integer"),
            .text("Global-Default", ["globalDefault"], missing: "false", type: "boolean"), .age,
            .text("PreemptionPolicy", ["preemptionPolicy"]),
        ],
        validate: { value in
            let name = value["metadata"]?["name"]?.stringValue ?? ""
            let number = value["value"]?.intValue ?? 0
            if name.hasPrefix("system-") {
                if systemPriorityClasses[name] == number { return [] }
                return [
                    .forbidden(
                        "metadata.name", "priority class names with 'system-' prefix are reserved for system use only")
                ]
            }
            if number <= highestUserPriority { return [] }
            return [
                .forbidden("value", "maximum allowed value of a user defined priority is \(highestUserPriority)")
            ]
        },
        validateUpdate: { old, new in
            var errors: [FieldError] = []
            if old["value"] != new["value"] { errors.append(.forbidden("value", "may not be changed in an update.")) }
            return errors + immutable(old, new, "preemptionPolicy")
        })
}
