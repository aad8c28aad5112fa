// Samples groups with a memory limit, on one thread for all of them. A group with room left costs one small file a round; only a full
// one is looked at closely. (The counters of hits at the limit would not do: v1 does not count where swap has the same limit.)

import Glibc
import Synchronization

public final class MemoryThrashWatch: Sendable {
    public typealias OnThrashing = @Sendable (MemoryThrashing.Evidence) -> Void

    private let groups: Groups
    private let thread: SamplingThread

    /// Throws when the process has no thread left.
    public init(rule: MemoryThrashing.Rule = MemoryThrashing.Rule(), intervalMilliseconds: Int32 = 5_000) throws(CgroupError) {
        let groups = Groups(rule: rule)
        guard let thread = SamplingThread(milliseconds: intervalMilliseconds, look: { groups.look() }) else {
            throw CgroupError(stage: "watch", path: "memory", errno: errno)
        }
        self.groups = groups
        self.thread = thread
    }

    /// `onThrashing` is called once, on the watch's thread, and should return soon. Replaces what `id` had.
    public func add(_ id: String, group: Cgroup, limitBytes: Int64, onThrashing: @escaping OnThrashing) {
        groups.add(
            id, Watched(group: group, limitBytes: limitBytes, state: MemoryThrashing(rule: groups.rule), onThrashing: onThrashing)
        )
    }

    public func remove(_ id: String) { groups.remove(id) }

    private struct Watched {
        let group: Cgroup
        let limitBytes: Int64
        var state: MemoryThrashing
        let onThrashing: OnThrashing
        var isSuspected = false
    }

    private final class Groups: Sendable {
        let rule: MemoryThrashing.Rule
        private let watched = Mutex<[String: Watched]>([:])

        init(rule: MemoryThrashing.Rule) { self.rule = rule }

        func add(_ id: String, _ group: Watched) { watched.withLock { $0[id] = group } }
        func remove(_ id: String) { watched.withLock { _ = $0.removeValue(forKey: id) } }

        func look() {
            // Files are read without the lock: adding and removing never wait for the kernel.
            for (id, group) in watched.withLock({ $0 }) {
                let (next, verdict) = Self.look(at: group)
                let isWatched = watched.withLock { all -> Bool in
                    guard all[id]?.group == group.group else { return false }
                    if case .thrashing = verdict { all[id] = nil } else { all[id] = next }
                    return true
                }
                if isWatched, case .thrashing(let evidence) = verdict { group.onThrashing(evidence) }
            }
        }

        private static func look(at watched: Watched) -> (Watched, MemoryThrashing.Verdict) {
            var watched = watched
            let isFull = Double(watched.group.memoryBytes()) >= watched.state.rule.fullness * Double(watched.limitBytes)
            if !isFull, !watched.isSuspected { return (watched, .working) }
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let verdict = watched.state.observe(
                MemorySample(
                    nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec), limitBytes: watched.limitBytes,
                    usage: watched.group.usage(), pressure: watched.group.pressure(.memory)))
            watched.isSuspected = verdict != .working
            return (watched, verdict)
        }
    }
}
