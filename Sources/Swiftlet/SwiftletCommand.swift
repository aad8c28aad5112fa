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
        let words = CommandLine.arguments
        if words.count > 1, words[1] == "oci" { Glibc.exit(OCICommand.replaceThisProgram(Array(words.dropFirst(2)))) }
        if words.count > 1, words[1] == "run" { Glibc.exit(RunProgram.main(Array(words.dropFirst(2)))) }
        await main(nil)
    }
}
