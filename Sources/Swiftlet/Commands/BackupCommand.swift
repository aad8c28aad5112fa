// `swiftlet backup`: a consistent copy of a master's store, taken while it runs.
import ArgumentParser
import ResourceStore

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a master's store to a new file, while the master runs.",
        discussion: """
            The copy is one moment of the store, checked and synced to the disk; it is readable by its owner alone. It is not all \
            that a cluster needs to come back: keep of the master's state directory also pki/ (without its ca.key the nodes and \
            kubeconfigs of the backup do not know the master, without its sa.key no token holds) and encryption.keys (secrets stay \
            encrypted in the copy), at another place than the copy. They change only when you change them.
            """)

    @Option(name: [.short, .long], help: "The master's configuration.") var config = "kuscia.yaml"
    @Argument(help: "The file to make.", completion: .file()) var file: String

    func run() async throws {
        let state = try MasterState.load(configurationPath: config)
        let target = FileText.absolute(file)
        let result = await BlockingCall.run { Result { () throws(StoreError) in try StoreFile.backUp(state.store, to: target) } }
        do throws(StoreError) {
            let summary = try result.get()
            Terminal.output.line("\(summary.path): revision \(summary.revision), \(summary.rows) records")
        } catch {
            throw CommandFailure("backup: \(error)", hint: "--config names the master's configuration; the file must be new")
        }
    }
}
