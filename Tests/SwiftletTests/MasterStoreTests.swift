// The master's key file: made once, private, and never replaced by one that opens nothing.
import Glibc
import ResourceStore
import Testing

@testable import Swiftlet

@Suite("Master's store", .timeLimit(.minutes(1)))
struct MasterStoreTests {
    private static let secret = ResourceKey(group: "", resource: "secrets", namespace: "alice", name: "password")

    private func withState(_ body: (MasterState) async throws -> Void) async throws {
        var template = Array("/tmp/swiftlet-masterstore-XXXXXX".utf8CString)
        let created = try #require(mkdtemp(&template))
        let state = MasterState(String(cString: created))
        defer {
            for file in [state.store, state.store + "-wal", state.store + "-shm", state.store + ".lock", state.encryptionKeys] {
                unlink(file)
            }
            rmdir(state.path)
        }
        try await body(state)
    }

    private func mode(_ path: String) -> mode_t {
        var information = stat()
        return stat(path, &information) == 0 ? information.st_mode & 0o777 : 0
    }

    @Test("the first start makes a key file with mode 0600, later ones read secrets with it")
    func keyFile() async throws {
        try await withState { state in
            var store = try MasterStore.open(state)
            #expect(mode(state.encryptionKeys) == 0o600)
            #expect(mode(state.store) == 0o600)
            let text = FileText.read(state.encryptionKeys)
            try await store.commit([.create(Self.secret, bytes: Array(#"{"data":"x"}"#.utf8), index: ObjectIndex())])
            await store.close()
            store = try MasterStore.open(state)
            #expect(try await store.get(Self.secret) != nil)
            #expect(FileText.read(state.encryptionKeys) == text)
            await store.close()
        }
    }

    @Test("without its key file a store with secrets is refused, and no new key file takes the place of the lost one")
    func lostKeyFile() async throws {
        try await withState { state in
            let store = try MasterStore.open(state)
            try await store.commit([.create(Self.secret, bytes: Array(#"{"data":"x"}"#.utf8), index: ObjectIndex())])
            await store.close()
            unlink(state.encryptionKeys)
            let failure = #expect(throws: CommandFailure.self) { try MasterStore.open(state) }
            #expect(failure?.message.contains("secrets alice/password") == true)
            #expect(failure?.hint?.contains(state.encryptionKeys) == true)
            #expect(!FileText.exists(state.encryptionKeys))
        }
    }

    @Test("a key file that others may read, or that is no key file, is refused with its path")
    func badKeyFile() async throws {
        try await withState { state in
            await (try MasterStore.open(state)).close()
            chmod(state.encryptionKeys, 0o640)
            let failure = #expect(throws: CommandFailure.self) { try MasterStore.open(state) }
            #expect(failure?.message == "\(state.encryptionKeys): mode: expected 0600, found 0640: others may read the keys")
            try FileText.write("rubbish\n", to: state.encryptionKeys, mode: 0o600)
            let other = #expect(throws: CommandFailure.self) { try MasterStore.open(state) }
            #expect(other?.message == "\(state.encryptionKeys): line 1: expected NAME HEX")
        }
    }
}
