// Keeps a namespace within its quotas: what an object costs is added to each quota's `status.used` in the same commit, so
// that two writes at once can never both take the last of it.
// https://kubernetes.io/docs/concepts/policy/resource-quotas/
import JSON
import KubernetesModel
import ResourceStore

struct ResourceQuotaAdmission: AdmissionStep {
    let name = "ResourceQuota"

    /// What cannot run out: quotas must stay writable when all is used, reviews and events are no content.
    private static let free: Set<String> = ["events", "subjectaccessreviews", "localsubjectaccessreviews", "leases"]

    func handles(_ attributes: AdmissionAttributes) -> Bool {
        attributes.operation == .create && attributes.subresource.isEmpty && attributes.kind.declaration.namespaced
            && !Self.free.contains(attributes.kind.resource.resource)
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        let namespace = review.attributes.namespace ?? ""
        let quotas = try lookup.stored(CollectionID(group: "", resource: "resourcequotas"), namespace: namespace)
        if quotas.isEmpty { return }
        let (cost, pod) = try cost(of: review)
        for stored in quotas {
            guard let tree = try lookup.object(stored.key) else { continue }
            let quota: ResourceQuota
            do { quota = try JSON.decode(ResourceQuota.self, from: tree) } catch {
                throw .internalError("\(stored.key): \(error)")
            }
            if let pod, !quota.spec.covers(pod) { continue }
            if pod == nil, quota.spec.hasScopes { continue }
            try charge(cost, to: quota, stored, tree, isPod: pod != nil, &review)
        }
    }

    private func cost(of review: AdmissionReview) throws(StatusError) -> (QuotaUsage, Pod?) {
        let resource = review.attributes.kind.resource
        do {
            if resource == Pod.resource {
                let pod = try JSON.decode(Pod.self, from: review.object)
                return (QuotaUsage(pod), pod)
            }
            if resource == Service.resource { return (QuotaUsage(try JSON.decode(Service.self, from: review.object)), nil) }
        } catch {
            throw .internalError("the quota's view of the object: \(error)")
        }
        return (QuotaUsage(objectsOf: resource), nil)
    }

    private func charge(
        _ cost: QuotaUsage, to quota: ResourceQuota, _ stored: StoredObject, _ tree: JSONValue, isPod: Bool,
        _ review: inout AdmissionReview
    ) throws(StatusError) {
        let hard = quota.spec.hard
        let name = quota.metadata.name
        let counted = hard.keys.filter { cost.amounts[$0] != nil }.sorted()
        if isPod {
            let missing = cost.missing(in: hard)
            if !missing.isEmpty { throw refusal(review, "failed quota: \(name): must specify \(missing.joined(separator: ","))") }
        }
        if counted.isEmpty { return }
        let unknown = counted.filter { quota.status.used[$0] == nil }
        if !unknown.isEmpty {
            throw refusal(review, "status unknown for quota: \(name), resources: \(unknown.joined(separator: ","))")
        }
        let exceeded = cost.exceeded(hard: hard, used: quota.status.used)
        if !exceeded.isEmpty {
            func told(_ amounts: [String: Quantity]) -> String {
                exceeded.map { "\($0)=\(amounts[$0] ?? Quantity(0))" }.joined(separator: ",")
            }
            throw refusal(
                review,
                "exceeded quota: \(name), requested: \(told(cost.amounts)), used: \(told(quota.status.used)), limited: \(told(hard))"
            )
        }
        var changed = tree
        for key in counted {
            let used = (quota.status.used[key] ?? Quantity(0)) + (cost.amounts[key] ?? Quantity(0))
            changed.set(["status", "used", key], to: .string("\(used)"))
        }
        review.commitAlongside(
            .update(stored.key, bytes: changed.serialized(), index: stored.index, expectedRevision: stored.revision))
    }

    private func refusal(_ review: AdmissionReview, _ message: String) -> StatusError {
        let kind = review.attributes.kind.resource
        return .forbidden(kind.resource, group: kind.group, name: review.object["metadata"]?["name"]?.stringValue ?? "", message)
    }
}
