// What each node needs for the pods that are bound to it: pod -> node, node -> secrets, config maps, claims and service
// accounts. Changed by one pod at a time, without a look into it; the first question about a node reads its new pods, and any
// other costs one look-up, however many pods there are.
import JSON

/// An object that a pod names. Resource in the plural.
struct PodReference: Sendable, Hashable {
    enum Kind: UInt8, Sendable { case secret, configMap, claim, serviceAccount }
    var kind: Kind
    var namespace: String
    var name: String
}

struct NodeGraph: Sendable {
    private struct Edges: Sendable {
        var node: String
        var uid: String
        var references: [PodReference]
    }

    struct PodName: Sendable, Hashable {
        var namespace: String
        var name: String
    }

    /// Reads what a pod's spec names.
    typealias References = @Sendable () -> Set<PodReference>

    private var pods: [PodName: Edges] = [:]
    /// Pods of a node that nobody has asked about yet: they have no part in `needs`.
    private var unread: [String: [PodName: References]] = [:]
    /// How many pods of a node name an object.
    private var needs: [String: [PodReference: Int]] = [:]

    // MARK: Keeping current

    /// The pod is bound to the node. `references` is called at the first question about the node: a bound pod's volumes never change,
    /// and whoever tells of a binding must not wait for that.
    mutating func bind(_ pod: PodName, uid: String, to node: String, references: @escaping References) {
        if let known = pods[pod] {
            if known.node == node, known.uid == uid {
                // The newest state in the place of the one before, which nobody else may hold any more.
                if unread[node]?[pod] != nil { unread[node]?[pod] = references }
                return
            }
            unbind(pod)
        }
        pods[pod] = Edges(node: node, uid: uid, references: [])
        unread[node, default: [:]][pod] = references
    }

    mutating func unbind(_ pod: PodName) {
        guard let edges = pods.removeValue(forKey: pod) else { return }
        if unread[edges.node]?.removeValue(forKey: pod) != nil {
            if unread[edges.node]?.isEmpty == true { unread[edges.node] = nil }
            return
        }
        for reference in edges.references {
            guard let count = needs[edges.node]?[reference] else { continue }
            needs[edges.node]?[reference] = count > 1 ? count - 1 : nil
        }
        if needs[edges.node]?.isEmpty == true { needs[edges.node] = nil }
    }

    /// Reads the node's new pods, so that questions about it are cheap again.
    mutating func read(_ node: String) {
        for (pod, references) in unread.removeValue(forKey: node) ?? [:] {
            let references = Array(references())
            pods[pod]?.references = references
            for reference in references { needs[node, default: [:]][reference, default: 0] += 1 }
        }
    }

    mutating func removeAll() {
        pods = [:]
        unread = [:]
        needs = [:]
    }

    // MARK: Asking

    func node(ofPod pod: PodName) -> String? { pods[pod]?.node }

    /// Whether any pod on the node names the object.
    func node(_ node: String, needs reference: PodReference) -> Bool {
        needs[node]?[reference] != nil || unread[node]?.values.contains { $0().contains(reference) } ?? false
    }

    var podCount: Int { pods.count }
    var isEmpty: Bool { pods.isEmpty && needs.isEmpty && unread.isEmpty }

    // MARK: Pods

    /// Everything that a pod's spec names: volumes, environments, pull secrets, its service account. Read off the tape: a pod
    /// that is bound makes no tree of itself.
    static func references(of pod: JSONTape, namespace: String) -> Set<PodReference> {
        var reading = ReferenceReading(tape: pod, namespace: namespace)
        guard let spec = pod.node(at: "spec") else { return [] }
        reading.spec(spec)
        return reading.found
    }

    private struct ReferenceReading {
        let tape: JSONTape
        let namespace: String
        var found: Set<PodReference> = []

        mutating func spec(_ spec: JSONTape.Node) {
            let account = [member(spec, "serviceAccountName"), member(spec, "serviceAccount")].compactMap {
                $0.flatMap { tape.string($0) }
            }
            add(.serviceAccount, account.first { !$0.isEmpty } ?? ServiceAccountAdmission.defaultAccount)
            for secret in elements(spec, "imagePullSecrets") { add(.secret, text(secret, "name")) }
            for volume in elements(spec, "volumes") {
                add(.secret, text(volume, "secret", "secretName"))
                add(.configMap, text(volume, "configMap", "name"))
                add(.claim, text(volume, "persistentVolumeClaim", "claimName"))
                guard let projected = member(volume, "projected") else { continue }
                for source in elements(projected, "sources") {
                    add(.secret, text(source, "secret", "name"))
                    add(.configMap, text(source, "configMap", "name"))
                }
            }
            for list in ["initContainers", "containers", "ephemeralContainers"] {
                for container in elements(spec, list) { environment(container) }
            }
        }

        private mutating func environment(_ container: JSONTape.Node) {
            for source in elements(container, "envFrom") {
                add(.secret, text(source, "secretRef", "name"))
                add(.configMap, text(source, "configMapRef", "name"))
            }
            for variable in elements(container, "env") {
                guard let from = member(variable, "valueFrom") else { continue }
                add(.secret, text(from, "secretKeyRef", "name"))
                add(.configMap, text(from, "configMapKeyRef", "name"))
            }
        }

        private mutating func add(_ kind: PodReference.Kind, _ name: String?) {
            guard let name, !name.isEmpty else { return }
            found.insert(PodReference(kind: kind, namespace: namespace, name: name))
        }

        private func member(_ node: JSONTape.Node, _ key: String) -> JSONTape.Node? { tape.member(of: node, key) }
        private func elements(_ node: JSONTape.Node, _ key: String) -> [JSONTape.Node] {
            member(node, key).map { Array(tape.elements(of: $0)) } ?? []
        }

        private func text(_ node: JSONTape.Node, _ path: String...) -> String? {
            var current = node
            for key in path {
                guard let next = member(current, key) else { return nil }
                current = next
            }
            return tape.string(current)
        }
    }
}
