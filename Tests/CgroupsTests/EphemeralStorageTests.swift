// Disk that a task may fill: how it is measured, when, and what follows.

import Glibc
import Synchronization
import Testing

@testable import Cgroups

@Suite("Ephemeral storage")
struct EphemeralStorageTests {
    /// A directory on disk, gone afterwards.
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/var/tmp/swiftlet-storage.XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { Self.remove(path) }
        try body(path)
    }

    private static func remove(_ path: String) {
        var info = stat()
        guard lstat(path, &info) == 0 else { return }
        if info.st_mode & S_IFMT == S_IFDIR {
            for name in CgroupFile.entries(path) { remove("\(path)/\(name)") }
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    /// Returns a descriptor, to be closed.
    private func fill(_ path: String, kibibytes: Int) throws -> Int32 {
        let descriptor = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0)
        let block = [UInt8](repeating: 7, count: 1024)
        for _ in 0..<kibibytes { try #require(write(descriptor, block, block.count) == block.count) }
        fsync(descriptor)
        return descriptor
    }

    @Test(
        "trees count what is allocated: linked files once, sparse files their contents, links and other file systems not at all")
    func measure() throws {
        try withDirectory { root in
            mkdir("\(root)/a", 0o755)
            mkdir("\(root)/a/b", 0o755)
            close(try fill("\(root)/a/b/file", kibibytes: 256))
            link("\(root)/a/b/file", "\(root)/a/second-name")
            symlink("/usr", "\(root)/a/usr")
            symlink(root, "\(root)/a/again")
            close(try fill("\(root)/sparse", kibibytes: 4))
            truncate("\(root)/sparse", 1 << 40)
            let usage = StorageMeasure().usage(of: [root, "\(root)-missing"])
            #expect(usage.bytes >= 260 << 10 && usage.bytes < 320 << 10, "\(usage)")
            #expect(usage.entries == 8 && !usage.isPartial)
            #expect(StorageMeasure().usage(of: ["/proc/self"]).bytes == 0)
        }
    }

    @Test("a tree with more files or levels than are looked at is said to be so, and costs no more")
    func bounds() throws {
        try withDirectory { root in
            for index in 0..<50 { close(try fill("\(root)/\(index)", kibibytes: 0)) }
            var measure = StorageMeasure()
            measure.maximumEntries = 20
            let usage = measure.usage(of: [root])
            #expect(usage.isPartial && usage.entries == 20)
            var path = root
            for _ in 0..<150 {
                path += "/d"
                mkdir(path, 0o755)
            }
            #expect(StorageMeasure().usage(of: [root]).isPartial)
        }
    }

    @Test("a file without a name counts as long as somebody holds it open")
    func deleted() throws {
        try withDirectory { root in
            let descriptor = try fill("\(root)/gone", kibibytes: 512)
            unlink("\(root)/gone")
            var info = stat()
            stat(root, &info)
            #expect(StorageMeasure().usage(of: [root]).bytes < 64 << 10)
            #expect(StorageMeasure.deletedBytes(heldBy: [getpid()], devices: [UInt64(info.st_dev)]) >= 512 << 10)
            close(descriptor)
        }
    }

    @Test("it is measured at first, when its file system grew by what was left, and now and then")
    func rounds() {
        var state = EphemeralStorage(limitBytes: 100, roundsBetweenMeasures: 3)
        var usage = StorageUsage()
        #expect(state.round(filled: 1000) == .measure)
        usage.bytes = 40
        #expect(state.measured(usage, filled: 1000) == nil)
        #expect(state.round(filled: 1059) == .wait)
        #expect(state.round(filled: 1060) == .measure)
        #expect(state.measured(usage, filled: 1060) == nil)
        #expect(state.round(filled: 1060) == .wait && state.round(filled: 900) == .wait && state.round(filled: 900) == .measure)
    }

    @Test("over the limit, or too large to be measured, is an excess whose reason names the limit")
    func excess() {
        var state = EphemeralStorage(limitBytes: 1 << 20)
        var usage = StorageUsage()
        usage.bytes = 1 << 20
        #expect(state.measured(usage, filled: 0) == nil)
        usage.bytes += 1
        let excess = state.measured(usage, filled: 0)
        #expect(excess?.description.contains("more than its limit of 1048576 bytes (1 MiB)") == true)
        usage = StorageUsage()
        usage.isPartial = true
        let partial = state.measured(usage, filled: 0)
        #expect(partial?.description.hasPrefix("used at least") == true)
    }

    @Test("the watch calls once for a tree that grew over its limit, and not for one that stayed below or was removed")
    func watch() throws {
        try withDirectory { root in
            for name in ["over", "below", "removed"] { mkdir("\(root)/\(name)", 0o755) }
            let called = Mutex<[String]>([])
            let watch = try EphemeralStorageWatch(intervalMilliseconds: 20)
            for name in ["over", "below", "removed"] {
                watch.add(name, paths: ["\(root)/\(name)"], limitBytes: 256 << 10) { _ in called.withLock { $0.append(name) } }
            }
            watch.remove("removed")
            close(try fill("\(root)/below/f", kibibytes: 64))
            close(try fill("\(root)/removed/f", kibibytes: 1024))
            close(try fill("\(root)/over/f", kibibytes: 1024))
            #expect(MachineGroup.wait { called.withLock { !$0.isEmpty } })
            close(try fill("\(root)/over/g", kibibytes: 64))
            usleep(200_000)  // some rounds more
            #expect(called.withLock { $0 } == ["over"])
        }
    }
}
