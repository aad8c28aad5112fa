// `swiftlet submit`: brings manifests into the cluster and, if asked, stays until their jobs ended.
import ArgumentParser
import KubernetesClient

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Create or change objects from YAML or JSON files; --wait follows their jobs.",
        discussion: """
            Exit code 0 when everything was accepted and, with --wait, every job succeeded; 1 otherwise.
            Objects are sent in the order of the files. A field that the cluster does not know is refused.
            """)

    @Argument(help: "Manifests with one or more documents; - reads standard input.") var files: [String]
    @Flag(name: [.short, .long], help: "Show the jobs' progress until they ended.") var wait = false
    @Option(help: "With --wait, give up after so many seconds (the job goes on).") var timeout = 3600
    @Option(help: "With --wait, so many log lines of each party at the end.") var tail = 3
    @OptionGroup var cluster: ClusterOptions

    func validate() throws {
        try ArgumentChecks.number(timeout, "--timeout", in: ArgumentChecks.seconds)
        try ArgumentChecks.number(tail, "--tail", in: ArgumentChecks.lines)
    }

    func run() async throws {
        let manifests = try Manifest.read(files)
        try await cluster.withConnection(while: "submit", strict: true) { connection in
            for manifest in manifests {
                do {
                    let outcome = try await manifest.apply(to: connection.api)
                    Terminal.output.line("\(manifest.title) \(outcome.rawValue)")
                } catch let error as KubernetesAPIError {
                    throw CommandFailure(error, while: "\(manifest.source): \(manifest.title)", server: connection.server)
                }
            }
            guard wait else { return }
            try await follow(manifests.filter { $0.kind == .kusciaJob }, connection)
        }
    }

    private func follow(_ jobs: [Manifest], _ connection: Connection) async throws {
        guard !jobs.isEmpty else {
            throw CommandFailure("--wait: no KusciaJob among the manifests", hint: "leave --wait out")
        }
        var allSucceeded = true
        for job in jobs {
            let watcher = JobWatcher(connection: connection, name: job.name, namespace: job.namespace ?? "cross-domain")
            let view = try await watcher.watch(timeoutSeconds: timeout)
            await watcher.printResult(view, logLines: tail)
            allSucceeded = allSucceeded && view.succeeded
        }
        if !allSucceeded { throw ExitCode(1) }
    }
}
