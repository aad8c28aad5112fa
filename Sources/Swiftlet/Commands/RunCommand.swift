// `swiftlet run`: a command in a sandbox of its own. SandboxRun reads its words itself: it becomes the launcher at once,
// before anything of this program is set up (SwiftletCommand.main).
import ArgumentParser
import SandboxRun

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a command in a sandbox of its own.",
        usage: "swiftlet run [options] [--] COMMAND [ARGUMENT...]",
        discussion: """
            Namespaces, a root file system, limits, system call filter and id mapping of its own; as root or as an ordinary \
            user. `swiftlet run --help` lists the options, `swiftlet run --explain ...` prints what would be done, `swiftlet \
            doctor` what this machine can enforce.
            """)

    @Argument(parsing: .captureForPassthrough, help: "Options, then the command with its arguments.")
    var words: [String] = []

    func run() async throws {
        let words = words
        let status = await BlockingCall.run { RunProgram.main(words) }
        if status != 0 { throw ExitCode(status) }
    }
}
