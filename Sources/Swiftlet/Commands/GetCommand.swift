// `swiftlet get`: objects as the server's table, JSON or YAML; -w goes on with each change.
import ArgumentParser
import JSON
import KubernetesClient

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Show objects.",
        discussion: """
            Kinds by plural, singular or short name: pods (po), nodes (no), kusciajobs (kj), kusciatasks (kt), ...
            Pods and other objects of domains are shown for all domains unless -n names one.
            """)

    @Argument(help: "The kind.") var kind: String
    @Argument(help: "Only this object.") var name: String?
    @OptionGroup var scope: NamespaceOptions
    @Option(name: [.customShort("l"), .customLong("selector")], help: "Only objects with these labels, e.g. a=b,c!=d.")
    var selector: String?
    @Option(name: .customLong("field-selector"), help: "Only objects with these fields, e.g. status.phase=Running.")
    var fieldSelector: String?
    @Flag(name: [.short, .long], help: "Go on with each change.") var watch = false
    @Option(name: [.short, .long], help: "table, wide, json, yaml or name.") var output = OutputFormat.table
    @OptionGroup var cluster: ClusterOptions

    func validate() throws { try ArgumentChecks.name(name, "the object's name") }

    func run() async throws {
        let kind = try ResourceName.named(kind)
        try await cluster.withConnection(while: "get \(kind.resource.resource)") { connection in
            try await show(kind, connection)
            if watch { try await follow(kind, connection) }
        }
    }

    private var options: ListOptions {
        let byName = name.map { "metadata.name=\($0)" }
        let fields = [byName, fieldSelector].compactMap { $0 }.joined(separator: ",")
        return ListOptions(labelSelector: selector, fieldSelector: fields.isEmpty ? nil : fields)
    }

    private func show(_ kind: ResourceName, _ connection: Connection) async throws {
        let namespace = scope.scope(of: kind)
        switch output {
        case .table, .wide:
            let table = try await connection.table(kind, namespace: namespace, options: options)
            try printTable(table, kind: kind, showNamespace: kind.namespaced && namespace == nil)
        case .json, .yaml, .name:
            let list = try JSONValue(parsing: await connection.api.list(kind.resource, namespace: namespace, options: options))
            let items = (list["items"]?.arrayValue ?? []).map { Self.withKind($0, kind) }
            try requireFound(items.count, kind)
            if output == .name {
                items.forEach { Terminal.output.line("\(kind.resource)/\($0[path: "metadata", "name"]?.stringValue ?? "")") }
            } else {
                try write(name == nil ? Self.list(items) : items.first ?? .null)
            }
        }
    }

    /// Objects of a List come without kind and apiVersion.
    private static func withKind(_ object: JSONValue, _ kind: ResourceName) -> JSONValue {
        guard case .object(let members) = object else { return object }
        let pairs = members.map { ($0.key, $0.value) }.filter { $0.0 != "kind" && $0.0 != "apiVersion" }
        return .object(JSONObject([("apiVersion", .string(kind.resource.apiVersion)), ("kind", .string(kind.kind))] + pairs))
    }

    private static func list(_ items: [JSONValue]) -> JSONValue {
        ["apiVersion": "v1", "kind": "List", "items": .array(items)]
    }

    private func write(_ value: JSONValue) throws {
        Terminal.output.write(output == .yaml ? YAMLText.text(of: value) : value.serializedString(pretty: true) + "\n")
    }

    private func requireFound(_ count: Int, _ kind: ResourceName) throws {
        guard let name, count == 0 else { return }
        throw CommandFailure(
            "there is no \(kind.kind) \"\(name)\"", hint: "`swiftlet get \(kind.resource.resource)` lists what there is")
    }

    private func printTable(_ table: ServerTable, kind: ResourceName, showNamespace: Bool) throws {
        try requireFound(table.rows.count, kind)
        guard !table.rows.isEmpty else {
            Terminal.error.line("no \(kind.resource.resource) found")
            return
        }
        table.textTable(wide: output == .wide, showNamespace: showNamespace).print()
    }

    private func follow(_ kind: ResourceName, _ connection: Connection) async throws {
        let follower = ObjectFollower(
            api: connection.api, resource: kind.resource, namespace: scope.scope(of: kind), options: options)
        try await follower.run { change in
            switch change {
            case .snapshot: break  // shown already
            case .changed(let object): try await showOne(object, kind, connection)
            case .deleted(let object):
                Terminal.output.line("\(title(of: object, kind)) deleted")
            }
            return !OutputFailure.isThere
        }
    }

    /// "pods/NAME", with the namespace before it where others are shown too.
    private func title(of object: JSONValue, _ kind: ResourceName) -> String {
        let name = "\(kind.resource.resource)/\(object[path: "metadata", "name"]?.stringValue ?? "")"
        guard kind.namespaced, scope.scope(of: kind) == nil else { return name }
        return "\(object[path: "metadata", "namespace"]?.stringValue ?? "") \(name)"
    }

    private func showOne(_ object: JSONValue, _ kind: ResourceName, _ connection: Connection) async throws {
        let name = object[path: "metadata", "name"]?.stringValue ?? ""
        switch output {
        case .table, .wide: break
        case .name: return Terminal.output.line("\(kind.resource)/\(name)")
        case .json, .yaml: return try write(Self.withKind(object, kind))
        }
        let namespace = object[path: "metadata", "namespace"]?.stringValue
        let table = try await connection.table(
            kind, namespace: namespace, options: ListOptions(fieldSelector: "metadata.name=\(name)"))
        let text = table.textTable(wide: output == .wide, showNamespace: kind.namespaced && scope.scope(of: kind) == nil)
        text.lines.dropFirst().forEach { Terminal.output.line($0) }
    }
}
