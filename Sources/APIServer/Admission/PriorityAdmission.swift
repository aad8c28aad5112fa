// Gives a pod the number and the preemption policy of its priority class.
// https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
import JSON
import KubernetesModel
import ResourceStore

struct PriorityAdmission: AdmissionStep {
    let name = "Priority"

    /// Classes that exist without being stored.
    static let systemClasses: [String: Int64] = ["system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000]
    private static let group = "scheduling.k8s.io"

    func handles(_ attributes: AdmissionAttributes) -> Bool { attributes.operation == .create && attributes.concerns("", "pods") }

    func mutate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let spec = review.object["spec"] ?? [:]
        let wanted = spec["priorityClassName"]?.stringValue ?? ""
        let found = wanted.isEmpty ? try defaultClass(lookup) : try namedClass(wanted, review, lookup)
        if wanted.isEmpty, let found { review.object.set(["spec", "priorityClassName"], to: .string(found.name)) }
        let value = found?.value ?? 0
        if let given = spec["priority"]?.intValue, given != value {
            throw refusal(
                review,
                "the integer value of priority (\(given)) must not be provided in pod spec; priority admission controller computed "
                    + "\(value) from the given PriorityClass name")
        }
        let policy = found?.policy ?? "PreemptLowerPriority"
        if let given = spec["preemptionPolicy"]?.stringValue, !given.isEmpty, given != policy {
            throw refusal(
                review,
                "the string value of PreemptionPolicy (\(given)) must not be provided in pod spec; priority admission controller computed "
                    + "\(policy) from the given PriorityClass name")
        }
        review.object.set(["spec", "priority"], to: .int(value))
        review.object.set(["spec", "preemptionPolicy"], to: .string(policy))
    }

    private struct Class {
        var name: String
        var value: Int64
        var policy: String

        init(name: String, value: Int64, policy: String = "PreemptLowerPriority") {
            self.name = name
            self.value = value
            self.policy = policy
        }

        init(_ tree: JSONValue) {
            name = tree["metadata"]?["name"]?.stringValue ?? ""
            value = tree["value"]?.intValue ?? 0
            policy = tree["preemptionPolicy"]?.stringValue ?? "PreemptLowerPriority"
        }
    }

    private func namedClass(
        _ name: String, _ review: AdmissionReview, _ lookup: any AdmissionLookup
    ) throws(StatusError) -> Class {
        let key = ResourceKey(group: Self.group, resource: "priorityclasses", namespace: "", name: name)
        if let tree = try lookup.object(key) { return Class(tree) }
        if let value = Self.systemClasses[name] { return Class(name: name, value: value) }
        throw refusal(review, "no PriorityClass with name \(name) was found")
    }

    /// Of several that say they are the default, the least.
    private func defaultClass(_ lookup: any AdmissionLookup) throws(StatusError) -> Class? {
        var least: Class?
        for stored in try lookup.stored(CollectionID(group: Self.group, resource: "priorityclasses"), namespace: nil) {
            guard let tree = try lookup.object(stored.key), tree["globalDefault"] == .bool(true) else { continue }
            let one = Class(tree)
            if least.map({ one.value < $0.value }) ?? true { least = one }
        }
        return least
    }

    private func refusal(_ review: AdmissionReview, _ message: String) -> StatusError {
        .forbidden("pods", group: "", name: review.object["metadata"]?["name"]?.stringValue ?? "", message)
    }
}
