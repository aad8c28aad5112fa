// core/v1 ConfigMap, Secret, ServiceAccount.
import JSON
import KubernetesModel

extension ResourceKind {
    /// Data of one object, as in Kubernetes.
    static let maximumDataBytes = 1 << 20

    static let configMap = ResourceKind(
        resource: GroupVersionResource(resource: "configmaps"), kind: "ConfigMap", singular: "configmap", shortNames: ["cm"],
        fields: [Field("data", .stringMap), Field("binaryData", .map(.bytes)), Field("immutable", .boolean)],
        description: "ConfigMap holds configuration data for pods to consume.",
        columns: [.name, .count("Data", ["data"]), .age],
        validate: { validateData($0, members: ["data", "binaryData"]) },
        validateUpdate: { validateImmutable($0, $1, members: ["data", "binaryData"]) })

    static let secret = ResourceKind(
        resource: GroupVersionResource(resource: "secrets"), kind: "Secret", singular: "secret",
        selectableFields: ["type"],
        fields: [
            Field("data", .map(.bytes)), Field("stringData", .stringMap), Field("type", .string), Field("immutable", .boolean),
        ],
        description: "Secret holds secret data, in base64.",
        columns: [.name, .text("Type", ["type"]), .count("Data", ["data"]), .age],
        applyDefaults: { secret in
            secret.setDefault("type", "Opaque")
            // Write-only convenience: plain text becomes data.
            for (key, value) in secret["stringData"]?.objectValue ?? [:] {
                secret.set(["data", key], to: .string(Base64.encode(Array((value.stringValue ?? "").utf8))))
            }
            secret["stringData"] = nil
        },
        validate: { validateData($0, members: ["data"]) },
        validateUpdate: { old, new in
            let errors = validateImmutable(old, new, members: ["data"])
            if old["type"] == new["type"] { return errors }
            return errors + [.invalid("type", new["type"] ?? .null, "field is immutable")]
        })

    static let serviceAccount = ResourceKind(
        resource: GroupVersionResource(resource: "serviceaccounts"), kind: "ServiceAccount", singular: "serviceaccount",
        shortNames: ["sa"],
        fields: [
            Field("secrets", .array(CommonSchemas.objectReference, mergeKey: "name")),
            Field("imagePullSecrets", .array(CommonSchemas.localObjectReference, mergeKey: "name")),
            Field("automountServiceAccountToken", .boolean),
        ],
        description: "ServiceAccount is an identity for processes in pods.",
        columns: [.name, .count("Secrets", ["secrets"]), .age])

    private static func validateData(_ object: JSONValue, members: [String]) -> [FieldError] {
        var errors: [FieldError] = []
        var size = 0
        for member in members {
            for (key, value) in object[member]?.objectValue ?? [:] {
                size += key.utf8.count + (value.stringValue?.utf8.count ?? 0)
                let isFit =
                    key.utf8.count <= 253 && !key.isEmpty && key != "." && key != ".."
                    && key.utf8.allSatisfy { byte in
                        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                            || byte == 0x2D || byte == 0x2E || byte == 0x5F
                    }
                if !isFit {
                    errors.append(
                        .invalid(
                            "\(member)[\(key)]", .string(key),
                            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"))
                }
            }
        }
        if size > maximumDataBytes {
            errors.append(
                FieldError(
                    field: members[0], reason: .tooLong, message: "Too long: may not be more than \(maximumDataBytes) bytes"))
        }
        return errors
    }

    private static func validateImmutable(_ old: JSONValue, _ new: JSONValue, members: [String]) -> [FieldError] {
        guard old["immutable"]?.boolValue == true else { return [] }
        return (members + ["immutable"]).filter { old[$0] != new[$0] }.map {
            .forbidden($0, "field is immutable when `immutable` is set")
        }
    }
}
