// Finds a process again after its starter is gone: a pid alone may meanwhile be another process' number.
import CLinux
import Dispatch
import Glibc

/// A process as its record knows it: pid and kernel start time together never mean another process of this boot.
struct ProcessIdentity: Sendable, Hashable, Codable {
    var pid: Int32
    /// Clock ticks after boot (/proc/PID/stat, field 22).
    var startTime: UInt64

    static func of(pid: Int32) -> ProcessIdentity? {
        startTime(pid: pid).map { ProcessIdentity(pid: pid, startTime: $0) }
    }

    static let current = of(pid: getpid()) ?? ProcessIdentity(pid: getpid(), startTime: 0)

    var isAlive: Bool { Self.startTime(pid: pid) == startTime }

    /// nil for a process that is not there or is a zombie.
    private static func startTime(pid: Int32) -> UInt64? {
        guard let stat = FileText.read("/proc/\(pid)/stat"), let close = stat.lastIndex(of: ")") else { return nil }
        // Fields behind the command, which may itself hold blanks and brackets: state is field 3.
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return UInt64(fields[19])
    }

    /// Signals this process and no other. false when it is gone.
    @discardableResult
    func signal(_ number: Int32) -> Bool {
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // Checked after the descriptor is held: from here on it cannot come to mean another process.
        guard isAlive else { return false }
        return clinux_pidfd_send_signal(descriptor, number) == 0
    }

    /// "PID:STARTTIME", for a command line.
    var text: String { "\(pid):\(startTime)" }

    init?(text: String) {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let pid = Int32(parts[0]), let startTime = UInt64(parts[1]) else { return nil }
        self.init(pid: pid, startTime: startTime)
    }

    init(pid: Int32, startTime: UInt64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// Suspends until the process ended, or the task is cancelled; costs no thread. Returns whether it ended.
    func waitForEnd() async -> Bool {
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return true }
        let (ends, continuation) = AsyncStream<Void>.makeStream()
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        source.setEventHandler { continuation.finish() }
        source.setCancelHandler { close(descriptor) }
        source.activate()
        defer { source.cancel() }
        guard isAlive else { return true }
        for await _ in ends {}
        return !Task.isCancelled
    }

    /// Suspends until the process ended, at most so long. Returns whether it ended.
    func waitForEnd(within timeout: Duration) async -> Bool {
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return true }
        guard isAlive else {
            close(descriptor)
            return true
        }
        let milliseconds = Int32(clamping: timeout.components.seconds * 1000)
        return await BlockingCall.run {
            defer { close(descriptor) }
            var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            return Glibc.poll(&poll, 1, milliseconds) > 0
        }
    }
}
