// Options of every command that talks to a master.
import ArgumentParser
import Glibc

enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case table, json, yaml, name, wide }

struct ClusterOptions: ParsableArguments {
    @Option(help: "The cluster's kubeconfig. Default: $KUBECONFIG, then ./.swiftlet/kubeconfig.")
    var kubeconfig: String?

    var kubeconfigPath: String {
        if let kubeconfig { return kubeconfig }
        if let variable = getenv("KUBECONFIG").map({ String(cString: $0) }), !variable.isEmpty {
            // kubectl merges several; the first is where it writes.
            return variable.split(separator: ":").first.map(String.init) ?? variable
        }
        return StateDirectory(StateDirectory.defaultPath).kubeconfig
    }

    /// Runs `body` with a connection, shuts it down, and turns errors into ones with a hint.
    func withConnection<Result>(
        while subject: String, strict: Bool = false, _ body: (Connection) async throws -> Result
    ) async throws -> Result {
        let connection = try Connection(kubeconfigPath: kubeconfigPath, strict: strict)
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            if error is ExitCode || error is CancellationError { throw error }
            throw CommandFailure(error, while: subject, server: connection.server)
        }
    }
}

struct NamespaceOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The namespace: a domain's id, or cross-domain for jobs and tasks.")
    var namespace: String?

    @Flag(name: [.customShort("A"), .customLong("all-namespaces")], help: "All namespaces.")
    var allNamespaces = false

    func validate() throws { try ArgumentChecks.name(namespace, "--namespace") }

    /// Where to look: nil means everywhere. Jobs and tasks have one home; nobody knows by heart where a pod runs.
    func scope(of kind: ResourceName) -> String? {
        guard kind.namespaced, !allNamespaces else { return nil }
        if let namespace { return namespace }
        return kind.resource.group == "kuscia.secretflow" ? kind.defaultNamespace : nil
    }
}
