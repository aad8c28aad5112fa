// `swiftlet delete`: removes objects and waits until they are gone.
import ArgumentParser
import KubernetesClient

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete objects; a job takes its tasks and pods with it.",
        discussion: "Either `swiftlet delete KIND NAME...`, or `swiftlet delete -f FILE`.")

    @Argument(help: "The kind, then names.") var words: [String] = []
    @Option(name: [.customShort("f"), .customLong("file")], help: "Delete the objects of a manifest.") var files: [String] = []
    @OptionGroup var scope: NamespaceOptions
    @Option(name: .customLong("grace-period"), help: "Seconds that a pod gets to end by itself.") var gracePeriod: Int?
    @Option(help: "Seconds to wait until the objects are gone; 0 does not wait.") var timeout = 60
    @OptionGroup var cluster: ClusterOptions

    private struct Target {
        var kind: ResourceName
        var name: String
        var namespace: String?
    }

    func validate() throws {
        guard words.count >= 2 || (words.isEmpty && !files.isEmpty) else {
            throw ValidationError("Name a kind and objects (`swiftlet delete kusciajob NAME`), or a manifest with -f.")
        }
        for (index, name) in words.enumerated() { try ArgumentChecks.name(name, index == 0 ? "the kind" : "the object's name") }
        try ArgumentChecks.number(timeout, "--timeout", in: ArgumentChecks.seconds)
        try ArgumentChecks.number(gracePeriod, "--grace-period", in: ArgumentChecks.seconds)
    }

    func run() async throws {
        try await cluster.withConnection(while: "delete") { connection in
            let targets = try await targets(connection)
            for target in targets {
                _ = try await connection.api.delete(
                    target.kind.resource, namespace: target.namespace, name: target.name,
                    options: DeleteOptions(gracePeriodSeconds: gracePeriod))
            }
            for target in targets {
                if timeout > 0 { try await waitUntilGone(target, connection) }
                Terminal.output.line("\(target.kind.kind.lowercased())/\(target.name) deleted")
            }
        }
    }

    private func targets(_ connection: Connection) async throws -> [Target] {
        guard let word = words.first else {
            return try Manifest.read(files).reversed().map { Target(kind: $0.kind, name: $0.name, namespace: $0.namespace) }
        }
        let kind = try ResourceName.named(word)
        var targets: [Target] = []
        for name in words.dropFirst() {
            var namespace = scope.scope(of: kind)
            if kind.namespaced, namespace == nil {
                namespace = try await connection.find(kind, name: name, namespace: nil)[path: "metadata", "namespace"]?
                    .stringValue
            }
            targets.append(Target(kind: kind, name: name, namespace: namespace))
        }
        return targets
    }

    private func waitUntilGone(_ target: Target, _ connection: Connection) async throws {
        let follower = ObjectFollower(
            api: connection.api, resource: target.kind.resource, namespace: target.namespace,
            options: ListOptions(fieldSelector: "metadata.name=\(target.name)"))
        let timeout = timeout
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await follower.run { change in
                    switch change {
                    case .snapshot(let objects): !objects.isEmpty
                    case .changed: true
                    case .deleted: false
                    }
                }
            }
            group.addTask {
                try await Task.sleep(for: .seconds(timeout))
                throw CommandFailure(
                    "\(target.kind.kind) \(target.name) is still there after \(timeout) s",
                    hint: "is its node's Lite running? `swiftlet describe \(target.kind.resource.resource) \(target.name)`")
            }
            try await group.next()
            group.cancelAll()
        }
    }
}
