// What is worth a line in the server's log: its own failures, not what clients ask for.
import Logging
import ResourceStore
import Synchronization
import Testing

@testable import APIServer

struct ErrorLogTests {
    @Test("a client that has seen more than this server has is told so, and the log is not")
    func tooLargeRevision() async throws {
        let lines = LogLines()
        let store = try JournaledStore.inMemory()
        let handler = APIHandler(store: store, now: { 0 }, log: Logger(label: "test") { _ in lines })
        func status(_ path: String) async throws -> Int {
            guard case .document(let document) = await handler.handle(Laboratory.request(.get, path, nil, as: .master)) else {
                throw TestFailure("\(path) did not give a document")
            }
            return document.status
        }
        #expect(try await status("/api/v1/pods?resourceVersion=999999&resourceVersionMatch=NotOlderThan") == 504)
        #expect(lines.count == 0)
        await store.close()
        #expect(try await status("/api/v1/pods") == 503)
        #expect(lines.count == 1)
    }
}

/// Counts what is logged as an error.
private final class LogLines: LogHandler {
    private let errors = Atomic<Int>(0)

    var count: Int { errors.load(ordering: .relaxed) }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .error }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        errors.add(1, ordering: .relaxed)
    }
}
