// Crashes at every call that changes a file: one run is recorded, then the disk of each moment is made again and opened.
//
// I-STORE-5: a commit that was acknowledged before the crash is there. I-STORE-6: a commit that was not is there as a whole, and only
// if it was the one under way, or not at all; in particular nothing of an unfinished one is seen.
import Glibc
import ResourceStore
import StoreFaultVFS
import Testing

@Suite("Store crashes", .serialized, .timeLimit(.minutes(3)))
struct StoreCrashTests {
    /// What a crash leaves of writes that no sync had confirmed.
    enum Loss: String, CaseIterable, Sendable {
        /// kill -9: the kernel has all of them.
        case none
        /// kill -9 in the middle of the last one.
        case tornLast
        /// Power loss: any of them are missing, some are torn.
        case unsynced
    }

    private struct Recording {
        var operations: [store_operation] = []
        /// Operations done when the n-th commit was acknowledged.
        var acknowledged: [Int] = []
        /// The oracle after n commits.
        var models: [StoreModel] = [StoreModel()]
    }

    @Test("I-STORE-5, I-STORE-6: killed at, or powered off before, any write, sync or truncation", arguments: Loss.allCases)
    func everyCall(loss: Loss) async throws {
        let seed = getenv("STORE_SEED").flatMap { UInt64(String(cString: $0)) } ?? 7
        try await withTemporaryDirectory { directory in
            let recording = try await record(directory, seed: seed)
            #expect(recording.operations.count > 300)
            #expect(
                recording.operations.contains { $0.kind == STORE_SYNC.number && $0.file == 0 }, "no checkpoint is part of the run"
            )
            var generator = SeededGenerator(seed: seed)
            let vfs = "crash-image-\(loss)-\(seed)"
            _ = try #require(store_fault_vfs_make(vfs))
            // The first and the last moments always; of those between every n-th, another n-th in each run with another seed.
            let stride = Self.everyMoment ? 1 : max(1, recording.operations.count / 120)
            var disk = Disk()
            for moment in 0...recording.operations.count {
                if moment > 0 { disk.take(recording.operations[moment - 1]) }
                guard moment < 20 || moment % stride == Int(seed) % stride || moment == recording.operations.count else {
                    continue
                }
                let next = moment < recording.operations.count ? recording.operations[moment] : nil
                try disk.write(directory + "/image.db", loss, next: next, &generator)
                try check(directory + "/image.db", vfs: vfs, recording, moment, "STORE_SEED=\(seed) \(loss) moment \(moment)")
                // Opening is synchronous work: other tests want their turn.
                await Task.yield()
            }
        }
    }

    /// STORE_SWEEP=all
    private static let everyMoment = getenv("STORE_SWEEP").map { String(cString: $0) } == "all"

    /// A walk with checkpoints and compaction in it.
    private func record(_ directory: String, seed: UInt64) async throws -> Recording {
        let name = "crash-record-\(seed)-\(directory.suffix(6))"
        let vfs = try #require(store_fault_vfs_make(name))
        store_fault_vfs_record(vfs)
        var recording = Recording()
        let journal = try SQLiteJournal(path: directory + "/store.db", checkpointBytes: 60_000, vfs: name)
        let store = try JournaledStore(journal: journal, options: StoreOptions(logCapacity: 15, watchBound: 100))
        func count() -> Int {
            while store_fault_vfs_operation(vfs, Int64(recording.operations.count)).kind != 0 {
                recording.operations.append(store_fault_vfs_operation(vfs, Int64(recording.operations.count)))
            }
            return recording.operations.count
        }
        var generator = SeededGenerator(seed: seed)
        var model = StoreModel()
        for _ in 0..<60 {
            let operations = model.randomCommit(&generator, padding: 1500)
            try await store.commit(operations)
            recording.acknowledged.append(count())
            model.apply(operations)
            recording.models.append(model)
        }
        await store.close()
        _ = count()
        return recording
    }

    private func check(_ path: String, vfs: String, _ recording: Recording, _ moment: Int, _ place: String) throws {
        let contents: JournalContents
        do {
            let journal = try SQLiteJournal(path: path, vfs: vfs)
            defer { journal.close() }
            contents = try journal.load()
        } catch {
            // Before the first commit is acknowledged there may be no database yet; never after.
            Issue.record("\(place): \(error)")
            return
        }
        let acknowledged = recording.acknowledged.count { $0 <= moment }
        let found = recording.models.firstIndex { $0.revision == contents.revision }
        guard let found, found == acknowledged || found == acknowledged + 1 else {
            Issue.record("\(place): revision \(contents.revision) of commit \(found ?? -1), \(acknowledged) were acknowledged")
            return
        }
        let model = recording.models[found]
        #expect(contents.objects.model == model.objects, "\(place)")
        #expect(contents.history.map(\.model) == model.events.filter { $0.revision > contents.floor }, "\(place)")
    }
}

/// The files of a store: what a sync has confirmed, and what was done since.
private struct Disk {
    private var synced: [Int32: [UInt8]] = [:]
    private var pending: [Int32: [store_operation]] = [:]

    mutating func take(_ operation: store_operation) {
        switch UInt32(operation.kind) {
        case STORE_SYNC.rawValue:
            for operation in pending.removeValue(forKey: operation.file) ?? [] {
                Self.apply(operation, bytes: operation.count, to: &synced[operation.file, default: []])
            }
        case STORE_DELETE.rawValue: (synced[operation.file], pending[operation.file]) = (nil, nil)
        default: pending[operation.file, default: []].append(operation)
        }
    }

    /// Writes the files as a crash leaves them.
    func write(
        _ path: String, _ loss: StoreCrashTests.Loss, next: store_operation?, _ generator: inout SeededGenerator
    ) throws {
        var files = synced
        for (file, operations) in pending.sorted(by: { $0.key < $1.key }) {
            for operation in operations {
                var part = operation.count
                if loss == .unsynced, operation.kind == STORE_WRITE.number {
                    switch Int.random(in: 0..<3, using: &generator) {
                    case 0: continue
                    case 1: part = Int64.random(in: 0...operation.count, using: &generator)
                    default: break
                    }
                }
                Self.apply(operation, bytes: part, to: &files[file, default: []])
            }
        }
        if loss == .tornLast, let next, next.kind == STORE_WRITE.number {
            Self.apply(next, bytes: next.count / 2, to: &files[next.file, default: []])
        }
        for (number, suffix) in [(Int32(0), ""), (1, "-wal"), (2, "-journal")] {
            unlink(path + suffix)
            guard let bytes = files[number] else { continue }
            let file = try #require(fopen(path + suffix, "w"))
            defer { fclose(file) }
            #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
        }
        unlink(path + "-shm")
    }

    private static func apply(_ operation: store_operation, bytes count: Int64, to file: inout [UInt8]) {
        let offset = Int(operation.offset)
        if operation.kind == STORE_TRUNCATE.number {
            if file.count > offset { file.removeSubrange(offset...) }
            return
        }
        let end = offset + Int(count)
        if file.count < end { file += [UInt8](repeating: 0, count: end - file.count) }
        file.withUnsafeMutableBytes { _ = memcpy($0.baseAddress! + offset, operation.bytes, Int(count)) }
    }
}

extension store_operation_kind {
    var number: Int32 { Int32(rawValue) }
}
