// `swiftlet doctor`: what this machine can do for a sandbox, tried rather than guessed.
import ArgumentParser
import SandboxRun

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Try every feature of the sandbox here: what works, what is missing, why, and the fix.",
        discussion: "Exit status 0: sandboxes can be made here as this user; 1: something essential is missing.")

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json }

    @Option(name: .shortAndLong, help: "table or json.")
    var output: Format = .table

    @Option(help: "Where images and volumes lie: the file system whose abilities count.")
    var directory: String = "."

    func run() async throws {
        let words = ["--output", output.rawValue, "--directory", directory]
        let status = await BlockingCall.run { DoctorProgram.main(words) }
        if status != 0 { throw ExitCode(status) }
    }
}
