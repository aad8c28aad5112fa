// A process that cannot be mistaken for another one that got its number: pid, start time and boot together.

import CLinux
import Glibc

struct ProcessHandle: Sendable, Hashable {
    var pid: Int32
    /// Clock ticks since boot (proc_pid_stat(5), field 22).
    var startTime: Int64

    /// Of a living process; nil when it is gone or a zombie.
    init?(pid: Int32) {
        guard let start = try? Self.startTime(of: pid) else { return nil }
        self.init(pid: pid, startTime: start)
    }

    /// Of a child of ours, which may have ended already: nobody else reaps it, so that its number stays its own. nil for anybody else's
    /// process, whoever named it.
    init?(child pid: Int32) {
        let descriptor = pid > 0 ? clinux_pidfd_open(pid, 0) : -1
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard clinux_is_child(descriptor) == 1, let start = try? Self.startTime(of: pid, evenEnded: true) else { return nil }
        self.init(pid: pid, startTime: start)
    }

    init(pid: Int32, startTime: Int64) {
        self.pid = pid
        self.startTime = startTime
    }

    /// What cannot be asked (a machine short of files or memory) is taken to be alive: nothing is removed under a process.
    var isAlive: Bool {
        guard pid > 0 else { return false }
        do { return try Self.startTime(of: pid) == startTime } catch { return true }
    }

    /// Whether it has become another program since it was forked (PF_FORKNOEXEC, which ps(1) shows as F); nil when it is gone.
    var hasExecuted: Bool? {
        guard let fields = try? Self.fields(of: pid), fields.count > 19, Int64(fields[19]) == startTime else { return nil }
        return UInt64(fields[6]).map { $0 & 0x40 == 0 }
    }

    /// 0, or an errno; ESRCH when it is gone.
    func signal(_ number: Int32) -> Int32 {
        // The handle first, then the check: it pins the identity that the check confirms.
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        do throws(OCIError) {
            guard try Self.startTime(of: pid) == startTime else { return ESRCH }
        } catch {
            return EAGAIN
        }
        return clinux_pidfd_send_signal(descriptor, number) == 0 ? 0 : errno
    }

    /// A descriptor of it (pidfd_open(2)) to whoever listens at this unix socket, so that a caller need not open one by its number.
    func send(to socket: String) throws(OCIError) {
        let descriptor = clinux_pidfd_open(pid, 0)
        // One that has ended already is our child, and its number still its own.
        guard descriptor >= 0 else {
            throw .system(stage: "open a descriptor of", errno: ESRCH, subject: "process \(pid)")
        }
        defer { close(descriptor) }
        let connection = clinux_unix_connect(socket)
        guard connection >= 0 else { throw .system("connect to the pidfd socket", socket) }
        defer { close(connection) }
        guard clinux_send_descriptor(connection, descriptor, "pidfd") == 0 else {
            throw .system("send to the pidfd socket", socket)
        }
    }

    /// Waits until it has ended; false when it still lives after so many milliseconds.
    func waitUntilGone(milliseconds: Int32) -> Bool {
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return errno == ESRCH }
        defer { close(descriptor) }
        guard isAlive else { return true }
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&ready, 1, milliseconds) > 0
    }

    /// nil when there is no such process.
    private static func startTime(of pid: Int32, evenEnded: Bool = false) throws(OCIError) -> Int64? {
        guard let fields = try fields(of: pid), fields.count > 19 else { return nil }
        return !evenEnded && ["Z", "X"].contains(fields[0]) ? nil : Int64(fields[19])
    }

    /// Of its stat file, from field 3, the state, on; nil when there is no such process.
    private static func fields(of pid: Int32) throws(OCIError) -> [String]? {
        let bytes: [UInt8]?
        do { bytes = try HostFile.readIfPresent("/proc/\(pid)/stat") } catch {
            // It ended between open and read.
            if case .system(_, ESRCH, _) = error { return nil }
            throw error
        }
        guard let bytes, let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        return bytes[(end + 1)...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
    }

    static func bootID() -> String {
        String((HostFile.text("/proc/sys/kernel/random/boot_id") ?? "").prefix { $0 != "\n" })
    }
}
