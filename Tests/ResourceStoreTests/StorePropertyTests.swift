// Seeded walks over a store beside an oracle, with restarts in between. The invariants have names (Sources/ResourceStore/README.md).
import Glibc
import ResourceStore
import Testing

@Suite("Store properties", .serialized, .timeLimit(.minutes(2)))
struct StorePropertyTests {
    /// STORE_SEED=N runs one walk again.
    static let seeds: [UInt64] = getenv("STORE_SEED").flatMap { UInt64(String(cString: $0)) }.map { [$0] } ?? Array(1...6)

    @Test(
        "I-STORE-1 revisions grow, I-STORE-2 a watch replays exactly what follows, I-STORE-3 a list at a revision is the replay, I-STORE-4 no gap is silent",
        arguments: StoreKind.allCases, seeds)
    func walk(kind: StoreKind, seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { directory in
            let capacity = Int.random(in: 1...60, using: &generator)
            var options = StoreOptions(logCapacity: capacity, watchBound: 1000)
            if Bool.random(using: &generator) { options.logBytes = 2000 }
            func open() throws -> JournaledStore {
                switch kind {
                case .memory: try .inMemory(options)
                case .sqlite:
                    try JournaledStore(
                        journal: SQLiteJournal(path: directory + "/s.db", checkpointBytes: 50_000), options: options)
                }
            }
            var store = try open()
            var model = StoreModel()
            var live = try store.watchPods(from: 0)
            var told = 0
            for turn in 0..<80 {
                let operations = model.randomCommit(&generator)
                let before = store.revision
                let result = try await store.commit(operations)
                model.apply(operations)
                #expect(result.revision == model.revision, "I-STORE-1, STORE_SEED=\(seed) turn \(turn)")
                #expect(
                    result.revision > before && store.revision == model.revision, "I-STORE-1, STORE_SEED=\(seed) turn \(turn)")
                try checkWatches(store, model, seed, &generator)
                try checkLists(store, model, seed, &generator)
                if turn % 10 == 9 {
                    let rest = await live.take(model.events.count - told).map(\.model)
                    #expect(rest == Array(model.events[told...]), "I-STORE-2 (live), STORE_SEED=\(seed) turn \(turn)")
                    told = model.events.count
                }
                if kind == .sqlite, Int.random(in: 0..<25, using: &generator) == 0 {
                    let rest = await live.take(model.events.count - told).map(\.model)
                    #expect(rest == Array(model.events[told...]), "I-STORE-2 (live), STORE_SEED=\(seed) turn \(turn)")
                    told = model.events.count
                    await store.close()
                    store = try open()
                    #expect(store.revision == model.revision, "I-STORE-1 (restart), STORE_SEED=\(seed) turn \(turn)")
                    live = try store.watchPods(from: model.revision)
                }
            }
            await store.close()
        }
    }

    private func checkWatches(_ store: JournaledStore, _ model: StoreModel, _ seed: UInt64, _ generator: inout SeededGenerator)
        throws
    {
        let revision = UInt64.random(in: 0...model.revision, using: &generator)
        let expected = model.events.filter { $0.revision > revision }
        do throws(StoreError) {
            let watch = try store.watch(group: "", resource: "pods", from: revision)
            let seen = watch.drained().map(\.model)
            #expect(seen == expected, "I-STORE-2: from \(revision), STORE_SEED=\(seed)")
            watch.cancel()
        } catch {
            guard case .expired(let oldest) = error else { throw error }
            #expect(
                revision < oldest,
                "I-STORE-4: \(revision) is refused though the history begins after \(oldest), STORE_SEED=\(seed)")
            #expect(oldest <= model.revision, "I-STORE-4, STORE_SEED=\(seed)")
        }
    }

    private func checkLists(_ store: JournaledStore, _ model: StoreModel, _ seed: UInt64, _ generator: inout SeededGenerator)
        throws
    {
        let revision = UInt64.random(in: 0...model.revision, using: &generator)
        do throws(StoreError) {
            let list = try store.scan(ListRequest(collection: pod("a").collection, exactly: revision))
            #expect(list.objects.model == model.objects(at: revision), "I-STORE-3: at \(revision), STORE_SEED=\(seed)")
            #expect(list.objects.map(\.key.name) == list.objects.map(\.key.name).sorted(), "order, STORE_SEED=\(seed)")
        } catch {
            guard case .expired(let oldest) = error else { throw error }
            #expect(revision < oldest, "I-STORE-4: a list at \(revision), STORE_SEED=\(seed)")
        }
        let present = try store.scan(ListRequest(collection: pod("a").collection))
        #expect(present.objects.model == model.objects, "I-STORE-3: the present, STORE_SEED=\(seed)")
    }

    @Test(
        "kinds in memory only leave nothing on the disk; after a restart their watches are expired and revisions go on",
        arguments: [1, 2, 3])
    func volatileKinds(seed: UInt64) async throws {
        var generator = SeededGenerator(seed: seed)
        try await withTemporaryDirectory { directory in
            var options = StoreOptions(logCapacity: 100, watchBound: 1000)
            let metrics = CollectionID(group: "metrics.k8s.io", resource: "pods")
            options.volatile = [metrics]
            func measured(_ note: String) -> StoreOperation {
                create(ResourceKey(group: metrics.group, resource: metrics.resource, namespace: "alice", name: note), note)
            }
            var store = try JournaledStore.sqlite(path: directory + "/s.db", options: options)
            var last: UInt64 = 0
            for round in 0..<5 {
                for turn in 0..<Int.random(in: 1...20, using: &generator) {
                    let isPod = Bool.random(using: &generator)
                    let revision = try await store.commit(
                        isPod ? create(pod("p\(round)-\(turn)")) : measured("m\(round)-\(turn)")
                    ).revision
                    #expect(revision > last, "I-STORE-1, seed \(seed)")
                    last = revision
                }
                try await store.commit([measured("both\(round)"), create(pod("both\(round)"))])
                last = store.revision
                let pods = try await store.pods().objects.map(\.key)
                #expect(try await !store.list(group: metrics.group, resource: metrics.resource).objects.isEmpty)
                await store.close()
                store = try JournaledStore.sqlite(path: directory + "/s.db", options: options)
                #expect(store.revision >= last)
                #expect(try await store.pods().objects.map(\.key) == pods)
                #expect(try await store.list(group: metrics.group, resource: metrics.resource).objects.isEmpty)
                #expect(throws: StoreError.self) {
                    _ = try store.watch(group: metrics.group, resource: metrics.resource, from: last - 1)
                }
                _ = try store.watchPods(from: last)
            }
            await store.close()
        }
    }
}

extension StoreWatch {
    /// What waits now, without suspending.
    func drained() -> [StoreEvent] {
        let seen = Collected()
        subscribe { batch in seen.add(batch ?? []) }
        return seen.events
    }
}
