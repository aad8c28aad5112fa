// Processes by pidfd: starting the launcher, watching a supervisor's end, telling it to stop. No polling, no SIGCHLD.

import CLinux
import Dispatch
import Glibc
import RuntimeInterface

/// Calls back once, when the process behind a pidfd has ended.
package final class PidfdWatch: Sendable {
    private static let queue = DispatchQueue(label: "swiftlet.local.pidfd")
    private let descriptor: Int32
    // SAFETY: a dispatch source may be used from any thread; the overlay does not declare it Sendable.
    private nonisolated(unsafe) let source: any DispatchSourceRead

    /// Takes the descriptor over.
    package init(descriptor: Int32, ended: @escaping @Sendable () -> Void) {
        self.descriptor = descriptor
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: Self.queue)
        let source = source
        source.setEventHandler {
            source.cancel()
            ended()
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
    }

    package func cancel() { source.cancel() }

    /// False when the process is gone. A pidfd means this very process, never another that got its number.
    package func signal(_ signal: Int32) -> Bool {
        // On the queue that closes the descriptor, so that its number cannot mean something else meanwhile.
        Self.queue.sync { !source.isCancelled && clinux_pidfd_send_signal(descriptor, signal) == 0 }
    }

    /// The same, meant for one of the tasks that a supervisor has served: one that serves another by now leaves that alone.
    package func signal(_ signal: Int32, serial: Int32) -> Bool {
        Self.queue.sync { !source.isCancelled && clinux_pidfd_queue_signal(descriptor, signal, serial) == 0 }
    }
}

package enum ProcessIdentity {
    /// A pidfd of exactly the process that had this number at this start time; nil when it is gone.
    package static func open(pid: Int32, startTime: Int64) -> Int32? {
        guard pid > 0 else { return nil }
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { return nil }
        // The handle first, then the check: it pins the identity that the check confirms.
        guard Self.startTime(of: pid) == startTime else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// Field 22 of /proc/PID/stat (proc_pid_stat(5)): clock ticks since boot.
    package static func startTime(of pid: Int32) -> Int64? {
        guard let bytes = RecordFiles.read("/proc/\(pid)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        // The first of these is field 3.
        guard fields.count > 19, fields[0] != [UInt8(ascii: "Z")] else { return nil }
        return Int64(String(decoding: fields[19], as: UTF8.self))
    }

    /// Of this boot: it does not change while this process lives.
    package static func bootID() -> String { currentBoot }

    private static let currentBoot: String = {
        let bytes = RecordFiles.read("/proc/sys/kernel/random/boot_id") ?? []
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }()
}

package enum Launcher {
    /// The launcher gives up on its own set-up after 30 s (supervise.c); beyond this it is broken.
    package static let deadline = DispatchTimeInterval.seconds(45)

    /// Runs `supervise`; returns its exit status once the record is written (0 runs, 1 failed to start, 2 no record).
    package static func supervise(launcher: String, plan: String, directory: String) async throws -> Int32 {
        let pid = try await Blocking.run {
            try spawn([launcher, "supervise", "--plan", plan, "--state-dir", directory])
        }
        let descriptor = clinux_pidfd_open(pid, 0)
        guard descriptor >= 0 else { throw RecordFiles.failure("pidfd_open", "\(pid)") }
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let watch = PidfdWatch(descriptor: fcntl(descriptor, F_DUPFD_CLOEXEC, 0)) { continuation.resume() }
            // Killing it fires the watch; a handle of a process that ended long since refuses the signal.
            DispatchQueue.global().asyncAfter(deadline: .now() + deadline) { _ = watch.signal(SIGKILL) }
        }
        defer { close(descriptor) }
        var status: Int32 = 0
        guard clinux_wait_pidfd(descriptor, &status) == 1 else { throw RecordFiles.failure("waitid", launcher) }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 2
    }

    package static func spawn(_ arguments: [String]) throws -> Int32 {
        var pid: pid_t = 0
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        // The launcher needs no environment, and the task's own is in the plan.
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let result = clinux_spawn(&pid, arguments[0], &pointers, &environment, -1, -1)
        guard result == 0 else {
            throw RuntimeError.unavailable(stage: "spawn(\(arguments[0]))", reason: String(cString: strerror(result)))
        }
        return pid
    }

    /// Whether a supervisor holds this directory, even before it wrote its first record.
    package static func isSupervised(_ directory: String) -> Bool {
        let descriptor = clinux_open("\(directory)/supervisor.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return clinux_flock(descriptor, LOCK_SH | LOCK_NB) != 0
    }
}
