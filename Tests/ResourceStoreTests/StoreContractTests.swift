// What every store promises about objects, revisions and commits, whatever lies beneath.
import JSON
import ResourceStore
import Testing

@Suite("Store contract", .timeLimit(.minutes(1)))
struct StoreContractTests {
    @Test("a created object is found with its revision in its bytes", arguments: StoreKind.allCases)
    func createAndGet(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let result = try await store.commit(create(pod("a"), labels: ["app": "x"]))
            let object = try #require(try await store.get(pod("a")))
            #expect(object === result.objects[0])
            #expect(object.revision == result.revision)
            #expect(object.json[path: "metadata", "resourceVersion"]?.stringValue == "\(object.revision)")
            #expect(object.index.labels == ["app": "x"])
            #expect(try await store.get(pod("b")) == nil)
            #expect(store.revision == result.revision)
        }
    }

    @Test("creating twice fails, and leaves the first", arguments: StoreKind.allCases)
    func createTwice(kind: StoreKind) async throws {
        try await kind.withStore { store in
            try await store.commit(create(pod("a"), "first"))
            await #expect(throws: StoreError.alreadyExists(pod("a"))) { try await store.commit(create(pod("a"), "second")) }
            #expect(try await store.get(pod("a"))?.json["note"] == "first")
        }
    }

    @Test("of two updates from the same revision exactly one succeeds", arguments: StoreKind.allCases)
    func optimisticConcurrency(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let first = try await store.commit(create(pod("a"))).revision
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for writer in 0..<20 {
                    group.addTask {
                        (try? await store.commit(update(pod("a"), "\(writer)", expected: first))) != nil
                    }
                }
                return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(outcomes == 1)
            let found = try #require(try await store.get(pod("a"))).revision
            await #expect(throws: StoreError.conflict(pod("a"), expected: first, found: found)) {
                try await store.commit(.delete(pod("a"), expectedRevision: first))
            }
            try await store.commit(update(pod("a"), "unconditional"))
        }
    }

    @Test("updating or deleting what is not there fails", arguments: StoreKind.allCases)
    func absent(kind: StoreKind) async throws {
        try await kind.withStore { store in
            await #expect(throws: StoreError.notFound(pod("a"))) { try await store.commit(update(pod("a"))) }
            await #expect(throws: StoreError.notFound(pod("a"))) {
                try await store.commit(.delete(pod("a"), expectedRevision: nil))
            }
            #expect(store.revision == 0)
        }
    }

    @Test("a delete returns the last state at the delete's revision, and the name is free again", arguments: StoreKind.allCases)
    func delete(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let created = try await store.commit(create(pod("a"), "x")).revision
            let deleted = try await store.commit(.delete(pod("a"), expectedRevision: created))
            #expect(deleted.revision > created)
            #expect(deleted.objects[0]?.json["note"] == "x")
            #expect(deleted.objects[0]?.json[path: "metadata", "resourceVersion"]?.stringValue == "\(deleted.revision)")
            #expect(try await store.get(pod("a")) == nil)
            #expect(try await store.commit(create(pod("a"))).revision > deleted.revision)
        }
    }

    @Test("a commit is all or nothing, and its operations see one another", arguments: StoreKind.allCases)
    func atomic(kind: StoreKind) async throws {
        try await kind.withStore { store in
            try await store.commit(create(pod("old")))
            let before = store.revision
            await #expect(throws: StoreError.notFound(pod("missing"))) {
                try await store.commit([
                    create(pod("new")), update(pod("old"), "changed"), .delete(pod("missing"), expectedRevision: nil),
                ])
            }
            #expect(store.revision == before)
            #expect(try await store.pods().objects.map(\.key.name) == ["old"])
            #expect(try await store.get(pod("old"))?.json["note"] == "")

            let result = try await store.commit([
                create(pod("new"), "1"), update(pod("new"), "2", expected: before + 1),
                .delete(pod("old"), expectedRevision: before),
            ])
            #expect(result.objects.map { $0?.revision } == [before + 1, before + 2, before + 3])
            #expect(try await store.pods().objects.map { $0.json["note"] } == ["2"])
        }
    }

    @Test("a check guards a commit without changing its object", arguments: StoreKind.allCases)
    func check(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let revision = try await store.commit(create(pod("guard"))).revision
            let result = try await store.commit([
                .check(pod("guard"), expectedRevision: revision), .check(pod("none"), expectedRevision: 0), create(pod("a")),
            ])
            #expect(result.objects.map { $0?.key.name } == [nil, nil, "a"])
            await #expect(throws: StoreError.conflict(pod("guard"), expected: 99, found: revision)) {
                try await store.commit([.check(pod("guard"), expectedRevision: 99), create(pod("b"))])
            }
            await #expect(throws: StoreError.conflict(pod("guard"), expected: 0, found: revision)) {
                try await store.commit([.check(pod("guard"), expectedRevision: 0), create(pod("b"))])
            }
            #expect(try await store.get(pod("guard"))?.revision == revision)
            #expect(try await store.get(pod("b")) == nil)
        }
    }

    @Test("revisions are unique and strictly increasing under concurrent writers", arguments: StoreKind.allCases)
    func revisions(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let revisions = try await withThrowingTaskGroup(of: [UInt64].self) { group in
                for writer in 0..<20 {
                    group.addTask {
                        var mine: [UInt64] = []
                        for turn in 0..<25 { mine.append(try await store.commit(create(pod("p-\(writer)-\(turn)"))).revision) }
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for mine in revisions { #expect(zip(mine, mine.dropFirst()).allSatisfy { $0 < $1 }) }
            #expect(Set(revisions.joined()).count == 500)
            #expect(store.revision == 500)
            #expect(try await store.pods().objects.count == 500)
        }
    }

    @Test("bytes that are no JSON object are refused and harm nothing", arguments: StoreKind.allCases)
    func badBytes(kind: StoreKind) async throws {
        try await kind.withStore { store in
            for text in ["", "[]", "{", #"{"metadata":1}"#] {
                await #expect(throws: StoreError.self) {
                    try await store.commit(.create(pod("a"), bytes: Array(text.utf8), index: ObjectIndex()))
                }
            }
            #expect(store.revision == 0)
        }
    }

    @Test("a closed store refuses everything, and closing twice is harmless", arguments: StoreKind.allCases)
    func closed(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let watch = try store.watchPods(from: 0)
            await store.close()
            await store.close()
            await #expect(throws: StoreError.unavailable("closed")) { try await store.commit(create(pod("a"))) }
            await #expect(throws: StoreError.unavailable("closed")) { _ = try await store.get(pod("a")) }
            await #expect(throws: StoreError.unavailable("closed")) { _ = try await store.pods() }
            #expect(throws: StoreError.unavailable("closed")) { _ = try store.watchPods(from: 0) }
            #expect(await watch.next() == nil)
            #expect(watch.end == .storeClosed)
        }
    }
}

@Suite("Store lists", .timeLimit(.minutes(1)))
struct StoreListTests {
    @Test("a list is ordered, confined to its collection and namespace, and selected by the index", arguments: StoreKind.allCases)
    func selection(kind: StoreKind) async throws {
        try await kind.withStore { store in
            let node = ResourceKey(group: "", resource: "nodes", namespace: "", name: "n")
            try await store.commit([
                create(pod("b", in: "bob")), create(pod("z"), labels: ["app": "x"]), create(pod("a")), create(node),
                create(pod("c", in: "alice-2")),
                create(ResourceKey(group: "other", resource: "pods", namespace: "alice", name: "o")),
            ])
            let all = try await store.pods()
            #expect(all.objects.map { "\($0.key.namespace)/\($0.key.name)" } == ["alice/a", "alice/z", "alice-2/c", "bob/b"])
            #expect(all.revision == 6)
            #expect(try await store.pods(in: "alice").objects.map(\.key.name) == ["a", "z"])
            #expect(try await store.pods(in: "nobody").objects.isEmpty)
            let selected = try await store.pods(selector: StoreSelector { $0.labels["app"] == "x" })
            #expect(selected.objects.map(\.key.name) == ["z"])
            #expect(try await store.list(group: "", resource: "nodes", namespace: "").objects.map(\.key) == [node])
        }
    }

    @Test("pages together are the whole list, each at the first page's revision", arguments: [nil, "alice"] as [String?])
    func pages(namespace: String?) async throws {
        try await StoreKind.memory.withStore { store in
            for number in 0..<23 { try await store.commit(create(pod("p\(number)", in: number % 2 == 0 ? "alice" : "bob"))) }
            let whole = try await store.pods(in: namespace)
            var names: [String] = []
            var continuation: ListContinuation?
            repeat {
                let page = try await store.list(
                    group: "", resource: "pods", namespace: namespace, limit: 5, continueAfter: continuation)
                #expect(page.revision == whole.revision)
                names += page.objects.map(\.key.name)
                #expect(page.remaining == (page.continuation == nil ? nil : whole.objects.count - names.count))
                continuation = page.continuation
                // A newcomer on a page that was already read belongs to the watch, not to a later page.
                try await store.commit(create(pod("a-\(names.count)", in: "aaron")))
            } while continuation != nil && names.count < whole.objects.count
            #expect(names == whole.objects.map(\.key.name))
        }
    }

    @Test("a list at a revision is the collection as it was then, in pages too; below the history it is expired")
    func exactly() async throws {
        try await StoreKind.memory.withStore(logCapacity: 6) { store in
            try await store.commit(create(pod("a"), "1"))  // 1
            try await store.commit(create(pod("b")))  // 2
            try await store.commit(update(pod("a"), "3"))  // 3
            try await store.commit(create(pod("c")))  // 4
            try await store.commit(.delete(pod("b"), expectedRevision: nil))  // 5
            try await store.commit(update(pod("a"), "6"))  // 6
            func names(_ revision: UInt64, limit: Int? = nil, after: ListContinuation? = nil) throws -> ListResult {
                try store.scan(
                    ListRequest(
                        collection: pod("a").collection, limit: limit, continueAfter: after, exactly: revision))
            }
            #expect(try names(1).objects.map { $0.json["note"] } == ["1"])
            #expect(try names(4).objects.map { "\($0.key.name) \($0.revision)" } == ["a 3", "b 2", "c 4"])
            #expect(try names(6).objects.map { "\($0.key.name) \($0.revision)" } == ["a 6", "c 4"])
            let first = try names(4, limit: 1)
            #expect(first.remaining == 2)
            let rest = try names(4, limit: 5, after: first.continuation)
            #expect(rest.objects.map(\.key.name) == ["b", "c"])
            #expect(rest.revision == 4)
            #expect(throws: StoreError.self) { try names(7) }
            for number in 0..<6 { try await store.commit(create(pod("d\(number)"))) }
            #expect(throws: StoreError.expired(oldest: 6)) { try names(5) }
        }
    }

    @Test("a list by an indexed field finds what a scan finds, through updates and deletions")
    func fieldIndex() async throws {
        var options = StoreOptions()
        options.indexedFields = [pod("a").collection: ["spec.nodeName"]]
        let store = try JournaledStore.inMemory(options)
        func assigned(_ name: String, _ node: String) -> StoreOperation {
            var index = index(pod(name))
            index.fields["spec.nodeName"] = node
            return .update(pod(name), bytes: body(pod(name)), index: index, expectedRevision: nil)
        }
        try await store.commit((0..<600).map { create(pod("p\($0)")) })
        for number in 0..<600 { try await store.commit(assigned("p\(number)", "n\(number % 7)")) }
        for number in 0..<100 { try await store.commit(assigned("p\(number)", "n3")) }
        for number in 500..<550 { try await store.commit(.delete(pod("p\(number)"), expectedRevision: nil)) }
        for node in ["n0", "n3", "n6", "", "other"] {
            let scan = StoreSelector { $0.fields["spec.nodeName"] ?? "" == node }
            let narrowed = StoreSelector(requiring: FieldTerm("spec.nodeName", is: node), scan.matches)
            let expected = try await store.pods(selector: scan).objects.map(\.key)
            #expect(try await store.pods(selector: narrowed).objects.map(\.key) == expected)
            #expect(try await store.pods(in: "bob", selector: narrowed).objects.isEmpty)
        }
        await store.close()
    }

    @Test("a list that must be newer than the store is refused")
    func ahead() async throws {
        try await StoreKind.memory.withStore { store in
            try await store.commit(create(pod("a")))
            #expect(try await store.list(group: "", resource: "pods", atLeast: 1).objects.count == 1)
            await #expect(throws: StoreError.self) { try await store.list(group: "", resource: "pods", atLeast: 2) }
        }
    }
}
