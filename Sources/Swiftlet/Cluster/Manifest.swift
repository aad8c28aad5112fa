// Manifests: YAML or JSON files with one or more objects, and their way into the cluster.
import FoundationEssentials
import JSON
import KubernetesClient
import KubernetesModel

struct Manifest: Sendable {
    var source: String
    var object: JSONValue
    var kind: ResourceName
    var name: String
    var namespace: String?

    var title: String { "\(kind.kind.lowercased())/\(name)" }

    /// Reads files, "-" being standard input; several documents a file and Lists are taken apart.
    static func read(_ paths: [String]) throws -> [Manifest] {
        let manifests = try paths.flatMap { path in
            try objects(in: YAMLText.documents(text(of: path), source: path)).enumerated().map { index, object in
                try Manifest(object, source: "\(path)#\(index + 1)")
            }
        }
        guard !manifests.isEmpty else {
            throw CommandFailure(
                "no objects in \(paths.joined(separator: ", "))", hint: "a manifest has apiVersion, kind and metadata")
        }
        return manifests
    }

    private static func text(of path: String) throws -> String {
        do throws(FileText.Unreadable) {
            return String(decoding: try FileText.contents(path == "-" ? "/dev/stdin" : path), as: UTF8.self)
        } catch {
            throw CommandFailure("cannot read \(path): \(error.reason)", hint: "is the path right? `-` reads standard input")
        }
    }

    private static func objects(in documents: [JSONValue]) -> [JSONValue] {
        documents.flatMap { document in
            document["kind"]?.stringValue == "List" ? document["items"]?.arrayValue ?? [] : [document]
        }
    }

    init(_ object: JSONValue, source: String) throws {
        guard let apiVersion = object["apiVersion"]?.stringValue, let kindName = object["kind"]?.stringValue else {
            throw CommandFailure(
                "\(source): apiVersion or kind is missing", hint: "e.g. apiVersion: kuscia.secretflow/v1alpha1, kind: KusciaJob")
        }
        guard let kind = ResourceName.of(apiVersion: apiVersion, kind: kindName) else {
            throw CommandFailure(
                "\(source): kind: unknown kind \"\(kindName)\" of apiVersion \"\(apiVersion)\"",
                hint: "known: " + ResourceName.all.map { "\($0.kind) (\($0.resource.apiVersion))" }.joined(separator: ", "))
        }
        guard let name = object[path: "metadata", "name"]?.stringValue, !name.isEmpty else {
            throw CommandFailure("\(source): metadata.name: missing", hint: "every object needs a name")
        }
        self.source = source
        self.object = object
        self.kind = kind
        self.name = name
        namespace = kind.namespaced ? object[path: "metadata", "namespace"]?.stringValue ?? kind.defaultNamespace : nil
    }

    enum Outcome: String, Sendable { case created, configured, unchanged }

    /// Creates the object, or brings the stored one to what the manifest says (its other fields stay). A job is never
    /// changed by a second submission: it may already run.
    func apply(to api: any KubernetesAPI) async throws -> Outcome {
        let body = object.serialized()
        do {
            _ = try await api.create(kind.resource, namespace: namespace, name: nil, subresource: nil, body: body)
            return .created
        } catch let error as KubernetesAPIError where error.isAlreadyExists {
            if kind == .kusciaJob || kind == .kusciaTask {
                throw CommandFailure(
                    "\(source): \(title) exists already",
                    hint: "`swiftlet delete \(kind.kind.lowercased()) \(name)` removes it and its tasks; or choose another name")
            }
            return try await configure(api, body)
        }
    }

    private func configure(_ api: any KubernetesAPI, _ body: [UInt8]) async throws -> Outcome {
        let before = try JSONValue(parsing: await api.get(kind.resource, namespace: namespace, name: name, subresource: nil))
        let after = try JSONValue(
            parsing: await api.patch(kind.resource, namespace: namespace, name: name, subresource: nil, type: .merge, body: body))
        let version = { (object: JSONValue) in object[path: "metadata", "resourceVersion"] }
        return version(before) == version(after) ? .unchanged : .configured
    }
}
