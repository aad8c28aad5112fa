// How much disk a few directory trees hold. The trees belong to a task that may change them at any time and wishes to mislead: every step
// is relative to an open directory and follows no link, and every quantity is bounded.

import Glibc

public struct StorageUsage: Sendable, Hashable {
    /// Allocated blocks, as quotas count them; a sparse file costs what is in it.
    public var bytes: Int64 = 0
    public var entries: Int64 = 0
    /// More entries or deeper directories than are looked at: `bytes` is a lower bound.
    public var isPartial = false

    public init() {}
}

public struct StorageMeasure: Sendable, Hashable {
    /// Entries in all: a million take about a second of one CPU.
    public var maximumEntries: Int64 = 1_000_000
    /// Open directories at a time; a source tree has about thirty levels.
    public var maximumDepth = 100
    /// Pauses of a millisecond after so many entries keep the sweep from taking a CPU for itself.
    public var entriesBetweenPauses: Int64 = 2_000

    public init() {}

    /// The trees together; a path that does not exist, or is a file, counts as what it is. Other file systems mounted inside do not count.
    public func usage(of paths: [String]) -> StorageUsage {
        var walk = Walk(measure: self)
        for path in paths { walk.add(path) }
        return walk.usage
    }

    private struct Walk {
        let measure: StorageMeasure
        var usage = StorageUsage()
        /// Files with several names, counted once.
        private var linked: Set<UInt64> = []

        init(measure: StorageMeasure) { self.measure = measure }

        mutating func add(_ path: String) {
            var info = stat()
            guard lstat(path, &info) == 0 else { return }
            count(info)
            guard info.st_mode & S_IFMT == S_IFDIR else { return }
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if descriptor >= 0 { descend(descriptor, device: info.st_dev) }
        }

        private mutating func count(_ info: stat) {
            usage.entries += 1
            if info.st_nlink > 1, info.st_mode & S_IFMT != S_IFDIR, !linked.insert(UInt64(info.st_ino)).inserted { return }
            usage.bytes += Int64(info.st_blocks) * 512
        }

        /// Takes over `root`. A stack of its own: a tree of any depth must not exhaust the thread's.
        private mutating func descend(_ root: Int32, device: dev_t) {
            var stack: [OpaquePointer] = []
            defer { for directory in stack { closedir(directory) } }
            func push(_ descriptor: Int32) {
                if let directory = fdopendir(descriptor) { stack.append(directory) } else { close(descriptor) }
            }
            push(root)
            while let directory = stack.last {
                guard let entry = readdir(directory) else {
                    closedir(directory)
                    stack.removeLast()
                    continue
                }
                guard usage.entries < measure.maximumEntries else {
                    usage.isPartial = true
                    return
                }
                if usage.entries % measure.entriesBetweenPauses == measure.entriesBetweenPauses - 1 { usleep(1_000) }
                let child = withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) {
                        look(at: $0, in: dirfd(directory), device: device, depth: stack.count)
                    }
                }
                if let child { push(child) }
            }
        }

        /// A descriptor to go on with when it is a directory.
        private mutating func look(at name: UnsafePointer<CChar>, in directory: Int32, device: dev_t, depth: Int) -> Int32? {
            if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return nil }
            var info = stat()
            guard fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0, info.st_dev == device else { return nil }
            count(info)
            guard info.st_mode & S_IFMT == S_IFDIR else { return nil }
            guard depth < measure.maximumDepth else {
                usage.isPartial = true
                return nil
            }
            let descriptor = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            return descriptor >= 0 ? descriptor : nil
        }
    }

    /// Bytes of files that these processes hold open although nobody can name them any more: no walk finds them. Bounded by 4096 descriptors.
    public static func deletedBytes(heldBy processes: [Int32], devices: Set<UInt64>) -> Int64 {
        var seen: Set<UInt64> = []
        var bytes: Int64 = 0
        var left = 4_096
        for process in processes {
            for name in CgroupFile.entries("/proc/\(process)/fd") {
                left -= 1
                if left < 0 { return bytes }
                var info = stat()
                guard stat("/proc/\(process)/fd/\(name)", &info) == 0, info.st_mode & S_IFMT == S_IFREG, info.st_nlink == 0,
                    devices.contains(UInt64(info.st_dev)), seen.insert(UInt64(info.st_ino)).inserted
                else { continue }
                bytes += Int64(info.st_blocks) * 512
            }
        }
        return bytes
    }
}
