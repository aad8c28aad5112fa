// What each node needs for the pods that are bound to it: pod -> node, node -> secrets, config maps, claims and service
// accounts. Changed by one pod at a time; a question costs one look-up, however many pods there are.
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

    private var pods: [PodName: Edges] = [:]
    /// How many pods of a node name an object.
    private var needs: [String: [PodReference: Int]] = [:]

    // MARK: Keeping current

    /// The pod is bound to the node. `references` is asked only when that is news: a bound pod's volumes never change.
    mutating func bind(_ pod: PodName, uid: String, to node: String, references: () -> Set<PodReference>) {
        if let known = pods[pod] {
            if known.node == node, known.uid == uid { return }
            unbind(pod)
        }
        let references = Array(references())
        pods[pod] = Edges(node: node, uid: uid, references: references)
        for reference in references { needs[node, default: [:]][reference, default: 0] += 1 }
    }

    mutating func unbind(_ pod: PodName) {
        guard let edges = pods.removeValue(forKey: pod) else { return }
        for reference in edges.references {
            guard let count = needs[edges.node]?[reference] else { continue }
            needs[edges.node]?[reference] = count > 1 ? count - 1 : nil
        }
        if needs[edges.node]?.isEmpty == true { needs[edges.node] = nil }
    }

    mutating func removeAll() {
        pods = [:]
        needs = [:]
    }

    // MARK: Asking

    func node(ofPod pod: PodName) -> String? { pods[pod]?.node }

    /// Whether any pod on the node names the object.
    func node(_ node: String, needs reference: PodReference) -> Bool { needs[node]?[reference] != nil }

    var podCount: Int { pods.count }
    var isEmpty: Bool { pods.isEmpty && needs.isEmpty }

    // MARK: Pods

    /// Everything that a pod's spec names: volumes, environments, pull secrets, its service account.
    static func references(of pod: JSONValue, namespace: String) -> Set<PodReference> {
        let spec = pod["spec"] ?? [:]
        var found: Set<PodReference> = []
        func add(_ kind: PodReference.Kind, _ name: JSONValue?) {
            guard let name = name?.stringValue, !name.isEmpty else { return }
            found.insert(PodReference(kind: kind, namespace: namespace, name: name))
        }
        add(.serviceAccount, spec["serviceAccountName"] ?? spec["serviceAccount"] ?? "default")
        for secret in spec["imagePullSecrets"]?.arrayValue ?? [] { add(.secret, secret["name"]) }
        for volume in spec["volumes"]?.arrayValue ?? [] {
            add(.secret, volume["secret"]?["secretName"])
            add(.configMap, volume["configMap"]?["name"])
            add(.claim, volume["persistentVolumeClaim"]?["claimName"])
            for source in volume["projected"]?["sources"]?.arrayValue ?? [] {
                add(.secret, source["secret"]?["name"])
                add(.configMap, source["configMap"]?["name"])
            }
        }
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            for container in spec[list]?.arrayValue ?? [] {
                for source in container["envFrom"]?.arrayValue ?? [] {
                    add(.secret, source["secretRef"]?["name"])
                    add(.configMap, source["configMapRef"]?["name"])
                }
                for variable in container["env"]?.arrayValue ?? [] {
                    add(.secret, variable["valueFrom"]?["secretKeyRef"]?["name"])
                    add(.configMap, variable["valueFrom"]?["configMapKeyRef"]?["name"])
                }
            }
        }
        return found
    }
}
