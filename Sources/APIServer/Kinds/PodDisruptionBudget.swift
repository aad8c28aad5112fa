// policy/v1 PodDisruptionBudget, and the type of an eviction.
import JSON
import KubernetesModel

extension ResourceKind {
    static let podDisruptionBudget = ResourceKind(
        resource: GroupVersionResource(group: "policy", resource: "poddisruptionbudgets"), kind: "PodDisruptionBudget",
        singular: "poddisruptionbudget", shortNames: ["pdb"], hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "io.k8s.api.policy.v1",
            #"""
            kind PodDisruptionBudget -- How many pods of a group may be evicted at once.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec PodDisruptionBudgetSpec -- What is wanted.
              3 status PodDisruptionBudgetStatus -- What was last observed; written by the system.
            type PodDisruptionBudgetSpec
              1 minAvailable intOrString -- Pods, or a share, that must stay available.
              2 selector meta.LabelSelector -- The pods that are counted.
              3 maxUnavailable intOrString -- Pods, or a share, that may be away.
              4 unhealthyPodEvictionPolicy enum(IfHealthyBudget|AlwaysAllow)?
            type PodDisruptionBudgetStatus
              1 observedGeneration int64
              2 disruptedPods {}time
              3 disruptionsAllowed int32
              4 currentHealthy int32
              5 desiredHealthy int32
              6 expectedPods int32
              7 conditions []meta.Condition merge(type)
            kind Eviction -- Asks a pod to go, unless a budget forbids it.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 deleteOptions meta.DeleteOptions
            """#),
        columns: [
            .name, .text("Min Available", ["spec", "minAvailable"], missing: "N/A"),
            .text("Max Unavailable", ["spec", "maxUnavailable"], missing: "N/A"),
            .text("Allowed Disruptions", ["status", "disruptionsAllowed"], missing: "0", type: "integer"), .age,
        ],
        validate: { budget in
            let spec = budget["spec"] ?? [:]
            var errors = SelectorRules.validate(spec["selector"], at: "spec.selector")
            if let least = spec["minAvailable"], spec["maxUnavailable"] != nil {
                errors.append(
                    .invalid("spec", ["minAvailable": least], "minAvailable and maxUnavailable cannot be both set"))
            }
            for member in ["minAvailable", "maxUnavailable"] {
                guard let value = spec[member] else { continue }
                errors += shareErrors(value, at: "spec.\(member)")
            }
            return errors
        })

    /// A count, or a percentage from 0% to 100%.
    private static func shareErrors(_ value: JSONValue, at path: String) -> [FieldError] {
        if let count = value.intValue {
            return count >= 0 ? [] : [.invalid(path, value, "must be greater than or equal to 0")]
        }
        let text = value.stringValue ?? ""
        guard text.hasSuffix("%"), let percent = UInt(text.dropLast()) else {
            return [
                .invalid(
                    path, value,
                    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  "
                        + "or '93%', regex used for validation is '[0-9]+%')")
            ]
        }
        return percent <= 100 ? [] : [.invalid(path, value, "must not be greater than 100%")]
    }
}
