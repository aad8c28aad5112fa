// What a node writes must be about itself: the part of a Lite's limits that can only be seen in the object.
import JSON
import KubernetesModel

enum NodeAdmission {
    /// Labels that say which domain a node belongs to.
    static let domainLabels = ["kuscia.secretflow/namespace", "domain"]

    /// Refuses a Lite's write about another node or domain; `old` is nil for a create.
    static func check(_ user: UserInfo, kind: ServedKind, old: JSONValue?, new: JSONValue) throws(StatusError) {
        guard !user.groups.contains(SwiftletAuthorizer.administrators), let identity = NodeIdentity(user) else { return }
        let name = new["metadata"]?["name"]?.stringValue ?? ""
        switch (kind.resource.group, kind.resource.resource) {
        case ("", "nodes"):
            try check(name == identity.node, kind, name, "node \"\(identity.node)\" may only write its own Node")
            for object in [old, new].compactMap({ $0 }) {
                for label in domainLabels {
                    let found = object["metadata"]?["labels"]?[label]?.stringValue
                    try check(
                        found == identity.domain || (found == nil && label == "domain"), kind, name,
                        "label \(label) is \(found.map { "\"\($0)\"" } ?? "missing"), must be \"\(identity.domain ?? "")\"")
                }
            }
        case ("coordination.k8s.io", "leases"):
            try check(name == identity.node, kind, name, "node \"\(identity.node)\" may only hold its own Lease")
        case ("", "pods"):
            guard let node = old?["spec"]?["nodeName"]?.stringValue else { return }
            try check(node == identity.node, kind, name, "the pod is bound to node \"\(node)\"")
        default:
            return
        }
    }

    private static func check(_ holds: Bool, _ kind: ServedKind, _ name: String, _ why: String) throws(StatusError) {
        if holds { return }
        throw .forbidden(kind.resource.resource, group: kind.resource.group, name: name, why)
    }
}
