// core/v1 ResourceQuota and LimitRange; what the second says is carried out by Admission/LimitRanger.swift.
import JSON
import KubernetesModel

extension ResourceKind {
    static let resourceQuota = ResourceKind(
        resource: GroupVersionResource(resource: "resourcequotas"), kind: "ResourceQuota", singular: "resourcequota",
        shortNames: ["quota"], hasStatus: true,
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind ResourceQuota -- The most that a namespace may use.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec ResourceQuotaSpec ={} -- What is wanted.
              3 status ResourceQuotaStatus -- What was last observed; written by the system.
            type ResourceQuotaSpec
              1 hard {}quantity -- The limit of each resource.
              2 scopes []enum(Terminating|NotTerminating|BestEffort|NotBestEffort|PriorityClass|CrossNamespacePodAffinity|VolumeAttributesClass)
              3 scopeSelector ScopeSelector
            type ScopeSelector
              1 matchExpressions []ScopedResourceSelectorRequirement
            type ScopedResourceSelectorRequirement
              1 scopeName enum(Terminating|NotTerminating|BestEffort|NotBestEffort|PriorityClass|CrossNamespacePodAffinity|VolumeAttributesClass)!
              2 operator enum(In|NotIn|Exists|DoesNotExist)!
              3 values []string
            type ResourceQuotaStatus
              1 hard {}quantity
              2 used {}quantity -- What is used now.
            """#),
        columns: [
            .name, .computed("Request") { quotaText($0) { !$0.hasPrefix("limits.") } },
            .computed("Limit") { quotaText($0) { $0.hasPrefix("limits.") } }, .age,
        ],
        validate: { quota in
            QuantityRules.notNegative(quota["spec"]?["hard"], at: "spec.hard")
                + QuantityRules.notNegative(quota["status"]?["hard"], at: "status.hard")
                + QuantityRules.notNegative(quota["status"]?["used"], at: "status.used")
        },
        validateUpdate: { old, new in
            old["spec"]?["scopes"] == new["spec"]?["scopes"]
                ? [] : [.invalid("spec.scopes", new["spec"]?["scopes"] ?? .null, "field is immutable")]
        })

    /// "pods: 3/10, requests.cpu: 2/4".
    private static func quotaText(_ tape: JSONTape, _ isShown: (String) -> Bool) -> String {
        let hard = tape.node(["status", "hard"]).map { Array(tape.members(of: $0)) } ?? []
        return hard.filter { isShown($0.key) }.sorted { $0.key < $1.key }.map { name, limit in
            let used = tape.node(["status", "used", name]).map { tape.value($0).stringValue ?? "0" } ?? "0"
            return "\(name): \(used)/\(tape.string(limit) ?? "")"
        }.joined(separator: ", ")
    }

    static let limitRange = ResourceKind(
        resource: GroupVersionResource(resource: "limitranges"), kind: "LimitRange", singular: "limitrange",
        shortNames: ["limits"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind LimitRange -- Bounds and defaults for single objects of a namespace.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec LimitRangeSpec -- What is wanted.
            type LimitRangeSpec
              1 limits []LimitRangeItem
            type LimitRangeItem
              1 type string!
              2 max {}quantity
              3 min {}quantity
              4 default {}quantity
              5 defaultRequest {}quantity
              6 maxLimitRequestRatio {}quantity
            """#),
        columns: [.name, .createdAt], applyDefaults: LimitRangeRules.applyDefaults, validate: LimitRangeRules.validate)
}
