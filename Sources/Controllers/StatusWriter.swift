// How plans meet the server: a status is written only where it changed and only over the version that the plan was made
// for; what was refused for good, and whose an object is.
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

extension KubernetesAPIError {
    /// The server will never accept this object: asking again is useless.
    var isRefusal: Bool { code == 400 || code == 403 || code == 422 }
}

extension KubernetesObject {
    /// Whether this belongs to the same object (not only one of the same name) as `other`.
    func hasOwner(of other: some KubernetesObject) -> Bool {
        other.metadata.ownerReferences.allSatisfy { wanted in metadata.ownerReferences.contains { $0.uid == wanted.uid } }
    }
}
