// A command's start through its runtime: the launcher's `oci-exec`, which stays as the command's parent and ends as it does.

import CLinux
import Glibc
import LocalRuntime
import RuntimeInterface

enum OCIExecProcess {
    /// `streams` as clinux_spawn_streams has them; they stay open here. Blocks as long as the runtime takes, at most `milliseconds`.
    /// Throws what `failure` makes of the runtime's exit status.
    static func start(
        launcher: String, pidFile: String, group: String, runtime: [String], environment: [String], streams: [Int32],
        milliseconds: Int,
        failure: (Int) -> RuntimeError
    ) throws -> StartedProcess {
        var ends: [Int32] = [-1, -1]
        guard clinux_message_pair(&ends) == 0 else { throw RecordFiles.failure("socketpair", "launcher") }
        let socket = ends[0]
        defer { close(socket) }
        let process: StartedProcess
        do {
            let theirs = try Descriptor.high(ends[1], "socket")
            defer { close(theirs) }
            process = try spawn([launcher, "oci-exec", pidFile, group] + runtime, environment, streams, keep: theirs)
        }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = clinux_receive_message(socket, &buffer, Int32(buffer.count), Int32(clamping: milliseconds))
        if count > 0, buffer[0] == UInt8(ascii: "P") { return process }
        process.abandon()
        if count == LauncherFailure.bytes { throw LauncherFailure.error(buffer) }
        guard count > 0, let status = Int(String(decoding: buffer[1..<Int(count)].prefix { $0 != 0 }, as: UTF8.self)) else {
            throw RuntimeError.unavailable(
                stage: "exec", reason: "\(runtime.first ?? "the runtime") did not answer within \(milliseconds) ms")
        }
        throw failure(status)
    }

    private static func spawn(_ arguments: [String], _ environment: [String], _ streams: [Int32], keep: Int32) throws
        -> StartedProcess
    {
        var pid: pid_t = 0
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { for pointer in pointers + variables { free(pointer) } }
        let result = clinux_spawn_streams(&pid, arguments[0], &pointers, &variables, streams, [keep], 1)
        guard result == 0 else {
            throw RuntimeError.unavailable(stage: "spawn(\(arguments[0]))", reason: String(cString: strerror(result)))
        }
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { throw RecordFiles.failure("pidfd_open", "\(pid)") }
        return StartedProcess(pid: pid, descriptor: descriptor)
    }
}
