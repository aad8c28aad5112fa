// pods/eviction: a delete that respects the pod's disruption budgets. Whether a budget allows it is decided in
// DisruptionBudget.swift; the budget remembers the eviction in the same commit that deletes the pod.
import JSON
import KubernetesModel
import ResourceStore

extension APIHandler {
    private static let budgets = CollectionID(group: "policy", resource: "poddisruptionbudgets")

    /// `POST pods/NAME/eviction` with an Eviction (policy/v1 or v1beta1). 429 when a budget is against it.
    func evict(_ call: APICall) async throws(StatusError) -> APIDocument {
        let options = try WriteOptions(call.request, kind: "CreateOptions")
        let body = try call.body().object
        guard case .object = body else { throw .badRequest("the request's body must be a JSON object") }
        if let kind = body["kind"]?.stringValue, !kind.isEmpty, kind != "Eviction" {
            throw .badRequest("\(kind) cannot be handled as an Eviction: kind must be \"Eviction\"")
        }
        let name = body["metadata"]?["name"]?.stringValue ?? ""
        if !name.isEmpty, name != call.name {
            throw .badRequest("name in URL does not match name in Eviction object: \"\(call.name)\" and \"\(name)\"")
        }
        var parameters = try DeletionParameters(options: body["deleteOptions"])
        parameters.isDryRun = parameters.isDryRun || options.isDryRun
        let moment = now()
        _ = try await delete(call.kind, call.key, parameters, user: call.user) { (current) throws(StatusError) in
            try disruption(of: current, kind: call.kind, at: moment)
        }
        return APIDocument(
            status: 201, body: Array(#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201}"#.utf8))
    }

    /// The budgets' changes that go with an eviction. Throws when it must not be.
    private func disruption(
        of stored: StoredObject, kind: ServedKind, at moment: Int64
    ) throws(StatusError) -> [StoreOperation] {
        let pod = BudgetPod(stored)
        // Finished, unbound and leaving pods serve nobody.
        if !pod.counts { return [] }
        let found: [StoredObject]
        let all: [StoredObject]
        do {
            found = try store.scan(ListRequest(collection: Self.budgets, namespace: stored.key.namespace)).objects
            if found.isEmpty { return [] }
            all = try store.scan(ListRequest(collection: kind.collection, namespace: stored.key.namespace)).objects
        } catch { throw .store(error) }
        var matching: [(StoredObject, DisruptionBudget)] = []
        for object in found {
            let budget = DisruptionBudget(try tree(object))
            if budget.selects(stored.index.labels) { matching.append((object, budget)) }
        }
        guard let (object, budget) = matching.first else { return [] }
        guard matching.count == 1 else {
            throw .internalError(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
        }
        let pods = all.filter { budget.selects($0.index.labels) }.map(BudgetPod.init)
        switch budget.decide(evicting: pod, among: pods, now: moment) {
        case .refused(let needed, let healthy):
            throw .tooManyRequests(
                "Cannot evict pod as it would violate the pod's disruption budget.", retryAfterSeconds: nil,
                causes: [
                    FieldError(
                        field: "", reason: .disruptionBudget,
                        message:
                            "The disruption budget \(object.key.name) needs \(needed) healthy pods and has \(healthy) currently")
                ])
        case .allowedWithoutCount: return []
        case .allowed(let status):
            guard let budgetKind = kinds[GroupVersionResource(group: "policy", resource: "poddisruptionbudgets")] else {
                return []
            }
            var changed = try tree(object)
            changed["status"] = status
            return [
                .update(
                    object.key, bytes: changed.serialized(), index: budgetKind.index(changed),
                    expectedRevision: object.revision)
            ]
        }
    }
}
