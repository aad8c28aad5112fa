// One conversation with `swiftlet-sandbox create`: its plan goes in, messages about the container's process come out.

import CLinux
import Glibc
import SandboxPolicy

struct LauncherSession {
    /// What the launcher says, in the order of arrival (create.h has the wire's side).
    enum Message {
        case process(ProcessHandle)
        /// The caller's hooks are due.
        case hooks
        /// The process waits at its gate.
        case ready
        case failed(OCIError)
        /// Everything is closed: after `ready` never; without a gate, exec succeeded.
        case ended
    }

    private let socket: Int32
    private let launcher: Int32
    /// It is told once: whoever says it again is not the launcher.
    private var hasProcess = false

    init(socket: Int32, launcher: Int32) {
        self.socket = socket
        self.launcher = launcher
    }

    /// Beside this program's own file, wherever that was installed.
    static func executable() throws(OCIError) -> String {
        guard let own = HostFile.linkTarget("/proc/self/exe") else { throw .system("readlink", "/proc/self/exe") }
        let path = own.replacingLastComponent("swiftlet-sandbox")
        guard access(path, X_OK) == 0 else { throw .system("find", path) }
        return path
    }

    /// `keeping`: descriptors that the plan names by number.
    static func start(_ plan: LaunchPlan, preserving preserved: Int, keeping: [Int32] = []) throws(OCIError) -> LauncherSession {
        let bytes = plan.encoded()
        guard bytes.count <= LaunchPlan.maximumBytes else {
            throw .unsupported(
                field: "config.json", reason: "its launch plan has \(bytes.count) bytes; at most \(LaunchPlan.maximumBytes)")
        }
        let first = Int32(3 + preserved)
        let file = try above(first, clinux_memfd("plan"), "plan")
        defer { Glibc.close(file) }
        try HostFile.writeAll(file, bytes, "plan")
        // The program in the container must not be able to write to the launcher's file through /proc/PID/exe.
        let executable = try executable()
        let sealed = try above(first, clinux_sealed_executable(executable), executable)
        defer { Glibc.close(sealed) }
        var ends: [Int32] = [-1, -1]
        guard clinux_message_pair(&ends) == 0 else { throw .system("socketpair", "launcher") }
        let theirs = try above(first, ends[1], "socket")
        defer { Glibc.close(theirs) }
        let ours = try above(first, ends[0], "socket")
        do {
            let pid = try ChildProcess.spawn(
                "/proc/self/fd/\(sealed)",
                ["swiftlet-sandbox", "create", "--plan", "/proc/self/fd/\(file)", "--sync", "\(theirs)"],
                keep: keeping + [file, theirs] + (0..<Int32(preserved)).map { $0 + 3 }.filter { fcntl($0, F_GETFD) >= 0 })
            return LauncherSession(socket: ours, launcher: pid)
        } catch {
            Glibc.close(ours)
            throw error
        }
    }

    /// Moves a descriptor out of the range that the container's program is to inherit.
    static func above(_ first: Int32, _ descriptor: Int32, _ what: String) throws(OCIError) -> Int32 {
        guard descriptor >= 0 else { throw .system("open", what) }
        if descriptor >= first { return descriptor }
        let moved = fcntl(descriptor, F_DUPFD_CLOEXEC, first)
        let code = errno
        Glibc.close(descriptor)
        guard moved >= 0 else { throw .system(stage: "dup", errno: code, subject: what) }
        return moved
    }

    mutating func next() throws(OCIError) -> Message {
        var buffer = [UInt8](repeating: 0, count: 512)
        var n = 0
        repeat { n = buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) } } while n < 0 && errno == EINTR
        // A reset says that the other side ended with our answer unread.
        if n < 0, errno != ECONNRESET { throw .system("receive", "launcher") }
        guard n > 0 else { return .ended }
        let message = buffer.prefix(n)
        switch (message.first, n) {
        case (UInt8(ascii: "P"), 2...15):
            guard let pid = Int32(String(decoding: message.dropFirst().prefix { $0 != 0 }, as: UTF8.self)) else { break }
            return .process(try process(pid))
        case (UInt8(ascii: "H"), 1): return .hooks
        case (UInt8(ascii: "R"), 1): return .ready
        default: if let failure = LauncherFailure(message) { return .failed(.launch(stage: failure.stage, errno: failure.code)) }
        }
        throw .system(stage: "understand", errno: EPROTO, subject: "launcher")
    }

    /// Whoever is in the new container's namespaces may have got hold of the conversation: what it names is signalled when the set-up
    /// fails, and so must be a child of ours.
    private mutating func process(_ pid: Int32) throws(OCIError) -> ProcessHandle {
        let claim = "the launcher's message of the container's process"
        guard !hasProcess else { throw .invalid(field: claim, reason: "found a second one, of process \(pid); expected one") }
        guard pid != launcher, let handle = ProcessHandle(child: pid) else {
            throw .invalid(field: claim, reason: "found process \(pid), expected a new child of this process")
        }
        hasProcess = true
        return handle
    }

    /// The caller's hooks have run.
    func proceed() throws(OCIError) {
        guard send(socket, "G", 1, Int32(MSG_NOSIGNAL)) == 1 else { throw .system("answer", "launcher") }
    }

    /// Gives up the conversation and reaps the launcher, which ends by itself.
    func close() {
        Glibc.close(socket)
        ChildProcess.reap(launcher)
    }
}

/// `struct failure` of the launcher: an errno and a stage, 256 bytes.
struct LauncherFailure {
    let code: Int32
    let stage: String

    init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == 256 else { return nil }
        let bytes = Array(bytes)
        code = bytes.withUnsafeBytes { $0.loadUnaligned(as: Int32.self) }
        stage = String(decoding: bytes.dropFirst(4).prefix { $0 != 0 }, as: UTF8.self)
    }
}
