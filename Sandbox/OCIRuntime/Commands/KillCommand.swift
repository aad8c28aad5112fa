// kill and delete.
import SandboxPolicy

enum KillCommand {
    static func kill(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: [.toggle("all", "a")], verb: "kill")
        guard let id = options.arguments.first else { throw .usage("\"kill\" requires a minimum of 1 argument(s)") }
        guard options.arguments.count <= 2 else { throw .usage("\"kill\" requires a maximum of 2 argument(s)") }
        let name = options.arguments.count > 1 ? options.arguments[1] : "SIGTERM"
        guard let signal = SignalName.number(name) else { throw .usage("unknown signal \"\(name)\"") }
        try lifecycle.kill(id, signal: signal, all: options.has("all"))
    }

    static func delete(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: [.toggle("force", "f")], verb: "delete")
        try lifecycle.delete(try options.oneArgument("delete"), force: options.has("force"))
    }
}
