// Every kind that this server serves, looked up by the places of a URL.
import JSON
import KubernetesModel
import ResourceStore

/// A declared kind with what is derived from it once.
final class ServedKind: Sendable {
    let declaration: ResourceKind
    let schema: Schema
    /// Path -> members, for the index.
    private let selectable: [(path: String, members: [String])]
    let selectablePaths: Set<String>

    init(_ declaration: ResourceKind) {
        self.declaration = declaration
        schema = declaration.schema
        selectable = declaration.selectableFields.map { ($0, $0.split(separator: ".").map(String.init)) }
        selectablePaths = Set(declaration.selectableFields + ["metadata.name"])
            .union(declaration.namespaced ? ["metadata.namespace"] : [])
    }

    var resource: GroupVersionResource { declaration.resource }
    var collection: CollectionID { CollectionID(group: resource.group, resource: resource.resource) }

    func key(namespace: String?, name: String) -> ResourceKey {
        ResourceKey(
            group: resource.group, resource: resource.resource,
            namespace: declaration.namespaced ? namespace ?? "" : "", name: name)
    }

    /// What selectors see of an object.
    func index(_ object: JSONValue) -> ObjectIndex {
        let metadata = object["metadata"] ?? [:]
        var fields = ["metadata.name": metadata["name"]?.stringValue ?? ""]
        if declaration.namespaced { fields["metadata.namespace"] = metadata["namespace"]?.stringValue ?? "" }
        for (path, members) in selectable {
            switch object.value(at: members) {
            case .string(let text)?: fields[path] = text
            case .bool(let flag)?: fields[path] = flag ? "true" : "false"
            case .int(let number)?: fields[path] = String(number)
            case .double, .null, .array, .object, nil: fields[path] = ""
            }
        }
        var labels: [String: String] = [:]
        for (key, value) in metadata["labels"]?.objectValue ?? [:] { labels[key] = value.stringValue ?? "" }
        return ObjectIndex(uid: metadata["uid"]?.stringValue ?? "", labels: labels, fields: fields)
    }
}

struct KindRegistry: Sendable {
    let kinds: [ServedKind]
    private let byResource: [GroupVersionResource: ServedKind]

    init(_ declarations: [ResourceKind] = KindRegistry.all) {
        kinds = declarations.map(ServedKind.init)
        byResource = Dictionary(kinds.map { ($0.resource, $0) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(resource: GroupVersionResource) -> ServedKind? { byResource[resource] }

    static let all: [ResourceKind] = [
        .configMap, .endpoints, .event, .namespace, .node, .pod, .secret, .serviceAccount, .service, .lease,
        .certificateSigningRequest, .appImage, .domain, .kusciaJob, .kusciaTask,
    ]

    /// One group version with its kinds, in the order of discovery: core first, then by name.
    struct GroupVersion: Sendable, Hashable, Comparable {
        var group: String
        var version: String

        var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
        /// "api/v1" or "apis/g/v": the key of the OpenAPI index.
        var path: String { group.isEmpty ? "api/\(version)" : "apis/\(group)/\(version)" }

        static func < (left: GroupVersion, right: GroupVersion) -> Bool {
            (left.group, left.version) < (right.group, right.version)
        }
    }

    var groupVersions: [GroupVersion] {
        Set(kinds.map { GroupVersion(group: $0.resource.group, version: $0.resource.version) }).sorted()
    }

    func kinds(of groupVersion: GroupVersion) -> [ServedKind] {
        kinds.filter { $0.resource.group == groupVersion.group && $0.resource.version == groupVersion.version }
            .sorted { $0.resource.resource < $1.resource.resource }
    }
}
