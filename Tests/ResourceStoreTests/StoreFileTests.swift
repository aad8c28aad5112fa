// Backups of a store in use, and the return to one.
import Glibc
import ResourceStore
import Testing

@Suite("Store files", .timeLimit(.minutes(1)))
struct StoreFileTests {
    @Test("a backup taken while writers write is one moment of the store, private, and opens as a store")
    func online() async throws {
        try await withTemporaryDirectory { directory in
            let store = try JournaledStore.sqlite(path: directory + "/s.db")
            for number in 0..<20 { try await store.commit(create(pod("p\(number)"), "x")) }
            let writer = Task {
                // Both or none of a pair are in the backup.
                for number in 0..<100 { try await store.commit([create(pod("a\(number)")), create(pod("b\(number)"))]) }
            }
            let summary = try StoreFile.backUp(directory + "/s.db", to: directory + "/backup")
            try await writer.value
            #expect(summary.revision >= 20)
            var information = stat()
            #expect(stat(directory + "/backup", &information) == 0 && information.st_mode & 0o777 == 0o600)
            let copy = try JournaledStore.sqlite(path: directory + "/backup")
            let names = Set(try await copy.pods().objects.map(\.key.name))
            #expect(copy.revision == summary.revision)
            #expect(names.isSuperset(of: (0..<20).map { "p\($0)" }))
            for number in 0..<100 { #expect(names.contains("a\(number)") == names.contains("b\(number)")) }
            await copy.close()
            await store.close()
        }
    }

    @Test("a backup replaces no file, and a store that is not there has none")
    func refused() async throws {
        try await withTemporaryDirectory { directory in
            #expect(throws: StoreError.unavailable("\(directory)/s.db: there is no store")) {
                try StoreFile.backUp(directory + "/s.db", to: directory + "/b")
            }
            await (try JournaledStore.sqlite(path: directory + "/s.db")).close()
            _ = try StoreFile.backUp(directory + "/s.db", to: directory + "/b")
            #expect(throws: StoreError.self) { try StoreFile.backUp(directory + "/s.db", to: directory + "/b") }
            #expect(throws: StoreError.self) { try StoreFile.backUp(directory + "/s.db", to: directory + "/no/b") }
        }
    }

    @Test("I-STORE-1, I-STORE-4: after a restore the old state is back, revisions go on above all, and old watches are expired")
    func restore() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/s.db"
            var store = try JournaledStore.sqlite(path: path)
            try await store.commit(create(pod("a"), "then"))
            try await store.commit(create(pod("b")))
            try await store.commit(.delete(pod("b"), expectedRevision: nil))
            _ = try StoreFile.backUp(path, to: directory + "/backup")
            try await store.commit(update(pod("a"), "later"))
            try await store.commit(create(pod("c")))
            let lost = store.revision
            #expect(throws: StoreError.unavailable("\(path): the database is in use by another process")) {
                try StoreFile.restore(path, from: directory + "/backup")
            }
            await store.close()

            let summary = try StoreFile.restore(path, from: directory + "/backup")
            store = try JournaledStore.sqlite(path: path)
            #expect(store.revision == summary.revision && summary.revision > lost)
            #expect(try await store.pods().objects.model == ["a": StoreModel.Object(note: "then", revision: 1)])
            for revision in 0...lost {
                #expect(throws: StoreError.expired(oldest: summary.revision)) { _ = try store.watchPods(from: revision) }
            }
            // Who read the lost state cannot write over the one that is back.
            await #expect(throws: StoreError.conflict(pod("a"), expected: 4, found: 1)) {
                try await store.commit(update(pod("a"), "stale", expected: 4))
            }
            #expect(try await store.commit(update(pod("a"), "on", expected: 1)).revision == summary.revision + 1)
            await store.close()
            // What was there is kept.
            let replaced = try StoreFile.check(path + ".replaced")
            #expect(replaced.revision == lost)
        }
    }

    @Test("a damaged backup is refused before anything is touched; a damaged store is replaced by a good one")
    func damaged() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/s.db"
            let store = try JournaledStore.sqlite(path: path)
            let marker = "correct-horse-battery-staple"
            for number in 0..<50 { try await store.commit(create(pod("p\(number)"), marker)) }
            await store.close()
            _ = try StoreFile.backUp(path, to: directory + "/backup")
            // One bit of one value: SQLite itself would not notice.
            try flip(directory + "/backup", at: marker)
            let error = #expect(throws: StoreError.self) { try StoreFile.restore(path, from: directory + "/backup") }
            #expect(error?.description.contains("does not match its checksum") == true)
            let same = try JournaledStore.sqlite(path: path)
            #expect(try await same.pods().objects.count == 50)
            await same.close()

            try flip(directory + "/backup", at: marker, back: true)
            try flip(path, at: marker)
            let refused = #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: path) }
            #expect(refused?.description.contains("\(path): the database is corrupt") == true)
            _ = try StoreFile.restore(path, from: directory + "/backup")
            let good = try JournaledStore.sqlite(path: path)
            #expect(try await good.pods().objects.count == 50)
            await good.close()
        }
    }

    /// Changes one bit of the first occurrence of a text, or of its changed form back.
    private func flip(_ path: String, at text: String, back: Bool = false) throws {
        var word = Array(text.utf8)
        if back { word[0] ^= 1 }
        let file = try #require(fopen(path, "r+"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        let place = try #require(bytes.firstRange(of: word))
        fseek(file, place.lowerBound, SEEK_SET)
        fputc(Int32(bytes[place.lowerBound] ^ 1), file)
    }
}
