// core/v1 Secret.
import JSON
import KubernetesModel

extension ResourceKind {
    static let secret = ResourceKind(
        resource: GroupVersionResource(resource: "secrets"), kind: "Secret", singular: "secret", selectableFields: ["type"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Secret -- Small confidential data.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              5 immutable bool? -- Whether the data can never change.
              2 data {}bytes -- Entries in base64.
              4 stringData {}string -- Entries in plain text; written only, they become data.
              3 type string =Opaque -- What the entries mean: Opaque, kubernetes.io/tls and so on.
            """#),
        columns: [.name, .text("Type", ["type"]), .count("Data", ["data"]), .age],
        applyDefaults: { secret in
            // Write-only convenience: plain text becomes data.
            guard let texts = secret["stringData"]?.objectValue else { return }
            for (key, value) in texts {
                secret.set(["data", key], to: .string(Base64.encode(Array((value.stringValue ?? "").utf8))))
            }
            secret["stringData"] = nil
        },
        validate: { secret in DataRules.validate(secret, members: ["data"], whole: "data") + validateSecretType(secret) },
        validateUpdate: { old, new in
            let errors = DataRules.validateImmutable(old, new, members: ["data"])
            if old["type"] == new["type"] { return errors }
            return [.invalid("type", new["type"] ?? .null, "field is immutable")] + errors
        })

    /// What a secret of a well-known type must hold.
    private static let secretKeys: [String: [String]] = [
        "kubernetes.io/dockercfg": [".dockercfg"], "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
        "kubernetes.io/ssh-auth": ["ssh-privatekey"], "kubernetes.io/tls": ["tls.crt", "tls.key"],
    ]

    private static func validateSecretType(_ secret: JSONValue) -> [FieldError] {
        let type = secret["type"]?.stringValue ?? ""
        switch type {
        case "kubernetes.io/service-account-token":
            let account = secret["metadata"]?["annotations"]?["kubernetes.io/service-account.name"]?.stringValue ?? ""
            return account.isEmpty ? [.required("metadata.annotations[kubernetes.io/service-account.name]")] : []
        case "kubernetes.io/basic-auth":
            let has = ["username", "password"].contains { secret["data"]?[$0] != nil }
            return has ? [] : [.required("data[username]"), .required("data[password]")]
        default:
            return (secretKeys[type] ?? []).filter { secret["data"]?[$0] == nil }.map { .required("data[\($0)]") }
        }
    }
}
