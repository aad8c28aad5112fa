// Every kind that this server serves, looked up by the places of a URL.
import JSON
import KubernetesModel
import ResourceStore
import Synchronization

/// A declared kind with what is derived from it once.
final class ServedKind: Sendable {
    let declaration: ResourceKind
    /// Path -> members, for the index.
    private let selectable: [(path: String, members: [String])]
    let selectablePaths: Set<String>
    private let cachedSchema = Mutex<Schema?>(nil)

    init(_ declaration: ResourceKind) {
        self.declaration = declaration
        selectable = declaration.selectableFields.map { ($0, $0.split(separator: ".").map(String.init)) }
        selectablePaths = Set(declaration.selectableFields + ["metadata.name"])
            .union(declaration.selectableTexts.keys).union(declaration.selectableAliases.keys)
            .union(declaration.namespaced ? ["metadata.namespace"] : [])
    }

    var resource: GroupVersionResource { declaration.resource }

    /// Where the objects are kept: for a view, with those of the kind that it shows.
    private var storage: GroupVersionResource { declaration.view?.storage ?? resource }
    var collection: CollectionID { CollectionID(group: storage.group, resource: storage.resource) }

    func key(namespace: String?, name: String) -> ResourceKey {
        ResourceKey(
            group: storage.group, resource: storage.resource, namespace: declaration.namespaced ? namespace ?? "" : "",
            name: name)
    }

    /// The whole object's schema, read from its declaration when it is first needed.
    var schema: Schema {
        cachedSchema.withLock { schema in
            if let schema { return schema }
            let made = TypeLibrary.shared.schema(declaration.openAPIName) ?? .any
            schema = made
            return made
        }
    }

    /// A body as a tree: without nulls and unknown fields, with declared defaults.
    func decode(_ tape: JSONTape) -> (object: JSONValue, findings: SchemaFindings) {
        var decoder = SchemaDecoder(tape, canonicalizes: !declaration.isCustom)
        let object = decoder.root(schema)
        return (object, decoder.findings)
    }

    /// The object in the words in which it is stored.
    func stored(_ object: inout JSONValue) { declaration.view?.toStored(&object) }

    /// Stored bytes in this kind's own words; what cannot be read is shown as it is.
    func shown(_ bytes: [UInt8]) -> [UInt8] {
        guard let view = declaration.view, var object = try? JSONValue(parsing: bytes) else { return bytes }
        view.toView(&object)
        return object.serialized()
    }

    /// What selectors see of an object.
    func index(_ object: JSONValue) -> ObjectIndex {
        let metadata = object["metadata"] ?? [:]
        var fields = [String: String](minimumCapacity: selectable.count + 2)
        fields["metadata.name"] = metadata["name"]?.stringValue ?? ""
        if declaration.namespaced { fields["metadata.namespace"] = metadata["namespace"]?.stringValue ?? "" }
        for (path, members) in selectable {
            switch object.value(at: members) {
            case .string(let text)?: fields[path] = text
            case .bool(let flag)?: fields[path] = flag ? "true" : "false"
            case .int(let number)?: fields[path] = String(number)
            case .double, .null, .array, .object, nil: fields[path] = declaration.selectableZeros[path] ?? ""
            }
        }
        for (path, text) in declaration.selectableTexts { fields[path] = text(object) }
        let given = metadata["labels"]?.objectValue ?? [:]
        var labels = [String: String](minimumCapacity: given.count)
        for (key, value) in given { labels[key] = value.stringValue ?? "" }
        return ObjectIndex(uid: metadata["uid"]?.stringValue ?? "", labels: labels, fields: fields)
    }
}

extension APIHandler {
    /// Collections that are kept in memory only.
    public static var volatileCollections: Set<CollectionID> {
        Set(
            KindRegistry.all.filter { !$0.isPersistent }
                .map { CollectionID(group: $0.resource.group, resource: $0.resource.resource) })
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
        // core
        .binding, .configMap, .endpoints, .event, .limitRange, .namespace, .node, .persistentVolumeClaim, .persistentVolume, .pod,
        .replicationController, .resourceQuota, .secret, .serviceAccount, .service,
        // what runs and where
        .lease, .runtimeClass, .priorityClass, .endpointSlice, .groupEvent, .podDisruptionBudget,
        // who may
        .certificateSigningRequest, .role, .roleBinding, .clusterRole, .clusterRoleBinding, .tokenReview, .selfSubjectReview,
        .subjectAccessReview, .selfSubjectAccessReview, .localSubjectAccessReview, .selfSubjectRulesReview,
        // what a scheduler lists
        .replicaSet, .statefulSet, .storageClass, .csiNode, .csiDriver, .csiStorageCapacity, .volumeAttachment,
        // usage, in memory
        .nodeMetrics, .podMetrics,
        // kuscia
        .appImage, .clusterDomainRoute, .domainAppImage, .domainDataGrant, .domainDataSource, .domainData, .domainRoute, .domain,
        .gateway, .interopConfig, .kusciaDeployment, .kusciaDeploymentSummary, .kusciaJob, .kusciaJobSummary, .kusciaTask,
        .kusciaTaskSummary, .taskResource, .taskResourceGroup,
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
