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

    /// Of a child of ours, which may have ended already: nobody else reaps it.
    init?(child pid: Int32) {
        guard let start = try? Self.startTime(of: pid, evenEnded: true) else { return nil }
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
        let bytes: [UInt8]?
        do { bytes = try HostFile.readIfPresent("/proc/\(pid)/stat") } catch {
            // It ended between open and read.
            if case .system(_, ESRCH, _) = error { return nil }
            throw error
        }
        guard let bytes, let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        // The first of these is field 3, the state.
        guard fields.count > 19 else { return nil }
        if !evenEnded, fields[0] == [UInt8(ascii: "Z")] || fields[0] == [UInt8(ascii: "X")] { return nil }
        return Int64(String(decoding: fields[19], as: UTF8.self))
    }

    static func bootID() -> String {
        String((HostFile.text("/proc/sys/kernel/random/boot_id") ?? "").prefix { $0 != "\n" })
    }
}
