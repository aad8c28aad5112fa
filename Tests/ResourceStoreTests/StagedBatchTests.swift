// A batch is checked whole before any of it is seen.
import Testing

// Commits that share a batch: each is judged by what those before it will leave, and a refused one leaves no trace.
@testable import ResourceStore

@Suite("Staged batch")
struct StagedBatchTests {
    @Test("a refused commit leaves the batch as it was")
    func refusal() throws {
        let present = StoredObject(key: pod("old"), revision: 7, bytes: body(pod("old")), index: ObjectIndex())
        var batch = StagedBatch(revision: 7) { $0 == present.key ? present : nil }
        #expect(try stage([create(pod("a"), "1")], in: &batch).revision == 8)
        #expect(throws: StoreError.alreadyExists(pod("a"))) {
            try stage(
                [
                    update(pod("a"), "2"), .delete(pod("old"), expectedRevision: 7), create(pod("old")), create(pod("b")),
                    create(pod("a")),
                ], in: &batch)
        }
        #expect(batch.revision == 8)
        #expect(batch.events.map(\.summary) == ["ADDED a 8"])
        // The next commit finds a at 8, old at 7 and no b.
        let checks: [StoreOperation] = [
            .check(pod("a"), expectedRevision: 8), .check(pod("old"), expectedRevision: 7), .check(pod("b"), expectedRevision: 0),
            create(pod("b")),
        ]
        #expect(try stage(checks, in: &batch).revision == 9)
    }

    @Test("a later commit of the batch meets the changes of an earlier one")
    func order() throws {
        var batch = StagedBatch(revision: 0) { _ in nil }
        try stage([create(pod("a"))], in: &batch)
        #expect(throws: StoreError.alreadyExists(pod("a"))) { try stage([create(pod("a"))], in: &batch) }
        try stage([.delete(pod("a"), expectedRevision: 1)], in: &batch)
        #expect(throws: StoreError.notFound(pod("a"))) { try stage([update(pod("a"))], in: &batch) }
        try stage([create(pod("a"))], in: &batch)
        #expect(batch.events.map(\.summary) == ["ADDED a 1", "DELETED a 2", "ADDED a 3"])
    }

    @discardableResult
    private func stage(_ operations: [StoreOperation], in batch: inout StagedBatch) throws -> CommitResult {
        try batch.stage(operations.map { try PreparedOperation($0) })
    }
}
