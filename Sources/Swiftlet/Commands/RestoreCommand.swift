// `swiftlet restore`: a stopped master returns to a backup of its store.
import ArgumentParser
import ResourceStore

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Return a stopped master's store to a backup.",
        discussion: """
            The backup is checked first, every record of it. What the store held is kept beside it as store.sqlite.replaced. \
            Clients that watched list again: the store goes on at a revision above all that were ever given out. On another machine \
            the master's pki/ and encryption.keys come back first: a master that starts without them makes new ones, to which the \
            restored nodes and kubeconfigs are strangers.
            """)

    @Option(name: [.short, .long], help: "The master's configuration.") var config = "kuscia.yaml"
    @Argument(help: "A file that `swiftlet backup` made.", completion: .file()) var file: String

    func run() async throws {
        let state = try MasterState.load(configurationPath: config)
        let source = FileText.absolute(file)
        try state.make()
        let result = await BlockingCall.run {
            Result { () throws(StoreError) in try StoreFile.restore(state.store, from: source) }
        }
        do throws(StoreError) {
            let summary = try result.get()
            Terminal.output.line("\(summary.path): goes on at revision \(summary.revision), \(summary.rows) records")
            if let warning = MasterAuthority.missingWarning(state) { Terminal.error.line(warning) }
        } catch {
            throw CommandFailure("restore: \(error)", hint: Self.hint("\(error)", source))
        }
    }

    private static func hint(_ error: String, _ source: String) -> String {
        if error.contains("in use") { return "stop the master first; nothing was changed" }
        return
            "nothing was changed; \(source) must be a file that `swiftlet backup` made: is it the right one, whole and readable?"
    }
}
