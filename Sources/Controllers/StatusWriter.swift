// Writes a status that a pure planner decided: only what changed, and only over the version that the plan was made for.
import JSON
import KubernetesClient
import KubernetesModel

extension KubernetesAPI {
    /// Patches `status` from `old` to `new`; does nothing when they are equal. Throws a conflict when the object changed
    /// since it was read: plan again.
    func writeStatus<T: KubernetesObject, Status: Encodable>(of object: T, from old: Status, to new: Status) async throws {
        let before = try JSON.encodeToValue(old)
        let after = try JSON.encodeToValue(new)
        guard let change = JSONValue.mergeDifference(from: before, to: after) else { return }
        var merge: JSONValue = ["status": change]
        if let version = object.metadata.resourceVersion { merge["metadata"] = ["resourceVersion": .string(version)] }
        try await patchStatus(T.self, namespace: object.metadata.namespace, name: object.metadata.name, merge: merge)
    }
}
