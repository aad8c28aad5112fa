// What survives: restarts, kills, failing disks, broken files.
import Glibc
import JSON
import Testing

@testable import ResourceStore

@Suite("Store durability", .timeLimit(.minutes(1)))
struct StoreDurabilityTests {
    @Test("everything survives a restart, the revision counter and the history too")
    func restart() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            let first = try JournaledStore.sqlite(path: path)
            try await first.commit([create(pod("a"), "é\"", labels: ["app": "x"]), create(pod("b"))])
            try await first.commit(update(pod("a"), "changed", labels: ["app": "y"]))
            try await first.commit(.delete(pod("b"), expectedRevision: nil))
            let before = try #require(try await first.get(pod("a")))
            await first.close()

            let second = try JournaledStore.sqlite(path: path)
            #expect(second.revision == 4)
            let after = try #require(try await second.get(pod("a")))
            #expect(after.bytes == before.bytes)
            #expect(after.index == before.index)
            #expect(after.revision == 3)
            #expect(try await second.pods().objects.count == 1)
            let watch = try second.watchPods(from: 1)
            #expect(try await second.commit(create(pod("b"))).revision == 5)
            let events = await watch.take(4)
            #expect(events.map(\.summary) == ["ADDED b 2", "MODIFIED a 3", "DELETED b 4", "ADDED b 5"])
            #expect(events[1].previous?.json["note"] == "é\"")
            #expect(events[1].previous?.index.labels == ["app": "x"])
            await second.close()
        }
    }

    @Test("every commit is synced in full: SQLite says so itself")
    func synchronous() async throws {
        try await withTemporaryDirectory { directory in
            let journal = try SQLiteJournal(path: directory + "/store.db")
            #expect(try journal.pragma("synchronous") == "2")
            #expect(try journal.pragma("journal_mode") == "wal")
            journal.close()
        }
    }

    @Test("a store of the first schema is taken over with its objects and revisions")
    func migration() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            try firstSchema(path)
            let store = try JournaledStore.sqlite(path: path)
            #expect(store.revision == 9)
            let object = try #require(try await store.get(pod("a")))
            #expect(object.revision == 7)
            #expect(object.index.labels == ["app": "x"])
            #expect(throws: StoreError.expired(oldest: 9)) { _ = try store.watchPods(from: 8) }
            #expect(try await store.commit(update(pod("a"), expected: 7)).revision == 10)
            await store.close()
            let again = try JournaledStore.sqlite(path: path)
            #expect(again.revision == 10)
            await again.close()
        }
    }

    /// As the first release wrote it.
    private func firstSchema(_ path: String) throws {
        let connection = try SQLiteConnection(path: path)
        try connection.execute(
            """
            CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
            INSERT INTO meta VALUES('schema', '1'), ('revision', 9);
            CREATE TABLE objects(
                grp TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                revision INTEGER NOT NULL, bytes BLOB NOT NULL, idx BLOB NOT NULL, UNIQUE(grp, resource, namespace, name));
            INSERT INTO objects VALUES('', 'pods', 'alice', 'a', 7, CAST('{"metadata":{"resourceVersion":"7"}}' AS BLOB),
                CAST('{"uid":"u","labels":{"app":"x"},"fields":{}}' AS BLOB));
            """)
    }

    @Test("what was acknowledged is on the disk at that moment, without any closing")
    func killed() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            let store = try JournaledStore.sqlite(path: path)
            for round in 1...5 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<40 { group.addTask { try await store.commit(create(pod("p-\(round)-\(number)"))) } }
                    try await group.waitForAll()
                }
                // A writer that goes on while the files are copied, as a kill would find it.
                let background = Task { try await store.commit(create(pod("later-\(round)"))) }
                for suffix in ["", "-wal"] { try copy(path + suffix, to: "\(directory)/copy.db\(suffix)") }
                let survivor = try JournaledStore.sqlite(path: directory + "/copy.db")
                let names = Set(try await survivor.pods().objects.map(\.key.name))
                #expect(names.isSuperset(of: (1...round).flatMap { r in (0..<40).map { "p-\(r)-\($0)" } }))
                #expect(survivor.revision >= UInt64(round * 40))
                await survivor.close()
                _ = try await background.value
                for suffix in ["", "-wal"] { unlink("\(directory)/copy.db\(suffix)") }
            }
            await store.close()
        }
    }

    @Test("a torn end of the log loses at most what was not acknowledged")
    func torn() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            let store = try JournaledStore.sqlite(path: path)
            try await store.commit(create(pod("safe")))
            try copy(path, to: directory + "/copy.db")
            var wal = try read(path + "-wal")
            try await store.commit(create(pod("torn")))
            let longer = try read(path + "-wal")
            wal = Array(longer.prefix(wal.count + (longer.count - wal.count) / 2))
            try write(wal, to: directory + "/copy.db-wal")
            let survivor = try JournaledStore.sqlite(path: directory + "/copy.db")
            #expect(try await survivor.pods().objects.map(\.key.name) == ["safe"])
            #expect(survivor.revision == 1)
            await survivor.close()
            await store.close()
        }
    }

    @Test("a file that is no database, or a damaged one, is refused with its path")
    func corrupt() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            try write(Array(repeating: UInt8(ascii: "x"), count: 8192), to: path)
            let error = #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: path) }
            #expect(error?.description.contains("\(path): the database is corrupt") == true)
            unlink(path)

            let store = try JournaledStore.sqlite(path: path)
            for number in 0..<200 { try await store.commit(create(pod("p\(number)"), String(repeating: "y", count: 500))) }
            await store.close()
            var bytes = try read(path)
            for offset in 8192..<16384 { bytes[offset] = 0xA5 }
            try write(bytes, to: path)
            let damaged = #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: path) }
            #expect(damaged?.description.contains(path) == true)
        }
    }

    @Test("a directory that is not there is refused")
    func noDirectory() {
        #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: "/nonexistent/store.db") }
    }

    @Test("a second owner of the same file is refused while the first is open")
    func secondOwner() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            let first = try JournaledStore.sqlite(path: path)
            #expect(throws: StoreError.unavailable("\(path): the database is in use by another process")) {
                try JournaledStore.sqlite(path: path)
            }
            await first.close()
            await (try JournaledStore.sqlite(path: path)).close()
        }
    }

    @Test("a write that fails is seen by nobody, and the store works again when the disk does")
    func failingDisk() async throws {
        let journal = FailingJournal()
        let store = try JournaledStore(journal: journal)
        let watch = try store.watchPods(from: 0)
        journal.fail(with: JournalFailure(reason: "no space left on device", isFatal: false))
        await #expect(throws: StoreError.unavailable("no space left on device")) { try await store.commit(create(pod("a"))) }
        #expect(try await store.get(pod("a")) == nil)
        #expect(store.revision == 0)
        journal.fail(with: nil)
        #expect(try await store.commit(create(pod("b"))).revision == 1)
        #expect(await watch.take(1).map(\.summary) == ["ADDED b 1"])
        await store.close()
    }

    @Test("after a failure of unknown effect the store takes no more writes, but still reads")
    func fatalFailure() async throws {
        let journal = FailingJournal()
        let store = try JournaledStore(journal: journal)
        try await store.commit(create(pod("a")))
        journal.fail(with: JournalFailure(reason: "fsync failed", isFatal: true))
        await #expect(throws: StoreError.unavailable("fsync failed")) { try await store.commit(create(pod("b"))) }
        journal.fail(with: nil)
        await #expect(throws: StoreError.unavailable("fsync failed; open it again")) { try await store.commit(create(pod("b"))) }
        #expect(try await store.pods().objects.map(\.key.name) == ["a"])
        await store.close()
    }

    @Test("a full disk under SQLite fails the commit as a whole and is recovered from")
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory in
            // SQLite's own limit on the file's size answers as a full disk does (SQLITE_FULL).
            let journal = try SQLiteJournal(path: directory + "/store.db", maximumPages: 40)
            let store = try JournaledStore(journal: journal)
            try await store.commit(create(pod("small")))
            let revision = store.revision
            let huge = String(repeating: "z", count: 400_000)
            await #expect(throws: StoreError.self) { try await store.commit([create(pod("x")), create(pod("huge"), huge)]) }
            #expect(store.revision == revision)
            #expect(try await store.pods().objects.map(\.key.name) == ["small"])
            try await store.commit(create(pod("y")))
            await store.close()
            let again = try JournaledStore.sqlite(path: directory + "/store.db")
            #expect(try await again.pods().objects.map(\.key.name) == ["small", "y"])
            await again.close()
        }
    }

    // MARK: Files

    private func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw StoreError.unavailable("open \(path): errno \(errno)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = Glibc.read(descriptor, &buffer, buffer.count), count > 0 { bytes += buffer.prefix(count) }
        return bytes
    }

    private func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0, Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw StoreError.unavailable("write \(path): errno \(errno)")
        }
        close(descriptor)
    }

    private func copy(_ from: String, to path: String) throws { try write(try read(from), to: path) }
}
