// A disk that fails at the n-th call: nothing unacknowledged is shown, nothing acknowledged is lost, and the store works on or says
// that it does not.
import Glibc
import ResourceStore
import StoreFaultVFS
import Testing

@Suite("Store faults", .serialized, .timeLimit(.minutes(3)))
struct StoreFaultTests {
    enum Fault: String, CaseIterable, Sendable {
        case ioError, noSpace, shortWrite

        var code: store_fault {
            switch self {
            case .ioError: STORE_FAULT_EIO
            case .noSpace: STORE_FAULT_ENOSPC
            case .shortWrite: STORE_FAULT_SHORT_WRITE
            }
        }
        /// Whether the disk may hold the failed commit: a sync was among what failed.
        var isAmbiguous: Bool { self == .ioError }
    }

    /// How long the disk fails: one call, or until the test gives it back.
    enum Lasting: String, CaseIterable, Sendable { case once, untilRepaired }

    @Test("I-STORE-5, I-STORE-6: a fault at any call", arguments: Fault.allCases, Lasting.allCases)
    func everyCall(fault: Fault, lasting: Lasting) async throws {
        try await withTemporaryDirectory { directory in
            let name = "fault-\(fault)-\(lasting)"
            let vfs = try #require(store_fault_vfs_make(name))
            let calls = try await callsOfAWalk(directory, vfs, name)
            #expect(calls > 100)
            // STORE_SWEEP=all: every call. A prime number of calls apart the samples meet all kinds of them.
            let step: Int64 = getenv("STORE_SWEEP").map { String(cString: $0) } == "all" ? 1 : 11
            for number in stride(from: Int64(0), to: calls, by: Int64.Stride(step)) {
                let place = "\(fault) \(lasting) at call \(number)"
                for suffix in ["", "-wal", "-shm"] { unlink(directory + "/store.db" + suffix) }
                let base = store_fault_vfs_calls(vfs)
                store_fault_vfs_fail(vfs, fault.code, base + number, lasting == .once ? base + number : Int64.max)
                try await walk(directory + "/store.db", vfs, name, fault, place)
            }
        }
    }

    private func open(_ path: String, _ name: String) throws -> JournaledStore {
        try JournaledStore(
            journal: SQLiteJournal(path: path, checkpointBytes: 30_000, vfs: name),
            options: StoreOptions(logCapacity: 8, watchBound: 500))
    }

    private func callsOfAWalk(_ directory: String, _ vfs: OpaquePointer, _ name: String) async throws -> Int64 {
        store_fault_vfs_fail(vfs, STORE_FAULT_NONE, Int64.max, Int64.max)
        let base = store_fault_vfs_calls(vfs)
        try await walk(directory + "/first.db", vfs, name, .noSpace, "no fault")
        return store_fault_vfs_calls(vfs) - base
    }

    private func walk(_ path: String, _ vfs: OpaquePointer, _ name: String, _ fault: Fault, _ place: String) async throws {
        var generator = SeededGenerator(seed: 3)
        var model = StoreModel()
        /// The commits that failed, which the disk may hold or not.
        var doubtful: [StoreModel] = []
        var store: JournaledStore
        do { store = try open(path, name) } catch {
            // It fails loudly; with the disk repaired it opens, and is empty.
            store_fault_vfs_fail(vfs, STORE_FAULT_NONE, Int64.max, Int64.max)
            store = try open(path, name)
        }
        let watch = try store.watchPods(from: store.revision)
        for turn in 0..<25 {
            // The disk is repaired in the end.
            if turn == 20 { store_fault_vfs_fail(vfs, STORE_FAULT_NONE, Int64.max, Int64.max) }
            let operations = model.randomCommit(&generator, padding: 1500)
            do throws(StoreError) {
                try await store.commit(operations)
                model.apply(operations)
                #expect(store.writeFailure == nil, "\(place): ready after a write")
            } catch {
                guard case .unavailable = error else { throw error }
                #expect(store.writeFailure != nil, "\(place): not ready after a failed write")
                var next = model
                next.apply(operations)
                doubtful.append(next)
            }
            // What readers see is what was acknowledged, at every moment.
            #expect(try await store.pods().objects.model == model.objects, "\(place) turn \(turn)")
            #expect(store.revision == model.revision, "\(place) turn \(turn)")
        }
        #expect(watch.drained().map(\.model) == model.events, "\(place): a watch tells what was acknowledged, and no more")
        if !fault.isAmbiguous { #expect(store.writeFailure == nil, "\(place): it works again without a restart") }
        await store.close()
        store = try open(path, name)
        let found = try await store.pods().objects.model
        let expected = fault.isAmbiguous ? [model] + doubtful.prefix(1) : [model]
        #expect(expected.contains { $0.objects == found && $0.revision == store.revision }, "\(place): after a restart")
        try await store.commit(create(pod("after")))
        await store.close()
    }
}
