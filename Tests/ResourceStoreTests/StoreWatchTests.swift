// What watches promise: order, no loss after a list, transitions of selection, and an end rather than unbounded memory.
import JSON
import ResourceStore
import Synchronization
import Testing

@Suite("Store watches", .timeLimit(.minutes(1)))
struct StoreWatchTests {
    @Test("a watch from a list's revision sees every later change, in order", arguments: StoreKind.allCases)
    func noLoss(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let writer = Task {
                for number in 0..<300 { try await store.commit(create(pod("p\(number)"))) }
            }
            // Lists at whatever moments the scheduler makes of it; list plus watch must always add up to everything.
            for _ in 0..<10 {
                let list = try await store.pods()
                let watch = try store.watchPods(from: list.revision)
                let rest = await watch.take(300 - list.objects.count)
                #expect(rest.map(\.revision) == (1...300).filter { $0 > list.revision })
                #expect(Set(list.objects.map(\.key)).union(rest.map(\.object.key)).count == 300)
                watch.cancel()
            }
            try await writer.value
        }
    }

    @Test("kinds and previous states are told", arguments: StoreKind.allCases)
    func kinds(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let watch = try store.watchPods(in: "alice", from: 0)
            try await store.commit([create(pod("a"), "1"), create(pod("b", in: "bob"))])
            try await store.commit(update(pod("a"), "2"))
            try await store.commit(.delete(pod("a"), expectedRevision: nil, finalBytes: body(pod("a"), "last words")))
            let events = await watch.take(3)
            #expect(events.map(\.summary) == ["ADDED a 1", "MODIFIED a 3", "DELETED a 4"])
            #expect(events.map { $0.object.json["note"] } == ["1", "2", "last words"])
            #expect(events.map { $0.previous?.json["note"] } == [nil, "1", "2"])
            let frame = try JSONValue(parsing: events[2].frame)
            #expect(frame["type"] == "DELETED")
            #expect(frame[path: "object", "metadata", "resourceVersion"] == "4")
            #expect(events[2].frame.last == UInt8(ascii: "\n"))
        }
    }

    @Test("entering and leaving a selection are an addition and a deletion", arguments: [true, false])
    func transitions(live: Bool) async throws {
        try await StoreKind.memory.withStore { store in
            let selector = StoreSelector { $0.labels["app"] == "x" }
            let early = live ? try store.watchPods(selector: selector, from: 0) : nil
            try await store.commit(create(pod("a"), "1"))
            try await store.commit(update(pod("a"), "2", labels: ["app": "x"]))
            try await store.commit(update(pod("a"), "3", labels: ["app": "x"]))
            try await store.commit(update(pod("a"), "4"))
            try await store.commit(.delete(pod("a"), expectedRevision: nil))
            let watch = try early ?? store.watchPods(selector: selector, from: 0)
            try await store.commit(create(pod("end"), labels: ["app": "x"]))
            let events = await watch.take(4)
            #expect(events.map(\.summary) == ["ADDED a 2", "MODIFIED a 3", "DELETED a 4", "ADDED end 6"])
            // The deletion carries the last state that matched, at the revision that ended the match.
            #expect(events[2].object.json["note"] == "3")
            #expect(events[2].object.json[path: "metadata", "resourceVersion"] == "4")
        }
    }

    @Test("a watch by a field's value sees what enters, stays in and leaves the value, and other watches do not hide it")
    func byTerm() async throws {
        try await StoreKind.memory.withStore { store in
            func at(_ node: String) -> StoreSelector {
                StoreSelector(requiring: FieldTerm("spec.nodeName", is: node)) { $0.fields["spec.nodeName"] == node }
            }
            func assigned(_ node: String) -> StoreOperation {
                .update(
                    pod("a"), bytes: body(pod("a")), index: ObjectIndex(fields: ["spec.nodeName": node]), expectedRevision: nil)
            }
            let (one, two) = (
                try store.watchPods(selector: at("n1"), from: 0), try store.watchPods(in: "alice", selector: at("n2"), from: 0)
            )
            let other = try store.watchPods(selector: at("n1"), from: 0)
            other.cancel()
            try await store.commit(create(pod("a")))
            for node in ["n1", "n1", "n2", "n3"] { try await store.commit(assigned(node)) }
            #expect(await one.take(3).map(\.summary) == ["ADDED a 2", "MODIFIED a 3", "DELETED a 4"])
            #expect(await two.take(2).map(\.summary) == ["ADDED a 4", "DELETED a 5"])
            #expect(one.bookmark() == 5)
        }
    }

    @Test("a watch from nowhere begins with everything present")
    func initialState() async throws {
        try await StoreKind.memory.withStore { store in
            try await store.commit([create(pod("b")), create(pod("a"))])
            let watch = try store.watchPods(from: nil)
            try await store.commit(create(pod("c")))
            #expect(await watch.take(3).map(\.summary) == ["ADDED a 2", "ADDED b 1", "ADDED c 3"])
            #expect(watch.startRevision == 2)
        }
    }

    @Test("a watch from before the log's beginning, or from the future, is expired")
    func expired() async throws {
        try await StoreKind.memory.withStore(logCapacity: 10) { store in
            for number in 0..<35 { try await store.commit(create(pod("p\(number)"))) }
            #expect(throws: StoreError.expired(oldest: 25)) { _ = try store.watchPods(from: 24) }
            #expect(throws: StoreError.expired(oldest: 25)) { _ = try store.watchPods(from: 36) }
            #expect(await (try store.watchPods(from: 25)).take(10).map(\.revision) == Array(26...35))
        }
    }

    @Test("a watcher that does not keep up is ended as slow, and holds no other up")
    func slow() async throws {
        try await StoreKind.memory.withStore(watchBound: 10) { store in
            let lazy = try store.watchPods(from: 0)
            let eager = try store.watchPods(from: 0)
            for number in 0..<11 {
                try await store.commit(create(pod("p\(number)")))
                #expect(await eager.next()?.count == 1)
            }
            #expect(lazy.end == .slow)
            #expect(await lazy.next() == nil)
            #expect(eager.end == nil)
        }
    }

    @Test("the past that a watch begins with does not count as slowness")
    func longPast() async throws {
        try await StoreKind.memory.withStore(watchBound: 10) { store in
            for number in 0..<50 { try await store.commit(create(pod("p\(number)"))) }
            let watch = try store.watchPods(from: 0)
            try await store.commit(create(pod("new")))
            #expect(await watch.take(51).count == 51)
            #expect(watch.end == nil)
        }
    }

    @Test("a callback gets every event once, in order, and then the end")
    func callback() async throws {
        try await StoreKind.sqlite.withStore { store in
            let seen = Mutex<[UInt64]>([])
            let (ended, end) = AsyncStream<Void>.makeStream()
            try await store.commit(create(pod("before")))
            let watch = try store.watchPods(from: 0)
            watch.subscribe { batch in
                if let batch { seen.withLock { $0 += batch.map(\.revision) } } else { end.finish() }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<200 { group.addTask { try await store.commit(create(pod("p\(number)"))) } }
                try await group.waitForAll()
            }
            #expect(seen.withLock { $0 } == Array(1...201))
            watch.cancel()
            for await _ in ended {}
            #expect(watch.end == .cancelled)
        }
    }

    @Test("cancelling the consumer's task ends its watch")
    func cancellation() async throws {
        try await StoreKind.memory.withStore { store in
            let watch = try store.watchPods(from: 0)
            let consumer = Task { await watch.next() == nil }
            consumer.cancel()
            #expect(await consumer.value)
            #expect(watch.end == .cancelled)
        }
    }

    @Test("a wake gives an empty batch; a bookmark is given only when nothing waits")
    func bookmarks() async throws {
        try await StoreKind.memory.withStore { store in
            let watch = try store.watchPods(in: "alice", from: 0)
            #expect(watch.bookmark() == 0)
            try await store.commit(create(pod("x", in: "bob")))
            #expect(watch.bookmark() == 1)
            try await store.commit(create(pod("a")))
            #expect(watch.bookmark() == nil)
            #expect(await watch.next()?.count == 1)
            #expect(watch.bookmark() == 2)
            async let batch = watch.next()
            var woken: [StoreEvent]??
            let waker = Task {
                while !Task.isCancelled {
                    watch.wake()
                    await Task.yield()
                }
            }
            woken = await batch
            waker.cancel()
            #expect(woken??.isEmpty == true)
        }
    }
}
