// The durable journal: the log of events in one SQLite file, in WAL mode with a full sync per transaction.
import CSQLite
import JSON

/// @unchecked Sendable: the connection is used by whoever opens the store, then by its writer alone.
public final class SQLiteJournal: Journal, @unchecked Sendable {
    /// Bytes written to the write-ahead log before it begins anew, all of them in the database.
    public static let defaultCheckpointBytes = 16 << 20
    /// Bytes of it that are moved at a time, at most: a commit's sync waits for the disk behind so much.
    private static let largestSlice = 1 << 20
    /// Bytes that the writer itself moves at the log's end, while its commits wait.
    private static let largestRest = 256 << 10

    private struct Open {
        let connection: SQLiteConnection
        let lock: StoreLock
        let insert: SQLiteLogInsert
        let discard: SQLiteStatement
        let setMeta: SQLiteStatement
        let begin: SQLiteStatement
        let commit: SQLiteStatement
    }

    private let path: String
    private let transformer: any ValueTransformer
    private var open: Open?
    private var bytesInLog = 0
    private var bytesSinceSlice = 0
    private let checkpointBytes: Int
    private let checkpoint: SQLiteCheckpoint

    /// Takes the store's lock: there is one owner. `maximumPages` bounds the file; a commit beyond it fails as on a full disk.
    /// `vfs` names one of SQLite's file systems, for tests.
    public init(
        path: String, transformer: any ValueTransformer = PlainValues(), maximumPages: Int? = nil,
        checkpointBytes: Int = SQLiteJournal.defaultCheckpointBytes, vfs: String? = nil
    ) throws(StoreError) {
        self.checkpointBytes = checkpointBytes
        checkpoint = SQLiteCheckpoint(path: path, vfs: vfs)
        self.path = path
        self.transformer = transformer
        let lock = try StoreLock(path)
        do throws(SQLiteError) {
            let connection = try SQLiteSchema.open(path: path, vfs: vfs, transformer: transformer)
            if let maximumPages { _ = try connection.value("PRAGMA max_page_count=\(maximumPages)") }
            open = Open(
                connection: connection, lock: lock, insert: try SQLiteLogInsert(connection),
                discard: try connection.prepare("DELETE FROM log WHERE revision = ?1"),
                setMeta: try connection.prepare("UPDATE meta SET value = ?2 WHERE key = ?1"),
                begin: try connection.prepare("BEGIN IMMEDIATE"), commit: try connection.prepare("COMMIT"))
        } catch {
            throw SQLiteSchema.describe(error, path)
        }
    }

    /// What SQLite says of how it syncs: "2" is FULL. For tests.
    public func pragma(_ name: String) throws(StoreError) -> String? {
        do throws(SQLiteError) { return try open?.connection.value("PRAGMA \(name)") } catch {
            throw SQLiteSchema.describe(error, path)
        }
    }

    // MARK: Journal

    public func load() throws(StoreError) -> JournalContents {
        guard let open else { throw .unavailable("\(path): closed") }
        do throws(SQLiteError) {
            var replay = LogReplay(
                floor: try SQLiteSchema.number("floor", open.connection),
                revision: try SQLiteSchema.number("revision", open.connection))
            let rows = try open.connection.prepare("SELECT \(SQLiteSchema.columns) FROM log ORDER BY revision")
            while try rows.step() { try replay.add(rows, transformer) }
            try reseal(replay.stale, open)
            return replay.contents()
        } catch {
            throw SQLiteSchema.describe(error, path)
        }
    }

    public func append(_ batch: JournalBatch) throws(JournalFailure) {
        guard let open else { throw JournalFailure(reason: "\(path): closed", isFatal: true) }
        var records: [LogRecord] = []
        records.reserveCapacity(batch.events.count)
        for event in batch.events {
            do throws(ValueTransformError) { records.append(try LogRecord(event, transformer)) } catch {
                throw JournalFailure(reason: "\(event.object.key): \(error)", isFatal: false)
            }
        }
        do throws(SQLiteError) {
            try open.begin.run()
            for record in records { try open.insert.run(record) }
            if batch.revision > records.last?.revision ?? 0 { try set("revision", batch.revision, open) }
            if !batch.discarded.isEmpty {
                for revision in batch.discarded {
                    open.discard.bind(1, revision)
                    try open.discard.run()
                }
                try set("floor", batch.floor, open)
            }
            try open.commit.run()
        } catch {
            // Fails when SQLite has rolled back by itself, which is as well.
            try? open.connection.execute("ROLLBACK")
            // On a full disk the room of what was already moved into the database can be used again: deletions must be possible.
            if error.isHarmless { bytesInLog = max(bytesInLog, checkpointBytes) }
            // After a failed write or sync the disk may hold the commit or not: only a restart, which reads it, can tell.
            throw JournalFailure(reason: "\(path): \(error.message)", isFatal: !error.isHarmless)
        }
        let written = records.reduce(batch.discarded.count * SQLiteSchema.pageSize) { $0 + $1.bytes.count + 256 }
        bytesInLog += written
        bytesSinceSlice += written
    }

    private func set(_ key: String, _ value: UInt64, _ open: Open) throws(SQLiteError) {
        open.setMeta.bind(1, key)
        open.setMeta.bind(2, value)
        try open.setMeta.run()
    }

    /// Has the write-ahead log moved into the database. A failure loses nothing: the log keeps what was not moved, and grows.
    public func tidy() {
        guard let open else { return }
        if bytesInLog >= checkpointBytes {
            // One slice more, so that little is left. (Twice the length at most: a disk this slow has the rest moved as it is.)
            if bytesSinceSlice > Self.largestRest, bytesInLog < 2 * checkpointBytes {
                if checkpoint.copySlice() { bytesSinceSlice = 0 }
                return
            }
            guard checkpoint.finish(open.connection, isOverdue: bytesInLog >= 8 * checkpointBytes) else { return }
            (bytesInLog, bytesSinceSlice) = (0, 0)
        } else if bytesSinceSlice >= min(Self.largestSlice, checkpointBytes / 4), checkpoint.copySlice() {
            bytesSinceSlice = 0
        }
    }

    public func close() {
        checkpoint.close()
        open = nil
    }

    // MARK: Encryption

    /// Rewrites what was sealed with an old secret, or not at all, and leaves no trace of it in the files.
    private func reseal(_ revisions: [UInt64], _ open: Open) throws(SQLiteError) {
        if revisions.isEmpty { return }
        let find = try open.connection.prepare("SELECT \(SQLiteSchema.columns) FROM log WHERE revision = ?1")
        var names = SharedTexts()
        try open.connection.execute("PRAGMA secure_delete=ON; BEGIN IMMEDIATE")
        for revision in revisions {
            find.bind(1, revision)
            guard try find.step() else { continue }
            var record = try LogRecord(row: find, &names)
            find.reset()
            do throws(ValueTransformError) {
                _ = try record.open(transformer)
                try record.seal(transformer)
            } catch {
                throw SQLiteError(code: SQLITE_ERROR, message: "row \(revision) of \(record.key): \(error)")
            }
            open.discard.bind(1, revision)
            try open.discard.run()
            try open.insert.run(record)
        }
        try open.connection.execute("COMMIT; PRAGMA secure_delete=OFF")
        open.connection.checkpoint(truncating: true)
    }
}

/// The fold of a log's rows: what is present, and the history.
struct LogReplay {
    private let floor: UInt64
    private var revision: UInt64
    private var present: [ResourceKey: StoredObject] = [:]
    private var history: [StoreEvent] = []
    private var discardable: [UInt64] = []
    /// Rows that are to be sealed anew.
    private(set) var stale: [UInt64] = []
    private var names = SharedTexts()

    init(floor: UInt64, revision: UInt64) {
        self.floor = floor
        self.revision = revision
    }

    /// Rows come in order of their revisions.
    mutating func add(_ row: SQLiteStatement, _ transformer: any ValueTransformer) throws(SQLiteError) {
        var record = try LogRecord(row: row, &names)
        do throws(ValueTransformError) {
            if try !record.open(transformer) { stale.append(record.revision) }
        } catch {
            throw SQLiteError(code: SQLITE_ERROR, message: "row \(record.revision) of \(record.key): \(error)")
        }
        guard let index = IndexCoding.decoded(record.index, &names) else {
            throw SQLiteError(code: SQLITE_CORRUPT, message: "row \(record.revision) of \(record.key) has no index")
        }
        let object = StoredObject(key: record.key, revision: record.revision, bytes: record.bytes, index: index)
        revision = max(revision, record.revision)
        let previous =
            record.kind == .deleted ? present.removeValue(forKey: record.key) : present.updateValue(object, forKey: record.key)
        if record.revision > floor {
            guard (previous == nil) == (record.kind == .added) else {
                throw SQLiteError(
                    code: SQLITE_CORRUPT, message: "row \(record.revision) of \(record.key) does not follow the one before it")
            }
            history.append(StoreEvent(kind: record.kind, object: object, previous: previous))
        } else {
            // Below the floor only the latest state counts.
            if let previous { discardable.append(previous.revision) }
            if record.kind == .deleted { discardable.append(record.revision) }
        }
    }

    func contents() -> JournalContents {
        var contents = JournalContents()
        contents.objects = Array(present.values)
        contents.history = history
        contents.floor = floor
        contents.revision = revision
        contents.discardable = discardable
        return contents
    }
}
