// What every store test needs: a store of either kind, objects, and a deadline.
import Glibc
import JSON
import ResourceStore
import Synchronization
import Testing

enum StoreKind: String, CaseIterable, Sendable {
    case memory, sqlite

    /// Runs the body with a fresh store, closed and removed afterwards.
    func withStore(
        logCapacity: Int = 1000, watchBound: Int = 1000, _ body: (JournaledStore) async throws -> Void
    ) async throws {
        switch self {
        case .memory:
            let store = try JournaledStore.inMemory(StoreOptions(logCapacity: logCapacity, watchBound: watchBound))
            try await body(store)
            await store.close()
        case .sqlite:
            try await withTemporaryDirectory { directory in
                let store = try JournaledStore.sqlite(
                    path: directory + "/store.db", options: StoreOptions(logCapacity: logCapacity, watchBound: watchBound))
                do {
                    try await body(store)
                } catch {
                    await store.close()
                    throw error
                }
                await store.close()
            }
        }
    }
}

func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    var template = Array("/tmp/swiftlet-store-XXXXXX".utf8CString)
    guard let created = mkdtemp(&template) else { throw StoreError.unavailable("mkdtemp: errno \(errno)") }
    let path = String(cString: created)
    defer {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                unlink("\(path)/\(name)")
            }
            closedir(directory)
        }
        rmdir(path)
    }
    try await body(path)
}

func pod(_ name: String, in namespace: String = "alice") -> ResourceKey {
    ResourceKey(group: "", resource: "pods", namespace: namespace, name: name)
}

func body(_ key: ResourceKey, _ note: String = "") -> [UInt8] {
    let metadata: JSONValue = ["name": .string(key.name), "namespace": .string(key.namespace)]
    return (["kind": "Pod", "metadata": metadata, "note": .string(note)] as JSONValue).serialized()
}

func index(_ key: ResourceKey, _ labels: [String: String] = [:]) -> ObjectIndex {
    ObjectIndex(uid: "uid-\(key.name)", labels: labels, fields: ["metadata.name": key.name, "metadata.namespace": key.namespace])
}

func create(_ key: ResourceKey, _ note: String = "", labels: [String: String] = [:]) -> StoreOperation {
    .create(key, bytes: body(key, note), index: index(key, labels))
}

func update(
    _ key: ResourceKey, _ note: String = "", labels: [String: String] = [:], expected: UInt64? = nil
) -> StoreOperation {
    .update(key, bytes: body(key, note), index: index(key, labels), expectedRevision: expected)
}

extension ResourceStore {
    @discardableResult
    func commit(_ operation: StoreOperation) async throws -> CommitResult { try await commit([operation]) }

    func pods(in namespace: String? = nil, selector: StoreSelector = .everything) async throws -> ListResult {
        try await list(group: "", resource: "pods", namespace: namespace, selector: selector)
    }

    func watchPods(
        in namespace: String? = nil, selector: StoreSelector = .everything, from revision: UInt64?
    ) throws -> StoreWatch {
        try watch(group: "", resource: "pods", namespace: namespace, selector: selector, from: revision)
    }
}

extension StoreWatch {
    /// The next `count` events. The test's time limit is the deadline.
    func take(_ count: Int) async -> [StoreEvent] {
        var events: [StoreEvent] = []
        while events.count < count, let batch = await next() { events += batch }
        return events
    }
}

extension StoreEvent {
    var summary: String { "\(kind.rawValue) \(object.key.name) \(revision)" }
}

extension StoredObject {
    var json: JSONValue { (try? JSONValue(parsing: bytes)) ?? .null }
}

/// Events from a callback.
final class Collected: Sendable {
    private let held = Mutex<[StoreEvent]>([])
    var events: [StoreEvent] { held.withLock { $0 } }
    func add(_ events: [StoreEvent]) { held.withLock { $0 += events } }
}
