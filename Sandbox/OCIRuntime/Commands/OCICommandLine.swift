// The command line as engines call it: global options, a verb, its options. One process, one verb.

import Glibc

public enum OCICommandLine {
    public static let version = "0.1.0"

    private static let globalFlags: [CommandOptions.Flag] = [
        .value("root"), .value("log"), .value("log-format"), .toggle("debug"), .toggle("systemd-cgroup"), .value("rootless"),
        .value("criu"), .toggle("version", "v"), .toggle("help", "h"),
    ]

    /// Returns the exit status: the verb's, 1 for an error (255 of `exec`: runc's rule), the program's for `run` and `exec`.
    public static func run(_ words: [String]) -> Int32 {
        // A caller that ignores it would have children vanish before they are known as ours.
        signal(SIGCHLD, SIG_DFL)
        var log = CommandLog()
        // The program's own codes end below 255: engines tell by it that exec itself failed.
        var isExec = false
        do throws(OCIError) {
            let options = try CommandOptions(words, flags: globalFlags, verb: "swiftlet-oci", stopsAtFirst: true)
            log = try logging(options)
            if options.has("version") {
                CommandLog.print("swiftlet-oci version \(version)\nspec: \(SpecificationVersion.current)\n")
                return 0
            }
            guard let verb = options.arguments.first, !options.has("help"), verb != "help" else {
                CommandLog.print(help)
                return 0
            }
            isExec = verb == "exec"
            if options.has("systemd-cgroup") {
                throw .unsupported(
                    field: "--systemd-cgroup",
                    reason: "groups are written to the cgroup file system; start the engine with cgroupfs")
            }
            let log = log
            let lifecycle = ContainerLifecycle(
                directory: StateDirectory(root: try root(options)), warn: { log.write(.warning, $0) })
            return try dispatch(verb, Array(options.arguments.dropFirst()), lifecycle)
        } catch {
            log.write(.error, "\(error)")
            // With a log file the words appear on standard error too: runc's callers look at either.
            if log.file != nil { CommandLog.print("\(error)\n", to: 2) }
            return isExec ? 255 : 1
        }
    }

    private static func logging(_ options: CommandOptions) throws(OCIError) -> CommandLog {
        let format = options.value("log-format") ?? "text"
        guard ["text", "json"].contains(format) else { throw .usage("invalid log-format: \(format)") }
        var log = CommandLog(file: options.value("log"), isJSON: format == "json", isDebug: options.has("debug"))
        if log.file == "/dev/stderr" { log.file = nil }
        return log
    }

    private static func root(_ options: CommandOptions) throws(OCIError) -> String {
        guard let root = options.value("root"), !root.isEmpty else { return StateDirectory.standard() }
        if root.hasPrefix("/") { return ContainerPath.clean(root) }
        return ContainerPath.absolute(root, in: try HostFile.resolved("."))
    }

    private static func dispatch(_ verb: String, _ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        if words.prefix(verb == "exec" ? 1 : words.count).contains(where: { $0 == "--help" || $0 == "-h" }) {
            guard let text = help(for: verb) else { throw .usage("No help topic for '\(verb)'") }
            CommandLog.print(text)
            return 0
        }
        switch verb {
        case "create": try CreateCommand.create(words, lifecycle)
        case "run": return try CreateCommand.run(words, lifecycle)
        case "start": try lifecycle.start(try CommandOptions(words, flags: [], verb: verb).oneArgument(verb))
        case "state": try StateCommand.state(words, lifecycle)
        case "list": try StateCommand.list(words, lifecycle)
        case "kill": try KillCommand.kill(words, lifecycle)
        case "delete": try KillCommand.delete(words, lifecycle)
        case "exec": return try ExecCommand.exec(words, lifecycle)
        case "pause": try lifecycle.pause(try CommandOptions(words, flags: [], verb: verb).oneArgument(verb))
        case "resume": try lifecycle.resume(try CommandOptions(words, flags: [], verb: verb).oneArgument(verb))
        case "ps": return try UsageCommand.processes(words, lifecycle)
        case "events": try UsageCommand.events(words, lifecycle)
        case "update": try UpdateCommand.update(words, lifecycle)
        case "features": CommandLog.print(FeaturesCommand.document().serializedString(pretty: true) + "\n")
        case "spec": try SpecCommand.spec(words)
        case "checkpoint", "restore": throw .unsupported(field: verb, reason: "checkpoints are not made by this runtime")
        default: throw .usage("No help topic for '\(verb)'")
        }
        return 0
    }

    private static func help(for verb: String) -> String? {
        let lines = help.split(separator: "\n").map { $0.drop { $0 == " " } }
        if ["checkpoint", "restore"].contains(verb) { return "NAME:\n   swiftlet-oci \(verb) - not made by this runtime\n" }
        guard
            let line = lines.drop(while: { $0 != "COMMANDS:" }).dropFirst().prefix(while: { $0 != "GLOBAL OPTIONS:" })
                .first(where: { $0.split(separator: " ").first.map(String.init) == verb })
        else { return nil }
        // Those that stand on the next line too.
        let rest = lines.drop { $0 != line }.dropFirst().prefix { $0.hasPrefix("[") }
        let options = ([line.dropFirst(verb.count).drop { $0 == " " }] + rest).joined(separator: " ")
        return "NAME:\n   swiftlet-oci \(verb)\n\nUSAGE:\n   swiftlet-oci [global options] \(verb) \(options)\n"
    }

    static let help = """
        NAME:
           swiftlet-oci - an Open Container Initiative runtime over the swiftlet sandbox

        USAGE:
           swiftlet-oci [global options] command [command options] [arguments...]

        COMMANDS:
           create     --bundle PATH [--console-socket PATH] [--pid-file PATH] [--pidfd-socket PATH] [--no-pivot]
                      [--preserve-fds N] ID
           start      ID
           run        as create, and [--detach] [--keep] ID
           state      ID
           list       [--format table|json] [--quiet]
           kill       [--all] ID [SIGNAL]
           delete     [--force] ID
           exec       [--process FILE] [--cwd PATH] [--env N=V] [--user UID[:GID]] [--tty] [--detach] [--pid-file PATH]
                      [--cap CAP_X] [--cgroup [CONTROLLER:]PATH] [--ignore-paused] ID COMMAND...
           pause      ID
           resume     ID
           ps         [--format table|json] ID [PS OPTIONS]
           events     [--stats] [--interval 5s] ID
           update     [--resources FILE|-] [--memory BYTES] [--cpu-quota US] [--pids-limit N] ... ID
           features
           spec       [--bundle PATH] [--rootless]

        GLOBAL OPTIONS:
           --root PATH         directory of the containers' state (default: /run/swiftlet-oci)
           --log PATH          file for messages (default: standard error)
           --log-format text|json
           --debug
           --rootless VALUE    accepted; an ordinary user's limits are found out
           --version, -v
           --help, -h

        """
}
