// `swiftlet describe`: one object in full, a job's rows as a table, and the events about it.
import ArgumentParser
import JSON
import KubernetesClient

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show one object in full, with its events.")

    @Argument(help: "The kind.") var kind: String
    @Argument(help: "The object's name.") var name: String
    @OptionGroup var scope: NamespaceOptions
    @OptionGroup var cluster: ClusterOptions

    func validate() throws { try ArgumentChecks.name(name, "the object's name") }

    func run() async throws {
        let kind = try ResourceName.named(kind)
        try await cluster.withConnection(while: "describe \(kind.kind) \(name)") { connection in
            let object = try await connection.find(kind, name: name, namespace: scope.scope(of: kind))
            printHead(object, kind)
            if kind == .kusciaJob { try await printRows(object, connection) }
            for section in ["spec", "status", "data"] {
                guard let value = object[section], value != [:] else { continue }
                printSection(section, value)
            }
            try await printEvents(object, connection)
        }
    }

    private func printHead(_ object: JSONValue, _ kind: ResourceName) {
        let metadata = object["metadata"]
        let pairs: [(String, String?)] = [
            ("Name", name), ("Kind", "\(kind.kind) (\(kind.resource.apiVersion))"),
            ("Namespace", metadata?["namespace"]?.stringValue), ("Created", metadata?["creationTimestamp"]?.stringValue),
            ("Deleting since", metadata?["deletionTimestamp"]?.stringValue), ("UID", metadata?["uid"]?.stringValue),
        ]
        for case (let key, let value?) in pairs { line(key, value) }
        for key in ["labels", "annotations"] {
            for (index, member) in (metadata?[key]?.objectValue ?? [:]).enumerated() {
                line(
                    index == 0 ? key.prefix(1).uppercased() + key.dropFirst() : "",
                    "\(member.key)=\(member.value.stringValue ?? "")")
            }
        }
    }

    private func line(_ key: String, _ value: String) {
        let title = key.isEmpty ? "" : key + ":"
        Terminal.output.line(
            Terminal.output.styled(title, .bold) + String(repeating: " ", count: max(1, 17 - title.count)) + value)
    }

    private func printSection(_ title: String, _ value: JSONValue) {
        Terminal.output.line(Terminal.output.styled(title.prefix(1).uppercased() + title.dropFirst() + ":", .bold))
        for line in YAMLText.text(of: value).split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            Terminal.output.line("  " + line)
        }
    }

    private func printRows(_ job: JSONValue, _ connection: Connection) async throws {
        var view = JobView(name: name)
        view.apply(job: .snapshot([job]))
        let namespace = job[path: "metadata", "namespace"]?.stringValue
        let tasks = try JSONValue(
            parsing: await connection.api.list(ResourceName.kusciaTask.resource, namespace: namespace, options: .init()))
        view.apply(task: .snapshot(tasks["items"]?.arrayValue ?? []))
        Terminal.output.line(Terminal.output.styled("Tasks:", .bold))
        JobReport.usageTable(view.rows(now: HumanText.now)).lines.forEach { Terminal.output.line("  " + $0) }
    }

    private func printEvents(_ object: JSONValue, _ connection: Connection) async throws {
        guard let uid = object[path: "metadata", "uid"]?.stringValue else { return }
        let list = try JSONValue(
            parsing: await connection.api.list(
                ResourceName.event.resource, namespace: nil, options: ListOptions(fieldSelector: "involvedObject.uid=\(uid)")))
        let events = list["items"]?.arrayValue ?? []
        guard !events.isEmpty else {
            line("Events", "none")
            return
        }
        Terminal.output.line(Terminal.output.styled("Events:", .bold))
        var table = TextTable(header: ["LAST SEEN", "TYPE", "REASON", "MESSAGE"])
        table.rows = events.map { event in
            [event["lastTimestamp"] ?? event["eventTime"], event["type"], event["reason"], event["message"]].map {
                $0?.stringValue ?? ""
            }
        }
        table.lines.forEach { Terminal.output.line("  " + $0) }
    }
}
