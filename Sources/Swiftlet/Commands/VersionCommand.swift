// `swiftlet version`: what this build is.
import ArgumentParser

struct VersionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() async throws {
        Terminal.output.line("swiftlet \(SwiftletVersion.text) (Kubernetes API \(SwiftletVersion.kubernetes))")
    }
}
