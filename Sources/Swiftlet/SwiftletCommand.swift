// The executable's root command: names the subcommands, one file each under Commands/.
import ArgumentParser

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
                    SubmitCommand.self, GetCommand.self, DescribeCommand.self, LogsCommand.self, DeleteCommand.self,
                ]),
            CommandGroup(name: "Local cluster", subcommands: [UpCommand.self, DownCommand.self]),
            CommandGroup(
                name: "Setup",
                subcommands: [MasterCommand.self, LiteCommand.self, InitCommand.self, TokenCommand.self, VersionCommand.self]),
        ])
}
