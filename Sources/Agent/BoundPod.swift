// A pod that the API server has bound to this node, as it came: read whole only when something of it changed that is not the agent's own
// report, and kept in a tenth of the memory that its parts would take.
import JSON
import KubernetesClient
import KubernetesModel

struct BoundPod: ObservedObject {
    static var resource: GroupVersionResource { Pod.resource }
    static var kind: String { Pod.kind }

    let observedKey: ObjectKey
    let observedUID: String?
    let observedVersion: String?
    private let bytes: [UInt8]
    /// Of everything that a wish may be in.
    private let wishes: Int

    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> BoundPod {
        guard let key = ObjectKey(node, of: tape), let metadata = tape.member(of: node, "metadata") else {
            throw KubernetesAPIError.transport("a pod without metadata.name")
        }
        var hasher = Hasher()
        func take(_ parent: JSONTape.Node?, _ member: String) {
            guard let found = parent.flatMap({ tape.member(of: $0, member) }) else { return hasher.combine(0) }
            tape.rawBytes(found).withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        for member in [
            "uid", "labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers", "ownerReferences",
        ] {
            take(metadata, member)
        }
        take(node, "spec")
        let spec = tape.member(of: node, "spec")
        // Conditions of readiness gates are set by others.
        if spec.flatMap({ tape.member(of: $0, "readinessGates") }) != nil { take(tape.member(of: node, "status"), "conditions") }
        func text(_ member: String) -> String? { tape.member(of: metadata, member).flatMap { tape.string($0) } }
        return BoundPod(
            observedKey: key, observedUID: text("uid"), observedVersion: text("resourceVersion"),
            bytes: Array(tape.rawBytes(node)),
            wishes: hasher.finalize())
    }

    /// Throws when it does not fit the view.
    func pod() throws -> Pod { try JSON.decode(Pod.self, from: bytes) }

    /// Nothing that anybody but this node's agent writes is different.
    func asksTheSame(as other: BoundPod) -> Bool { wishes == other.wishes }
}
