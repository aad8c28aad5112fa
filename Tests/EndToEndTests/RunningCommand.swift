// Starting real programs from a test: output into files, ends awaited with a deadline.
import CLinux
import FoundationEssentials
import Glibc
import Testing

@testable import Swiftlet

/// A failed expectation of the harness itself; its text says what was going on.
struct HarnessFailure: Error, CustomStringConvertible { var description: String }

struct CommandResult: Sendable, CustomStringConvertible {
    var command: String
    /// Exit code, or 128 + signal.
    var status: Int32
    var output: String
    var errors: String

    var description: String { "\(command): exit code \(status)\n--- output\n\(output)--- errors\n\(errors)" }
}

/// A program that runs beside the test.
final class RunningCommand: Sendable {
    let command: String
    let identity: ProcessIdentity
    private let outputPath: String
    private let errorPath: String

    /// `environment` is added to the test's own.
    init(_ arguments: [String], environment: [String: String] = [:], directory: String) throws {
        command = arguments.joined(separator: " ")
        outputPath = "\(directory)/command-\(UUID().uuidString).out"
        errorPath = outputPath + ".err"
        var variables = ProcessInfo.processInfo.environment
        variables.merge(environment) { $1 }
        let output = open(outputPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let errors = open(errorPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer {
            close(output)
            close(errors)
        }
        var pid: pid_t = 0
        let argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        let error = clinux_spawn(&pid, arguments[0], argv, envp, output, errors)
        guard error == 0 else { throw HarnessFailure(description: "start \(command): \(String(cString: strerror(error)))") }
        identity = ProcessIdentity.of(pid: pid) ?? ProcessIdentity(pid: pid, startTime: 0)
    }

    var output: String { FileText.read(outputPath) ?? "" }
    var errors: String { FileText.read(errorPath) ?? "" }

    /// Kills the program and fails when it has not ended in time.
    func result(within limit: Duration) async throws -> CommandResult {
        if await !identity.waitForEnd(within: limit) {
            kill(identity.pid, SIGKILL)
            _ = await reap()
            throw HarnessFailure(description: "\(command) has not ended within \(limit)\n\(output)\(errors)")
        }
        let status = await reap()
        let signal = status & 0x7F
        return CommandResult(
            command: command, status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: output, errors: errors)
    }

    private func reap() async -> Int32 {
        let pid = identity.pid
        return await BlockingCall.run {
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            return status
        }
    }
}

/// Waits for a condition, at most until the deadline; then fails with what was waited for and `state`.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), state: () async -> String = { "" },
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))  // the pace of looking; the deadline decides
    }
    throw HarnessFailure(description: "not within \(limit): \(what)\n\(await state())")
}
