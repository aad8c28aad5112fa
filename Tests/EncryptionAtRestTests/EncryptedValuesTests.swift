// What the disk holds of a secret, and what a wrong key, a changed byte or a moved value meet.
import Glibc
import JSON
import ResourceStore
import Testing

@testable import EncryptionAtRest

@Suite("Encryption at rest", .timeLimit(.minutes(1)))
struct EncryptedValuesTests {
    static let secrets = CollectionID(group: "", resource: "secrets")
    static let key = ResourceKey(group: "", resource: "secrets", namespace: "alice", name: "password")

    private func values(_ names: String...) throws -> EncryptedValues {
        EncryptedValues(
            keys: try EncryptionKeys(
                text: names.map { "\($0) \(String(repeating: String($0.utf8.first! % 10), count: 64))" }.joined(separator: "\n")),
            collections: [Self.secrets])
    }

    @Test("a value opens for its own object and key, and for no other")
    func sealing() throws {
        let plain = Array("attack at dawn".utf8)
        let sealed = try #require(try values("a").seal(plain, key: Self.key))
        #expect(sealed.starts(with: "aesgcm:1:a:".utf8))
        #expect(try values("a").open(sealed, key: Self.key).value == plain)
        #expect(try values("a").seal(plain, key: Self.key) != sealed, "a nonce is used once")
        let other = ResourceKey(group: "", resource: "secrets", namespace: "bob", name: "password")
        #expect(throws: ValueTransformError.self) { try values("a").open(sealed, key: other) }
        let error = #expect(throws: ValueTransformError.self) { try values("b").open(sealed, key: Self.key) }
        #expect(error?.description == "it is encrypted with key a, which is not among the keys given")
        #expect(try values("a").seal(plain, key: ResourceKey(group: "", resource: "pods", namespace: "a", name: "p")) == nil)
    }

    @Test("any changed, missing or added byte is noticed")
    func tampering() throws {
        let sealed = try #require(try values("a").seal(Array("attack at dawn".utf8), key: Self.key))
        for position in sealed.indices {
            var changed = sealed
            changed[position] ^= 0x20
            #expect(throws: ValueTransformError.self) { try values("a").open(changed, key: Self.key) }
        }
        for count in sealed.indices {
            #expect(throws: ValueTransformError.self) { try values("a").open(Array(sealed[..<count]), key: Self.key) }
        }
        #expect(throws: ValueTransformError.self) { try values("a").open(sealed + [0], key: Self.key) }
    }

    @Test("after a rotation old values open and are to be sealed anew")
    func rotation() throws {
        let sealed = try #require(try values("a").seal([1], key: Self.key))
        #expect(try values("a").open(sealed, key: Self.key).isCurrent)
        #expect(try !values("b", "a").open(sealed, key: Self.key).isCurrent)
    }

    @Test(
        "a key file that is wrong says where, and shows no key",
        arguments: [
            ("", "it holds no key"), ("# only\n\n", "it holds no key"), ("a", "line 1: expected NAME HEX"),
            ("a 00", "line 1: key a: expected 64 hexadecimal digits (32 bytes)"),
            ("\na/b " + String(repeating: "0", count: 64), "line 2: a key's name is up to 63 of a-z, A-Z, 0-9, - and _"),
            ("a " + String(repeating: "g", count: 64), "line 1: key a: expected 64 hexadecimal digits (32 bytes)"),
            (
                "a \(String(repeating: "0", count: 64))\na \(String(repeating: "1", count: 64))", "line 2: key a is there twice"
            ),
        ])
    func badKeyFile(text: String, problem: String) {
        let error = #expect(throws: EncryptionKeyError.self) { try EncryptionKeys(text: text) }
        #expect(error?.description == problem)
    }

    @Test("a new key file is read back, and two of them differ")
    func newKeyFile() throws {
        let text = EncryptionKeys.makeText(name: "key-1")
        #expect(try EncryptionKeys(text: text).keys.map(\.name) == ["key-1"])
        #expect(text != EncryptionKeys.makeText(name: "key-1"))
    }

    @Test("the files of a store hold no secret, also not after encryption was turned on, a rotation, or a deletion")
    func files() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            let marker = "correct-horse-battery-staple"
            // At first the store is plain, and shows it.
            var store = try JournaledStore.sqlite(path: path)
            try await write(store, "password", marker)
            try await write(store, "gone", marker)
            await store.close()
            #expect(try contains(directory, marker))

            store = try JournaledStore.sqlite(path: path, transformer: values("a"))
            #expect(try await secret(store, "password")?.contains(marker) == true)
            try await write(store, "another", marker)
            #expect(try !contains(directory, marker))
            await store.close()
            #expect(try !contains(directory, marker))

            // Without the key nothing opens; the error names the row and the key.
            let error = #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: path, transformer: values("b")) }
            #expect(error?.description.contains("encrypted with key a") == true)
            #expect(throws: StoreError.self) { try JournaledStore.sqlite(path: path) }

            // Both keys, then the new one alone.
            store = try JournaledStore.sqlite(path: path, transformer: values("b", "a"))
            #expect(store.revision == 3)
            await store.close()
            #expect(try !contains(directory, "aesgcm:1:a:"))
            store = try JournaledStore.sqlite(path: path, transformer: values("b"))
            #expect(try await secret(store, "another")?.contains(marker) == true)
            // The labels of a secret are no less its owner's affair.
            #expect(try !contains(directory, "label-of-password"))
            await store.close()
        }
    }

    private func write(_ store: JournaledStore, _ name: String, _ text: String) async throws {
        let key = ResourceKey(group: "", resource: "secrets", namespace: "alice", name: name)
        try await store.commit([
            .create(
                key, bytes: (["data": .string(text)] as JSONValue).serialized(),
                index: ObjectIndex(labels: ["label-of-\(name)": "x"]))
        ])
    }

    private func secret(_ store: JournaledStore, _ name: String) async throws -> String? {
        let key = ResourceKey(group: "", resource: "secrets", namespace: "alice", name: name)
        return try await store.get(key).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    /// Whether any file of the store, its write-ahead log too, holds the text.
    private func contains(_ directory: String, _ text: String) throws -> Bool {
        let word = Array(text.utf8)
        for suffix in ["", "-wal"] {
            guard let file = fopen("\(directory)/store.db\(suffix)", "r") else { continue }
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
            if bytes.firstRange(of: word) != nil { return true }
        }
        return false
    }
}

private func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    var template = Array("/tmp/swiftlet-encryption-XXXXXX".utf8CString)
    guard let created = mkdtemp(&template) else { throw StoreError.unavailable("mkdtemp: errno \(errno)") }
    let path = String(cString: created)
    defer {
        for name in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
    try await body(path)
}
