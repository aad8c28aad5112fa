// A program run to its end: input given, output kept within bounds, a deadline over all. Blocks; never forks this process.

import CLinux
import Glibc

public struct ProgramRun: Sendable, Hashable {
    public enum Ending: Sendable, Hashable {
        case exited(Int32)
        case signaled(Int32)
        /// It was ended with SIGKILL at the deadline.
        case deadline(milliseconds: Int64)
    }

    public var ending: Ending
    /// At most `maximumBytes` of each.
    public var output: [UInt8]
    public var errors: [UInt8]

    public static let maximumBytes = 4 << 20

    public var succeeded: Bool { ending == .exited(0) }

    /// The last words on standard error, for a message.
    public var complaint: String {
        let text = String(decoding: errors.suffix(600), as: UTF8.self)
        return text.split(separator: "\n").suffix(3).joined(separator: "; ")
    }

    public struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        public var program: String
        public var stage: String
        public var errno: Int32

        public var description: String { "\(program): \(stage): \(String(cString: strerror(self.errno)))" }
    }

    /// `arguments` include the program's name. Throws when it could not be started at all.
    public init(
        _ program: String, arguments: [String], environment: [String] = [], input: [UInt8] = [], deadlineMilliseconds: Int64
    ) throws(Failure) {
        // Files in memory instead of pipes: a program that talks much or reads nothing can block neither itself nor us.
        let files: [Int32] = ["input", "output", "errors"].map { (name: String) in clinux_memfd(name) }
        defer { for file in files where file >= 0 { close(file) } }
        guard files.allSatisfy({ $0 >= 0 }) else { throw Failure(program: program, stage: "memfd", errno: errno) }
        guard Self.write(input, to: files[0]), lseek(files[0], 0, SEEK_SET) == 0 else {
            throw Failure(program: program, stage: "input", errno: errno)
        }
        let handle = try Self.spawn(program, arguments, environment, files)
        defer { close(handle) }
        ending = try Self.wait(handle, program, deadlineMilliseconds)
        output = Self.contents(files[1])
        errors = Self.contents(files[2])
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ environment: [String], _ files: [Int32]
    ) throws(Failure) -> Int32 {
        var pid: pid_t = 0
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        let result = clinux_spawn_with_input(&pid, program, &argv, &envp, files[0], files[1], files[2])
        guard result == 0 else { throw Failure(program: program, stage: "spawn", errno: result) }
        let handle = clinux_pidfd_open(pid, 0)
        guard handle >= 0 else { throw Failure(program: program, stage: "pidfd_open", errno: errno) }
        return handle
    }

    private static func wait(_ handle: Int32, _ program: String, _ milliseconds: Int64) throws(Failure) -> Ending {
        let end = monotonicMilliseconds() + milliseconds
        var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        var ended = false
        while !ended {
            let left = end - monotonicMilliseconds()
            let count = left > 0 ? poll(&ready, 1, Int32(clamping: left)) : 0
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            ended = true
        }
        if !ended {
            _ = clinux_pidfd_send_signal(handle, SIGKILL)
            // An uninterruptible call may hold it longer; it is not waited for without end.
            _ = poll(&ready, 1, 5_000)
        }
        var status: Int32 = 0
        let reaped = clinux_wait_pidfd(handle, &status)
        if !ended { return .deadline(milliseconds: milliseconds) }
        guard reaped == 1 else { throw Failure(program: program, stage: "waitid", errno: errno) }
        return status & 0x7f == 0 ? .exited((status >> 8) & 0xff) : .signaled(status & 0x7f)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func contents(_ descriptor: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < maximumBytes {
            let offset = off_t(bytes.count)
            let chunk = [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, offset))
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return bytes
    }

    private static func monotonicMilliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
