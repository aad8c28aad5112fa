// Holds tasks to their disk: writable layer, /tmp, work directory and logs together, on one thread for all of them. A first bound is the
// launcher's `rlimit fsize`, which no file can pass even between two rounds.

import Glibc
import Synchronization

public final class EphemeralStorageWatch: Sendable {
    public typealias OnExceeded = @Sendable (EphemeralStorage.Excess) -> Void

    private let trees: Trees
    private let thread: SamplingThread

    /// Throws when the process has no thread left.
    public init(intervalMilliseconds: Int32 = 2_000, measure: StorageMeasure = StorageMeasure()) throws(CgroupError) {
        let trees = Trees(measure: measure)
        guard let thread = SamplingThread(milliseconds: intervalMilliseconds, look: { trees.look() }) else {
            throw CgroupError(stage: "watch", path: "ephemeral storage", errno: errno)
        }
        self.trees = trees
        self.thread = thread
    }

    /// `paths`: files and directories that count; none inside another. `group`: whose members' deleted but open files count too.
    /// `onExceeded` is called once, on the watch's thread, and should return soon. Replaces what `id` had.
    public func add(_ id: String, paths: [String], limitBytes: Int64, group: Cgroup? = nil, onExceeded: @escaping OnExceeded) {
        trees.add(
            id, Watched(paths: paths, group: group, state: EphemeralStorage(limitBytes: limitBytes), onExceeded: onExceeded))
    }

    public func remove(_ id: String) { trees.remove(id) }

    private struct Watched {
        let paths: [String]
        let group: Cgroup?
        var state: EphemeralStorage
        let onExceeded: OnExceeded
    }

    private final class Trees: Sendable {
        let measure: StorageMeasure
        private let watched = Mutex<[String: Watched]>([:])

        init(measure: StorageMeasure) { self.measure = measure }

        func add(_ id: String, _ tree: Watched) { watched.withLock { $0[id] = tree } }
        func remove(_ id: String) { watched.withLock { _ = $0.removeValue(forKey: id) } }

        func look() {
            for (id, tree) in watched.withLock({ $0 }) {
                var tree = tree
                let excess = look(at: &tree)
                let isWatched = watched.withLock { all -> Bool in
                    guard all[id]?.paths == tree.paths else { return false }
                    if excess == nil { all[id] = tree } else { all[id] = nil }
                    return true
                }
                if isWatched, let excess { tree.onExceeded(excess) }
            }
        }

        private func look(at tree: inout Watched) -> EphemeralStorage.Excess? {
            let systems = FileSystems(paths: tree.paths)
            guard tree.state.round(filled: systems.filledBytes) == .measure else { return nil }
            var usage = measure.usage(of: tree.paths)
            if let group = tree.group {
                usage.bytes += StorageMeasure.deletedBytes(heldBy: group.allProcesses(), devices: systems.devices)
            }
            return tree.state.measured(usage, filled: systems.filledBytes)
        }
    }

    /// The file systems of some paths, each once.
    private struct FileSystems {
        var devices: Set<UInt64> = []
        var filledBytes: Int64 = 0

        init(paths: [String]) {
            for path in paths {
                var info = stat()
                guard stat(path, &info) == 0, devices.insert(UInt64(info.st_dev)).inserted else { continue }
                var system = statvfs()
                if statvfs(path, &system) == 0 { filledBytes += Int64(system.f_blocks - system.f_bfree) * Int64(system.f_frsize) }
            }
        }
    }
}
