// The executable's root command: names the subcommands, one file each under Commands/.
import ArgumentParser
import Glibc
import SandboxRun

@main
struct SwiftletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "Runs computations of several organisations on nodes of their own, without showing each other their data.",
        discussion: """
            A first walk: `swiftlet up` starts a master and a node per organisation on this machine; in another terminal, \
            `swiftlet submit FILE --wait` runs a job and `swiftlet get pods -A` shows what runs where.
            """,
        version: SwiftletVersion.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Object",
                subcommands: [
                    SubmitCommand.self, GetCommand.self, DescribeCommand.self, LogsCommand.self, TopCommand.self,
                    DeleteCommand.self,
                ]),
            CommandGroup(name: "Sandbox", subcommands: [RunCommand.self, OCICommand.self, DoctorCommand.self]),
            CommandGroup(name: "Images", subcommands: [ImageCommand.self]),
            CommandGroup(name: "Local cluster", subcommands: [UpCommand.self, DownCommand.self]),
            CommandGroup(
                name: "Setup",
                subcommands: [
                    MasterCommand.self, LiteCommand.self, InitCommand.self, TokenCommand.self, BackupCommand.self,
                    RestoreCommand.self,
                    VersionCommand.self,
                ]),
        ])

    /// A sandbox starts as fast as it can: nothing of the cluster's commands is looked at before.
    static func main() async {
        StandardStreams.occupyClosed()
        let words = CommandLine.arguments
        if words.count > 1, words[1] == "oci" { Glibc.exit(OCICommand.replaceThisProgram(Array(words.dropFirst(2)))) }
        if words.count > 1, words[1] == "run" { Glibc.exit(RunProgram.main(Array(words.dropFirst(2)))) }
        do {
            try checkHelp(Array(words.dropFirst()))
            var command = try parseAsRoot()
            if var command = command as? AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch {
            end(error)
        }
        if let failure = OutputFailure.failure { exit(withError: failure) }
    }

    /// What a failed command, or one that was asked for help or the version, ends with.
    private static func end(_ error: any Error) -> Never {
        let status = exitCode(for: error)
        guard status == .success else {
            if let failure = OutputFailure.failure { Terminal.error.line("Error: \(failure)") }
            exit(withError: error)
        }
        Terminal.output.line(fullMessage(for: error))
        exit(withError: OutputFailure.failure)
    }

    /// `swiftlet help WORD...` of a command that there is not: ArgumentParser shows the help of what stands above it and is content.
    private static func checkHelp(_ words: [String]) throws {
        guard words.first == "help" else { return }
        var above: CommandConfiguration = configuration
        for word in words.dropFirst() where !word.hasPrefix("-") {
            let below = above.subcommands.map { $0.configuration }
            guard let named = below.first(where: { $0.commandName == word || $0.aliases.contains(word) }) else {
                let known = below.compactMap { $0.commandName }.joined(separator: ", ")
                throw ValidationError(
                    "there is no command \"\(word)\"" + (known.isEmpty ? "" : "; known: \(known)"))
            }
            above = named
        }
    }
}
