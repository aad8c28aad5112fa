// A pod as the controllers know it: what they ask of all pods, read off the tape; the rest stays text until somebody wants it.
// There are a hundred thousand of them, and each of a pod's changes comes by here.
import JSON
import KubernetesModel
import KusciaModel
import Scheduling

/// Immutable, and one pointer to whoever passes it on. I-VIEW-1: what a view says is what the whole pod says.
final class PodView: ObservedObject {
    static let resource = Pod.resource
    static let kind = Pod.kind

    let namespace: String
    let name: String
    let uid: String
    let resourceVersion: String
    let labels: [String: String]
    let owners: [OwnerReference]
    let finalizers: [String]
    let creation: Timestamp?
    /// It has a deletion timestamp.
    let isDeleting: Bool
    let group: PodGroup?
    let shape: PodShape
    /// Names of the claims that its volumes ask for, each once.
    let claims: [String]
    /// nil while it is bound to none.
    let nodeName: String?
    let hostname: String?
    let subdomain: String?
    let phase: PodPhase?
    /// Its condition Ready is True.
    let isReady: Bool
    let addresses: [String]
    /// The whole object; in the master's process the store's own bytes, so they cost nothing here.
    private let text: [UInt8]

    var observedKey: ObjectKey { ObjectKey(namespace: namespace, name: name) }
    var observedUID: String? { uid }
    var observedVersion: String? { resourceVersion }

    /// "namespace/name"
    var namespacedName: String { "\(namespace)/\(name)" }
    var isFinished: Bool { phase?.isFinished == true }
    /// The task that owns it will see to it.
    var isTask: Bool { owners.contains { $0.kind == KusciaTask.kind } }
    var task: String? { labels[KusciaLabel.taskID] }
    var life: LifeMetadata { LifeMetadata(uid: uid, isDeleting: isDeleting, finalizers: finalizers, owners: owners) }
    var reference: ObjectReference {
        ObjectReference(apiVersion: Pod.apiVersion, kind: Pod.kind, namespace: namespace, name: name, uid: uid)
    }

    /// The typed pod, decoded anew with each call. Throws when it does not fit the type.
    func whole() throws -> Pod { try JSON.decode(Pod.self, from: text) }

    static func observe(_ node: JSONTape.Node, of tape: JSONTape) throws -> PodView { try PodView(node, of: tape) }

    private init(_ node: JSONTape.Node, of tape: JSONTape) throws {
        let pod = TapeObject(node, of: tape)
        let metadata = pod["metadata"]
        let spec = pod["spec"]
        let status = pod["status"]
        namespace = metadata.string("namespace") ?? ""
        name = metadata.string("name") ?? ""
        uid = metadata.string("uid") ?? ""
        resourceVersion = metadata.string("resourceVersion") ?? ""
        labels = try SharedLabels.read(metadata)
        owners = try metadata.decode([OwnerReference].self, "ownerReferences") ?? []
        finalizers = try metadata.decode([String].self, "finalizers") ?? []
        creation = metadata.string("creationTimestamp").flatMap { Timestamp($0) }
        isDeleting = metadata.string("deletionTimestamp") != nil
        group = PodGroup(annotations: metadata["annotations"])
        shape = try PodShape.read(spec)
        claims = spec.elements("volumes").compactMap { $0["persistentVolumeClaim"].string("claimName") }
            .reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
        nodeName = spec.string("nodeName").flatMap { $0.isEmpty ? nil : $0 }
        hostname = spec.string("hostname")
        subdomain = spec.string("subdomain")
        phase = status.string("phase").flatMap { PodPhase(rawValue: $0) }
        isReady = status.elements("conditions").contains { $0.isString("type", "Ready") && $0.isString("status", "True") }
        let several = status.elements("podIPs").compactMap { $0.string("ip") }
        addresses = several.isEmpty ? status.string("podIP").map { $0.isEmpty ? [] : [$0] } ?? [] : several
        text = node == tape.root ? tape.bytes : Array(tape.rawBytes(node))
    }
}

extension PodGroup {
    fileprivate init?(annotations: TapeObject) {
        guard let name = annotations.string(PodDescription.groupAnnotation) else { return nil }
        self.init(
            name: name, size: annotations.string(PodDescription.groupSizeAnnotation).flatMap { Int($0) } ?? 1,
            minMembers: annotations.string(PodDescription.groupMinMembersAnnotation).flatMap { Int($0) })
    }
}

extension PodDescription {
    init(_ pod: PodView) {
        self = pod.shape.description
        key = PodKey(namespace: pod.namespace, name: pod.name)
        uid = pod.uid
        terminating = pod.isDeleting
        arrival = (pod.creation?.unixSeconds ?? 0) * 1000
        group = pod.group
        nodeName = pod.nodeName
    }
}
