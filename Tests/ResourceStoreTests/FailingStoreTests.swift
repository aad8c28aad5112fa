// The contract of a store whose journal always fails: it promises little, and keeps that.
import ResourceStore
import Testing

@Suite("Always-failing store", .timeLimit(.minutes(1)))
struct FailingStoreTests {
    /// What an append meets.
    enum Kind: CaseIterable, Sendable {
        case harmless, fatal

        func store() throws -> JournaledStore {
            try JournaledStore(journal: FailingJournal(failure: JournalFailure(reason: "no disk", isFatal: self == .fatal)))
        }
    }

    @Test("every write fails as unavailable, and whoever reads or watches sees nothing of it", arguments: Kind.allCases)
    func writes(kind: Kind) async throws {
        let store = try kind.store()
        let watch = try store.watchPods(from: 0)
        #expect(store.writeFailure == nil)
        let all: [[StoreOperation]] = [
            [create(pod("a"))], [create(pod("a")), update(pod("a"))],
            [create(pod("a")), .delete(pod("a"), expectedRevision: nil)],
        ]
        for operations in all {
            let error = await #expect(throws: StoreError.self) { try await store.commit(operations) }
            #expect(error?.description.hasPrefix("store unavailable: no disk") == true)
            #expect(store.writeFailure?.contains("no disk") == true)
            #expect(store.revision == 0)
            #expect(try await store.get(pod("a")) == nil)
            #expect(try await store.pods().objects.isEmpty)
            #expect(watch.drained().isEmpty)
        }
        await store.close()
    }

    @Test("many writers all get an answer", arguments: Kind.allCases)
    func concurrent(kind: Kind) async throws {
        let store = try kind.store()
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { await #expect(throws: StoreError.self) { try await store.commit(create(pod("p\(number)"))) } }
            }
        }
        #expect(store.revision == 0)
        await store.close()
        await #expect(throws: StoreError.self) { try await store.commit(create(pod("a"))) }
    }

    @Test("kinds in memory only need the journal for a reservation of revisions, and fail without it")
    func volatileKinds() async throws {
        var options = StoreOptions()
        options.volatile = [pod("a").collection]
        let journal = FailingJournal()
        let store = try JournaledStore(journal: journal, options: options)
        try await store.commit(create(pod("first")))
        journal.fail(with: JournalFailure(reason: "no disk", isFatal: false))
        // Within the reservation no write is needed.
        for number in 0..<100 { try await store.commit(create(pod("p\(number)"))) }
        #expect(try await store.pods().objects.count == 101)
        await store.close()
    }
}
