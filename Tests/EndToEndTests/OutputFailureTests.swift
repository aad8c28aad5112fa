// A command whose output could not be written has failed, and says so; a reader that had enough is no failure.
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

@Suite("Standard output that cannot be written", .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct OutputFailureTests {
    /// `sh -c 'exec PROGRAM WORDS REDIRECTION'`.
    private func shell(_ words: String, _ redirection: String) async throws -> CommandResult {
        let directory = "/tmp/swiftlet-e2e-output-\(getpid())-\(UUID().uuidString.prefix(8))"
        try FileText.makeDirectory(directory, mode: 0o700)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let line = "'\(try EndToEnd.program("swiftlet"))' \(words) \(redirection)"
        return try await RunningCommand(["/bin/sh", "-c", line], directory: directory).result(within: .seconds(60))
    }

    @Test(
        "the exit status is 1, of run 125, and standard error says why",
        arguments: [
            ("version", 1), ("--version", 1), ("--help", 1), ("help get", 1), ("init --domain alice", 1), ("doctor -o json", 1),
            ("doctor", 1), ("run --help", 125), ("run --explain true", 125), ("run --explain --json true", 125),
        ] as [(String, Int32)], [">/dev/full", ">&-"])
    func refused(command: (words: String, status: Int32), redirection: String) async throws {
        let result = try await shell(command.words, redirection)
        #expect(result.status == command.status, "\(result)")
        #expect(result.errors.contains("cannot write standard output: "), "\(result)")
        #expect(result.errors.contains("Hint: "), "\(result)")
    }

    @Test(
        "a reader that has enough is not told of",
        arguments: ["init --domain alice", "doctor", "run --help", "run --explain true"])
    func enough(words: String) async throws {
        // The pipe's reader is gone before anything is written; the status is that of the last of the pipe.
        let result = try await shell(words, "2>errors | true; cat errors; rm errors")
        #expect(!result.output.contains("cannot write"), "\(result)")
    }

    @Test("a report that was asked for in a file is there, of a plan too")
    func explainedIntoFile() async throws {
        let path = "/tmp/swiftlet-e2e-plan-\(getpid())-\(UUID().uuidString.prefix(8))"
        defer { unlink(path) }
        let result = try await shell("run --explain --json='\(path)' true", "")
        #expect(result.status == 0 && result.output == "", "\(result)")
        #expect(FileText.read(path)?.contains("\"operations\"") == true)
        let refused = try await shell("run --explain --json=/proc/nowhere/plan true", "")
        #expect(refused.status == 125 && refused.errors.contains("cannot write /proc/nowhere/plan"), "\(refused)")
    }

    @Test("help of a command that there is not is a mistake", arguments: ["help nonesuch", "help image nonesuch"])
    func helpOfNothing(words: String) async throws {
        let result = try await shell(words, "")
        #expect(result.status == 64 && result.errors.contains("there is no command \"nonesuch\""), "\(result)")
        #expect(try await shell("help image ls", "").output.contains("List the node's images"))
    }
}
