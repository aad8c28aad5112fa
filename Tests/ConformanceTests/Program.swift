// Real programs beside the test: output into files, ends awaited with a deadline, never left behind.
import CLinux
import Dispatch
import Glibc

/// What a test could not do; its text says what was going on.
struct LaboratoryFailure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

final class Program: Sendable {
    struct Result: Sendable, CustomStringConvertible {
        var command: String
        /// Exit status, or 128 + signal.
        var status: Int32
        var output: String
        var errors: String

        var description: String { "\(command): exit status \(status)\n--- output\n\(output)\n--- errors\n\(errors.suffix(4000))" }
    }

    /// Not a global queue: its few threads are those of Swift's tasks, and a blocked one stops them all.
    private static let waiting = DispatchQueue(label: "conformance.programs", attributes: .concurrent)

    let command: String
    let pid: pid_t
    private let handle: Int32
    private let outputPath: String
    private let errorPath: String

    /// Starts `arguments[0]` (a path). `environment` is the program's whole environment but for PATH.
    init(_ arguments: [String], environment: [String: String] = [:], directory: String) throws {
        command = arguments.joined(separator: " ")
        let stem = "\(directory)/program-\(UInt64.random(in: .min ... .max))"
        outputPath = stem + ".out"
        errorPath = stem + ".err"
        let output = open(outputPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        let errors = open(errorPath, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer {
            close(output)
            close(errors)
        }
        var variables = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": directory]
        variables.merge(environment) { $1 }
        let argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid: pid_t = 0
        let code = clinux_spawn(&pid, arguments[0], argv, envp, output, errors)
        guard code == 0 else { throw LaboratoryFailure("start \(command): \(String(cString: strerror(code)))") }
        self.pid = pid
        handle = clinux_pidfd_open(pid, 0)
        guard handle >= 0 else { throw LaboratoryFailure("pidfd_open of \(command): errno \(errno)") }
    }

    /// Whoever lets go of a program ends it: a test that failed early leaves nothing behind.
    deinit {
        if isAlive {
            var status: Int32 = 0
            _ = clinux_pidfd_send_signal(handle, SIGKILL)
            var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
            _ = poll(&ready, 1, 2_000)
            _ = clinux_wait_pidfd(handle, &status)
        }
        close(handle)
    }

    static func run(
        _ arguments: [String], environment: [String: String] = [:], directory: String, within limit: Duration = .seconds(60)
    ) async throws -> Result {
        try await Program(arguments, environment: environment, directory: directory).result(within: limit)
    }

    var output: String { TextFile.read(outputPath) ?? "" }
    var errors: String { TextFile.read(errorPath) ?? "" }

    var isAlive: Bool {
        var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, 0) == 0
    }

    func signal(_ number: Int32) { _ = clinux_pidfd_send_signal(handle, number) }

    /// Waits for the end. A program that is late is killed, and this throws with what it had said.
    func result(within limit: Duration) async throws -> Result {
        let milliseconds = Int32(clamping: limit.components.seconds * 1000)
        let handle = handle
        let status: Int32? = await withCheckedContinuation { continuation in
            Self.waiting.async { continuation.resume(returning: Self.wait(handle, milliseconds)) }
        }
        guard let status else {
            throw LaboratoryFailure("\(command) had not ended after \(limit) and was killed\n\(output)\n\(errors.suffix(4000))")
        }
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
        return Result(command: command, status: code, output: output, errors: errors)
    }

    /// The wait status; nil when it had to be killed.
    private static func wait(_ handle: Int32, _ milliseconds: Int32) -> Int32? {
        var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        var status: Int32 = 0
        if poll(&ready, 1, milliseconds) == 1 {
            return clinux_wait_pidfd(handle, &status) == 1 ? status : -1
        }
        _ = clinux_pidfd_send_signal(handle, SIGKILL)
        _ = poll(&ready, 1, 5_000)
        _ = clinux_wait_pidfd(handle, &status)
        return nil
    }
}

/// Small files, whole.
enum TextFile {
    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func write(_ text: String, to path: String) throws {
        guard let file = fopen(path, "w") else { throw LaboratoryFailure("write \(path): errno \(errno)") }
        let written = fputs(text, file)
        guard fclose(file) == 0, written >= 0 else { throw LaboratoryFailure("write \(path): errno \(errno)") }
    }
}

/// Waits for a condition, at most until the deadline; then throws with what was waited for.
func eventually(
    _ what: String, within limit: Duration = .seconds(20), state: () -> String = { "" }, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(20))  // the pace of looking; the deadline decides
    }
    throw LaboratoryFailure("not within \(limit): \(what)\n\(state())")
}
