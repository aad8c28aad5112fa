// Which domain a node's name belongs to: what its Node says, or while there is none, who first got a certificate for it or
// registered by it. The second is kept in a ConfigMap of kube-system, by which an administrator sees it and gives a name free.
import JSON
import KubernetesModel
import ResourceStore

enum NodeName: Sendable, Hashable {
    /// Nobody has had it.
    case free
    /// A Node is there, with the domains of its labels; none: a node of the cluster itself.
    case node(domains: Set<String>)
    /// No Node is there. nil: kept for a node of no domain.
    case kept(domain: String?)

    static func recordKey(_ name: String) -> ResourceKey {
        ResourceKey(group: "", resource: "configmaps", namespace: "kube-system", name: "node-name.\(name)")
    }

    private static func nodeKey(_ name: String) -> ResourceKey {
        ResourceKey(group: "", resource: "nodes", namespace: "", name: name)
    }

    private static var label: String { NodeRestriction.domainLabels[0] }

    /// By two look-ups at most; nothing is read but the labels of the index.
    init<Failure>(_ name: String, _ find: (ResourceKey) throws(Failure) -> StoredObject?) throws(Failure) {
        if let node = try find(Self.nodeKey(name)) {
            self = .node(domains: Set(NodeRestriction.domainLabels.compactMap { node.index.labels[$0] }))
        } else if let record = try find(Self.recordKey(name)) {
            self = .kept(domain: record.index.labels[Self.label])
        } else {
            self = .free
        }
    }

    /// Why a node of this domain (nil: of none) cannot have the name; nil when it can. Another domain is not named.
    func problem(_ name: String, domain: String?) -> String? {
        switch self {
        case .free: return nil
        case .node(let domains):
            if domains == (domain.map { [$0] } ?? []) { return nil }
            return domains.isEmpty ? "node \"\(name)\" belongs to no domain" : "node \"\(name)\" belongs to another domain"
        case .kept(let owner):
            if owner == domain { return nil }
            return "the name of node \"\(name)\" is kept for \(owner == nil ? "a node of no domain" : "another domain"); "
                + "an administrator gives it free by deleting ConfigMap \"node-name.\(name)\" in namespace \"kube-system\""
        }
    }

    /// A Node that is there says whose the name is, whatever was kept before.
    var isNode: Bool { if case .node = self { true } else { false } }

    // MARK: Keeping

    /// Keeps the name for the domain, in the commit of the write that is under review. Between the look that decided and this one
    /// another may have come: his record is replaced only by whom it does not bind (`mayReplace`: an administrator, or whose
    /// Node is there); for all others the commit fails on it, and they are asked again.
    static func keep(
        _ name: String, for domain: String?, mayReplace: Bool, _ review: inout AdmissionReview, _ lookup: any AdmissionLookup
    ) throws(StatusError) {
        let key = recordKey(name)
        let found = try lookup.stored(key)
        if let found, found.index.labels[label] == domain { return review.require(found) }
        var record: JSONValue = [
            "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": [
                "name": .string(key.name),
                "annotations": ["kubernetes.io/description": "Keeps the name of a node for the domain of the label."],
            ],
        ]
        ObjectMetadata.prepareForCreate(&record, kind: recordKind, namespace: key.namespace, now: lookup.now)
        if let domain { record.set(["metadata", "labels", label], to: .string(domain)) }
        let bytes = record.serialized()
        let index = recordKind.index(record)
        review.commitAlongside(
            mayReplace && found != nil
                ? .update(key, bytes: bytes, index: index, expectedRevision: found?.revision)
                : .create(key, bytes: bytes, index: index))
    }

    private static let recordKind = ServedKind(.configMap)
}
