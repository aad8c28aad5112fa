// core/v1 ConfigMap.
import JSON
import KubernetesModel

extension ResourceKind {
    static let configMap = ResourceKind(
        resource: GroupVersionResource(resource: "configmaps"), kind: "ConfigMap", singular: "configmap", shortNames: ["cm"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind ConfigMap -- Configuration that pods read as files or variables.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              4 immutable bool? -- Whether the data can never change.
              2 data {}string -- Entries in text.
              3 binaryData {}bytes -- Entries in base64.
            """#),
        columns: [.name, .count("Data", ["data", "binaryData"], together: true), .age],
        validate: { DataRules.validate($0, members: ["data", "binaryData"], whole: "") },
        validateUpdate: { DataRules.validateImmutable($0, $1, members: ["data", "binaryData"]) })
}
