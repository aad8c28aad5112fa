// `swiftlet top`: what nodes and pods use at this moment, as their agents reported it (metrics.k8s.io).
import ArgumentParser
import JSON
import KubernetesClient
import KubernetesModel

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Show what nodes or pods use.",
        discussion: "`swiftlet top nodes` or `swiftlet top pods [-n DOMAIN]`. Agents report every 30 s; the most busy come first."
    )

    enum Subject: String, ExpressibleByArgument, CaseIterable {
        case nodes, pods

        /// In the singular and by short name too, as `kubectl top` takes them.
        init?(argument: String) {
            switch argument.lowercased() {
            case "nodes", "node", "no": self = .nodes
            case "pods", "pod", "po": self = .pods
            default: return nil
            }
        }
    }
    enum Order: String, ExpressibleByArgument, CaseIterable { case cpu, memory, name }

    @Argument(help: "nodes or pods.") var subject: Subject = .nodes
    @Option(name: [.short, .long], help: "Only pods of this namespace (domain).") var namespace: String?
    @Option(help: "cpu, memory or name.") var sortBy: Order = .cpu
    @Flag(help: "A line for each container of a pod.") var containers = false
    @OptionGroup var cluster: ClusterOptions

    func validate() throws { try ArgumentChecks.name(namespace, "--namespace") }

    func run() async throws {
        try await cluster.withConnection(while: "top") { connection in
            switch subject {
            case .nodes: try await nodes(connection)
            case .pods: try await pods(connection)
            }
        }
    }

    private func items(_ connection: Connection, _ resource: String) async throws -> [JSONValue] {
        let resource = GroupVersionResource(group: "metrics.k8s.io", version: "v1beta1", resource: resource)
        let list = try await connection.api.list(resource, namespace: namespace, options: ListOptions())
        return try JSONValue(parsing: list)["items"]?.arrayValue ?? []
    }

    private func nodes(_ connection: Connection) async throws {
        let known = try await connection.api.listAll(Node.self).items
        let allocatable = Dictionary(
            known.map { ($0.metadata.name, $0.status.allocatable) }, uniquingKeysWith: { first, _ in first })
        let uses = try await items(connection, "nodes").map { Use($0[path: "metadata", "name"]?.stringValue ?? "", $0["usage"]) }
        var table = TextTable(header: ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"])
        table.rows = sorted(uses).map { use in
            let limits = allocatable[use.name] ?? [:]
            return [
                use.name, use.cpuText, Self.share(use.milliCores, limits["cpu"]?.milliValue), use.memoryText,
                Self.share(use.bytes, limits["memory"]?.value),
            ]
        }
        let silent = known.filter { node in !uses.contains { $0.name == node.metadata.name } }.map(\.metadata.name)
        table.rows += silent.sorted().map { [$0, "<unknown>", "<unknown>", "<unknown>", "<unknown>"] }
        table.print()
    }

    private func pods(_ connection: Connection) async throws {
        var rows: [(namespace: String, pod: String, use: Use)] = []
        for item in try await items(connection, "pods") {
            let (space, pod) = (
                item[path: "metadata", "namespace"]?.stringValue ?? "", item[path: "metadata", "name"]?.stringValue ?? ""
            )
            let uses = (item["containers"]?.arrayValue ?? []).map { Use($0["name"]?.stringValue ?? "", $0["usage"]) }
            if containers {
                rows += uses.map { (space, pod, $0) }
            } else {
                rows.append((space, pod, uses.reduce(Use(pod, nil), +)))
            }
        }
        rows.sort { left, right in
            precedes(left.use, right.use, "\(left.namespace)/\(left.pod)" < "\(right.namespace)/\(right.pod)")
        }
        let name = containers ? ["POD", "NAME"] : ["NAME"]
        var table = TextTable(header: ["NAMESPACE"] + name + ["CPU(cores)", "MEMORY(bytes)"])
        table.rows = rows.map { row in
            [row.namespace, row.pod] + (containers ? [row.use.name] : []) + [row.use.cpuText, row.use.memoryText]
        }
        table.print()
    }

    private func sorted(_ uses: [Use]) -> [Use] { uses.sorted { precedes($0, $1, $0.name < $1.name) } }

    private func precedes(_ left: Use, _ right: Use, _ byName: Bool) -> Bool {
        switch sortBy {
        case .cpu: left.milliCores == right.milliCores ? byName : left.milliCores > right.milliCores
        case .memory: left.bytes == right.bytes ? byName : left.bytes > right.bytes
        case .name: byName
        }
    }

    private static func share(_ used: Int64, _ limit: Int64?) -> String {
        guard let limit, limit > 0 else { return "<unknown>" }
        return "\(used * 100 / limit)%"
    }

    /// CPU and memory of one thing.
    struct Use: Sendable, Hashable {
        var name: String
        var milliCores: Int64 = 0
        var bytes: Int64 = 0

        init(_ name: String, _ usage: JSONValue?) {
            self.name = name
            func quantity(_ resource: String) -> Quantity { usage?[resource]?.stringValue.flatMap { try? Quantity($0) } ?? .zero }
            milliCores = quantity("cpu").milliValue
            bytes = quantity("memory").value
        }

        static func + (left: Use, right: Use) -> Use {
            var sum = left
            sum.milliCores += right.milliCores
            sum.bytes += right.bytes
            return sum
        }

        /// As kubectl rounds: whole thousandths, whole mebibytes.
        var cpuText: String { "\(milliCores)m" }
        var memoryText: String { "\(bytes >> 20)Mi" }
    }
}
