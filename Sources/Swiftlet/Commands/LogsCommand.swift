// `swiftlet logs`: a pod's output, by the pod's name or by task and party.
import ArgumentParser
import JSON
import KubernetesClient

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Show what a task wrote.",
        discussion: "Either `swiftlet logs POD`, or `swiftlet logs --task TASK --party DOMAIN`.")

    @Argument(help: "The pod's name.") var pod: String?
    @Option(help: "The task's id.") var task: String?
    @Option(help: "The party's domain id.") var party: String?
    @Option(name: [.short, .long], help: "The container, where a pod has several.") var container: String?
    @Option(name: [.short, .long], help: "The pod's namespace (its domain).") var namespace: String?
    @Flag(name: [.short, .long], help: "Go on until the task ends.") var follow = false
    @Option(help: "Only so many of the last lines.") var tail: Int?
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        guard (pod == nil) != (task == nil) else {
            throw ValidationError("Name either a pod or --task (with --party).")
        }
        if task != nil, party == nil { throw ValidationError("--task needs --party DOMAIN: each party has a log of its own.") }
        for (name, what) in [(pod, "the pod's name"), (task, "--task"), (party, "--party"), (namespace, "--namespace")] {
            try ArgumentChecks.name(name, what)
        }
        try ArgumentChecks.name(container, "--container")
        try ArgumentChecks.number(tail, "--tail", in: ArgumentChecks.lines)
    }

    func run() async throws {
        try await cluster.withConnection(while: "logs") { connection in
            let (namespace, name) = try await target(connection)
            let options = PodLogOptions(container: container, follow: follow, tailLines: tail)
            try await connection.logs.podLog(namespace: namespace, pod: name, options: options) {
                Terminal.output.write(bytes: $0)
                if let failure = OutputFailure.failure { throw failure }
            }
        }
    }

    private func target(_ connection: Connection) async throws -> (namespace: String, name: String) {
        if let pod {
            if let namespace { return (namespace, pod) }
            let object = try await connection.find(.pod, name: pod, namespace: nil)
            return (object[path: "metadata", "namespace"]?.stringValue ?? "default", pod)
        }
        let (task, party) = (task ?? "", party ?? "")
        let list = try JSONValue(
            parsing: await connection.api.list(
                ResourceName.pod.resource, namespace: party,
                options: ListOptions(labelSelector: "kuscia.secretflow/task-id=\(task)")))
        guard let name = list["items"]?[0]?[path: "metadata", "name"]?.stringValue else {
            throw CommandFailure(
                "party \(party) has no pod of task \(task)", hint: "`swiftlet get pods -n \(party)` lists its pods")
        }
        return (party, name)
    }
}
