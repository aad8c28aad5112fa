// A command's start: the launcher's `create` with joined namespaces (Sandbox/launcher/create.h). The command becomes this
// process' child, and is watched by its pidfd.

import CLinux
import Glibc
import LocalRuntime
import RuntimeInterface

enum ExecProcess {
    /// Of the set-up between two words of the launcher, which does not wait for anything.
    private static let deadlineMilliseconds: Int32 = 30_000

    /// `streams` as clinux_spawn_streams has them; they stay open here. Blocks for a few milliseconds. Throws `invalid(field: "command")`
    /// when there is no such program in the container.
    static func start(launcher: String, plan: [UInt8], target: Int32, streams: [Int32]) throws -> StartedProcess {
        let file = try Descriptor.high(clinux_memfd("plan"), "memfd")
        defer { close(file) }
        try write(plan, to: file)
        var ends: [Int32] = [-1, -1]
        guard clinux_message_pair(&ends) == 0 else { throw RecordFiles.failure("socketpair", "launcher") }
        let socket = ends[0]
        defer { close(socket) }
        let launched: Int32
        do {
            let theirs = try Descriptor.high(ends[1], "socket")
            defer { close(theirs) }
            launched = try spawn(launcher, streams: streams, keep: [file, theirs, target])
        }
        // It ends as soon as it has cloned; the command is our child, not its.
        defer { reap(launched) }
        return try converse(socket)
    }

    private static func converse(_ socket: Int32) throws -> StartedProcess {
        var started: StartedProcess?
        do {
            while true {
                var buffer = [UInt8](repeating: 0, count: 512)
                let count = clinux_receive_message(socket, &buffer, Int32(buffer.count), deadlineMilliseconds)
                if count < 0 { throw RecordFiles.failure("receive", "launcher") }
                if count == 0 { break }
                if count == LauncherFailure.bytes { throw LauncherFailure.error(buffer) }
                guard buffer[0] == UInt8(ascii: "P"),
                    let pid = Int32(String(decoding: buffer[1..<Int(count)].prefix { $0 != 0 }, as: UTF8.self))
                else { throw RuntimeError.unavailable(stage: "exec", reason: "the launcher's answer is not understood") }
                let descriptor = clinux_pidfd_open(pid, 0)
                guard descriptor >= 0 else { throw RecordFiles.failure("pidfd_open", "\(pid)") }
                started = StartedProcess(pid: pid, descriptor: descriptor)
            }
        } catch {
            started?.abandon()
            throw error
        }
        guard let started else {
            throw RuntimeError.unavailable(stage: "exec", reason: "the launcher ended before the command began")
        }
        return started
    }

    private static func spawn(_ launcher: String, streams: [Int32], keep: [Int32]) throws -> Int32 {
        var pid: pid_t = 0
        let arguments = ["swiftlet-sandbox", "create", "--plan", "/proc/self/fd/3", "--sync", "4"]
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let result = clinux_spawn_streams(&pid, launcher, &pointers, &environment, streams, keep, Int32(keep.count))
        guard result == 0 else {
            throw RuntimeError.unavailable(stage: "spawn(\(launcher))", reason: String(cString: strerror(result)))
        }
        return pid
    }

    private static func reap(_ pid: Int32) {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    private static func write(_ bytes: [UInt8], to file: Int32) throws {
        var done = 0
        while done < bytes.count {
            let length = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress.map { $0 + done }, $0.count - done) }
            if length < 0, errno == EINTR { continue }
            guard length > 0 else { throw RecordFiles.failure("write", "plan") }
            done += length
        }
    }
}
