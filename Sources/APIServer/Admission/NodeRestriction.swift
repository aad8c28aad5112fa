// What a node writes must be about itself: the part of a node's limits that can only be seen in the object.
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
import JSON
import KubernetesModel
import ResourceStore

struct NodeRestriction: AdmissionStep {
    let name = "NodeRestriction"

    /// Labels that say which domain a node belongs to: the first must be there, the second may be.
    static let domainLabels = ["kuscia.secretflow/namespace", "domain"]
    /// Labels below kubernetes.io and k8s.io that a node may say of itself; all others there are the cluster's.
    private static let ownLabels: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type", "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone", "topology.k8s.aws/zone-id",
        // Kuscia's agents label themselves so; neither says anything that is trusted.
        "kubernetes.io/role", "kubernetes.io/apiVersion",
    ]
    private static let ownPrefixes = ["kubelet.kubernetes.io", "node.kubernetes.io"]
    static let mirrorAnnotation = "kubernetes.io/config.mirror"

    func handles(_ attributes: AdmissionAttributes) -> Bool {
        attributes.user.name.hasPrefix(NodeIdentity.userPrefix) && !attributes.user.groups.contains(SystemGroup.masters)
    }

    func validate(_ review: inout AdmissionReview, _ lookup: any AdmissionLookup) throws(StatusError) {
        guard let identity = NodeIdentity(review.attributes.user) else { return }
        let attributes = review.attributes
        let check = Check(identity: identity, review: review)
        switch (attributes.kind.resource.group, attributes.kind.resource.resource, attributes.subresource) {
        case ("", "nodes", ""), ("", "nodes", "status"):
            try check.node()
            // A certificate that was not asked for here (made by hand, or by an older master) takes its name with this.
            if attributes.operation == .create, identity.domain != nil {
                try NodeName.keep(identity.node, for: identity.domain, mayReplace: false, &review, lookup)
            }
        case ("coordination.k8s.io", "leases", ""), ("metrics.k8s.io", "nodes", ""): try check.ownName()
        case ("", "pods", "") where attributes.operation == .create: try check.mirrorPod()
        case ("", "pods", "status"), ("", "pods", ""), ("", "pods", "eviction"): try check.ownPod()
        case ("metrics.k8s.io", "pods", ""): try check.podMetrics(lookup)
        case ("", "serviceaccounts", "token"): try check.token(lookup)
        case ("", "events", ""), ("events.k8s.io", "events", ""): try check.event()
        default: return
        }
    }

    /// One review with the words for its refusal.
    private struct Check {
        let identity: NodeIdentity
        let review: AdmissionReview

        private var objectName: String { review.object["metadata"]?["name"]?.stringValue ?? review.attributes.name }

        private func require(_ holds: Bool, _ why: @autoclosure () -> String) throws(StatusError) {
            if holds { return }
            let kind = review.attributes.kind.resource
            throw .forbidden(kind.resource, group: kind.group, name: objectName, "node \"\(identity.node)\" \(why())")
        }

        func ownName() throws(StatusError) {
            try require(objectName == identity.node, "may only write its own \(review.attributes.kind.declaration.kind)")
        }

        func node() throws(StatusError) {
            try ownName()
            try domain()
            guard let old = review.old else { return try labels(old: [:]) }
            try labels(old: Self.labels(old))
            let (had, has) = (Self.taints(old), Self.taints(review.object))
            try require(had.isSubset(of: has), "is not allowed to remove or change taints of its Node")
            try require(
                old["spec"]?["unschedulable"]?.isTrue != true || review.object["spec"]?["unschedulable"]?.isTrue == true,
                "is not allowed to make itself schedulable again")
        }

        /// Which domain a node belongs to follows from its certificate, before and after the write.
        private func domain() throws(StatusError) {
            for object in [review.old, review.object].compactMap(\.self) {
                for label in NodeRestriction.domainLabels {
                    let found = Self.labels(object)[label]
                    let mayBeAbsent = identity.domain == nil || label == "domain"
                    try require(
                        found == identity.domain || (found == nil && mayBeAbsent),
                        "has label \(label) \(found.map { "\"\($0)\"" } ?? "missing"), must be "
                            + (identity.domain.map { "\"\($0)\"" } ?? "absent"))
                }
            }
        }

        private func labels(old: [String: String]) throws(StatusError) {
            let new = Self.labels(review.object)
            let changed = Set(old.keys).union(new.keys).filter { old[$0] != new[$0] }
            let refused = changed.filter { !Self.mayWrite(label: $0) }.sorted()
            try require(refused.isEmpty, "is not allowed to modify labels: \(refused.joined(separator: ", "))")
        }

        private static func mayWrite(label: String) -> Bool {
            guard let slash = label.firstIndex(of: "/") else { return true }
            let prefix = label[..<slash]
            func isBelow(_ domain: String) -> Bool { prefix == domain || prefix.hasSuffix("." + domain) }
            guard isBelow("kubernetes.io") || isBelow("k8s.io") else { return true }
            if NodeRestriction.ownLabels.contains(label) { return true }
            return NodeRestriction.ownPrefixes.contains { isBelow($0) }
        }

        private static func labels(_ object: JSONValue) -> [String: String] {
            Dictionary(
                (object["metadata"]?["labels"]?.objectValue ?? [:]).map { ($0.key, $0.value.stringValue ?? "") },
                uniquingKeysWith: { first, _ in first })
        }

        private static func taints(_ object: JSONValue) -> Set<JSONValue> { Set(object["spec"]?["taints"]?.arrayValue ?? []) }

        /// A static pod's reflection: bound to this node, naming nothing that would have to be handed to it.
        func mirrorPod() throws(StatusError) {
            let pod = review.object
            try require(
                pod["metadata"]?["annotations"]?[NodeRestriction.mirrorAnnotation] != nil, "may only create mirror pods")
            try require(
                pod["spec"]?["nodeName"]?.stringValue == identity.node, "may only create pods with spec.nodeName set to itself")
            let named = (try? JSONTape(parsing: pod.serialized())).map { NodeGraph.references(of: $0, namespace: "") } ?? []
            let isDefault = { (reference: PodReference) in
                reference.kind == .serviceAccount && reference.name == ServiceAccountAdmission.defaultAccount
            }
            try require(
                named.allSatisfy(isDefault), "may not create pods that name a service account, secrets, config maps or claims")
        }

        func ownPod() throws(StatusError) {
            guard let old = review.old else { return }
            let node = old["spec"]?["nodeName"]?.stringValue ?? ""
            try require(node == identity.node, "may only write pods that are bound to it; this one is bound to \"\(node)\"")
            guard review.attributes.subresource == "status" else { return }
            try require(
                Self.labels(old) == Self.labels(review.object), "cannot update labels through pod status")
        }

        /// In the namespace default are everybody's events about nodes. Also a write that changes nothing is refused: its answer
        /// would be the event.
        func event() throws(StatusError) {
            guard let domain = identity.domain, review.attributes.namespace != domain else { return }
            for event in [review.old, review.object].compactMap(\.self) {
                let about = event["involvedObject"]
                try require(
                    about?["kind"]?.stringValue == "Node" && about?["name"]?.stringValue == identity.node,
                    "may only write events about itself outside of its domain")
            }
        }

        func podMetrics(_ lookup: any AdmissionLookup) throws(StatusError) {
            let pod = try pod(objectName, lookup)
            try require(pod?.index.fields["spec.nodeName"] == identity.node, "may only measure pods that are bound to it")
        }

        /// A token must be for a pod on this node, so that it ends with the pod.
        func token(_ lookup: any AdmissionLookup) throws(StatusError) {
            let bound = review.object["spec"]?["boundObjectRef"]
            try require(
                bound?["kind"]?.stringValue == "Pod" && bound?["apiVersion"]?.stringValue == "v1",
                "may only ask for tokens that are bound to a pod")
            let name = bound?["name"]?.stringValue ?? ""
            guard let uid = bound?["uid"]?.stringValue, !uid.isEmpty else {
                return try require(false, "may only ask for tokens that are bound to a pod by its uid")
            }
            guard let found = try pod(name, lookup), found.index.uid == uid else {
                return try require(false, "asked for a token bound to pod \"\(name)\", which is not there")
            }
            try require(
                found.index.fields["spec.nodeName"] == identity.node,
                "asked for a token bound to a pod scheduled on a different node")
            let account = (try? JSONTape(parsing: found.bytes))?.text(at: ["spec", "serviceAccountName"]) ?? "default"
            try require(account == review.attributes.name, "asked for a token of another service account than its pod's")
        }

        private func pod(_ name: String, _ lookup: any AdmissionLookup) throws(StatusError) -> StoredObject? {
            try lookup.stored(
                ResourceKey(group: "", resource: "pods", namespace: review.attributes.namespace ?? "", name: name))
        }
    }
}

extension JSONValue {
    fileprivate var isTrue: Bool { self == .bool(true) }
}
