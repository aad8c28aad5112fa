// supervisor.lock as a record: whoever holds it has written into it who it is. The witness of last resort when state.json is damaged.

import Glibc

package struct SupervisorLock: Sendable, Hashable {
    package var pid: Int32
    /// Clock ticks since boot.
    package var startTime: Int64
    package var bootID: String
    /// Unix nanoseconds: when the file was written, just before the task's start.
    package var takenAt: Int64
    /// Host pid of the task's init, the supervisor's child; 0 when the kernel does not tell.
    package var task: Int32
    /// Which of its supervisor's tasks this one is: a supervisor may serve several short ones, one after the other.
    package var serial: Int32

    /// "PID STARTTIME BOOTID [SERIAL]"; nil when it says anything else. Blocks.
    package init?(_ path: String) {
        guard let bytes = RecordFiles.read(path) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split { $0 == " " || $0 == "\n" }
        var facts = stat()
        guard words.count >= 3, let pid = Int32(words[0]), let startTime = Int64(words[1]), stat(path, &facts) == 0 else {
            return nil
        }
        self.pid = pid
        self.startTime = startTime
        bootID = String(words[2])
        serial = words.count > 3 ? Int32(words[3]) ?? 0 : 0
        takenAt = Int64(facts.st_mtim.tv_sec) * 1_000_000_000 + Int64(facts.st_mtim.tv_nsec)
        let children = RecordFiles.read("/proc/\(pid)/task/\(pid)/children") ?? []
        task = String(decoding: children, as: UTF8.self).split(separator: " ").first.flatMap { Int32($0) } ?? 0
    }
}
