// The durable journal: present objects and the revision counter in one SQLite file, in WAL mode with a full sync per commit.
import CSQLite
import JSON

/// @unchecked Sendable: the connection is used by whoever opens the store, then by its writer alone.
public final class SQLiteJournal: Journal, @unchecked Sendable {
    private static let schemaVersion = "1"

    private struct Open {
        let connection: SQLiteConnection
        let put: SQLiteStatement
        let remove: SQLiteStatement
        let setRevision: SQLiteStatement
    }

    private let path: String
    private var open: Open?

    /// `maximumPages` (of 4 KiB) bounds the file; a commit beyond it fails as on a full disk.
    public init(path: String, maximumPages: Int? = nil) throws(StoreError) {
        self.path = path
        do throws(SQLiteError) {
            let connection = try SQLiteConnection(path: path)
            try Self.configure(connection)
            try Self.migrate(connection)
            if let maximumPages { _ = try connection.value("PRAGMA max_page_count=\(maximumPages)") }
            open = Open(
                connection: connection,
                put: try connection.prepare(
                    """
                    INSERT INTO objects(grp, resource, namespace, name, revision, bytes, idx) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)
                    ON CONFLICT(grp, resource, namespace, name)
                    DO UPDATE SET revision = excluded.revision, bytes = excluded.bytes, idx = excluded.idx
                    """),
                remove: try connection.prepare(
                    "DELETE FROM objects WHERE grp = ?1 AND resource = ?2 AND namespace = ?3 AND name = ?4"),
                setRevision: try connection.prepare("UPDATE meta SET value = ?1 WHERE key = 'revision'"))
        } catch {
            throw Self.describe(error, path)
        }
    }

    private static func configure(_ connection: SQLiteConnection) throws(SQLiteError) {
        // One owner: a second master on the same file is refused here. It also spares the shared-memory file.
        try connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        let mode = try connection.value("PRAGMA journal_mode=WAL")
        try connection.execute("PRAGMA synchronous=FULL")
        // Read back: a pragma that is not obeyed reports no error.
        let synchronous = try connection.value("PRAGMA synchronous")
        guard mode == "wal", synchronous == "2" else {
            throw SQLiteError(
                code: SQLITE_ERROR,
                message: "expected journal_mode wal and synchronous 2, found \(mode ?? "none"), \(synchronous ?? "none")")
        }
        // After a burst the WAL shrinks to this again.
        try connection.execute("PRAGMA journal_size_limit=67108864")
    }

    private static func migrate(_ connection: SQLiteConnection) throws(SQLiteError) {
        if let problem = try connection.value("PRAGMA quick_check(1)"), problem != "ok" {
            throw SQLiteError(code: SQLITE_CORRUPT, message: problem)
        }
        // BEGIN IMMEDIATE takes the write lock, which with locking_mode EXCLUSIVE is kept until the connection closes.
        try connection.execute("BEGIN IMMEDIATE")
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
            INSERT OR IGNORE INTO meta VALUES('schema', '\(schemaVersion)'), ('revision', 0);
            CREATE TABLE IF NOT EXISTS objects(
                grp TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                revision INTEGER NOT NULL, bytes BLOB NOT NULL, idx BLOB NOT NULL,
                UNIQUE(grp, resource, namespace, name));
            """)
        let found = try connection.value("SELECT value FROM meta WHERE key = 'schema'")
        guard found == schemaVersion else {
            throw SQLiteError(code: SQLITE_ERROR, message: "schema version: expected \(schemaVersion), found \(found ?? "none")")
        }
        try connection.execute("COMMIT")
    }

    private static func describe(_ error: SQLiteError, _ path: String) -> StoreError {
        if error.isCorruption { return .unavailable("\(path): the database is corrupt: \(error.message)") }
        if error.code & 0xFF == SQLITE_BUSY { return .unavailable("\(path): the database is in use by another process") }
        return .unavailable("\(path): \(error.message)")
    }

    // MARK: Journal

    public func load() throws(StoreError) -> (objects: [StoredObject], revision: UInt64) {
        guard let open else { throw .unavailable("\(path): closed") }
        do throws(SQLiteError) {
            let revision = UInt64(try open.connection.value("SELECT value FROM meta WHERE key = 'revision'") ?? "") ?? 0
            let rows = try open.connection.prepare("SELECT grp, resource, namespace, name, revision, bytes, idx FROM objects")
            var objects: [StoredObject] = []
            while try rows.step() {
                let key = ResourceKey(group: rows.text(0), resource: rows.text(1), namespace: rows.text(2), name: rows.text(3))
                guard let index = try? JSON.decode(ObjectIndex.self, from: rows.bytes(6)), rows.integer(4) <= revision else {
                    throw SQLiteError(code: SQLITE_CORRUPT, message: "row of \(key)")
                }
                objects.append(StoredObject(key: key, revision: rows.integer(4), bytes: rows.bytes(5), index: index))
            }
            return (objects, revision)
        } catch {
            throw Self.describe(error, path)
        }
    }

    public func append(_ events: [StoreEvent]) throws(JournalFailure) {
        guard let open else { throw JournalFailure(reason: "\(path): closed", isFatal: true) }
        do throws(SQLiteError) {
            try open.connection.execute("BEGIN IMMEDIATE")
            for event in events { try Self.write(event, open) }
            if let last = events.last {
                open.setRevision.bind(1, last.revision)
                try open.setRevision.run()
            }
            try open.connection.execute("COMMIT")
        } catch {
            // Fails when SQLite has rolled back by itself, which is as well.
            try? open.connection.execute("ROLLBACK")
            // After a failed write or sync the disk may hold the commit or not: only a restart, which reads it, can tell.
            throw JournalFailure(reason: "\(path): \(error.message)", isFatal: !error.isHarmless)
        }
    }

    private static func write(_ event: StoreEvent, _ open: Open) throws(SQLiteError) {
        let statement = event.kind == .deleted ? open.remove : open.put
        let key = event.object.key
        for (position, text) in [key.group, key.resource, key.namespace, key.name].enumerated() {
            statement.bind(Int32(position) + 1, text)
        }
        if event.kind != .deleted {
            statement.bind(5, event.revision)
            statement.bind(6, event.object.bytes)
            statement.bind(7, encoded(event.object.index))
        }
        try statement.run()
    }

    /// Cannot fail: the index holds only strings.
    private static func encoded(_ index: ObjectIndex) -> [UInt8] { (try? JSON.encode(index)) ?? Array("{}".utf8) }

    public func close() { open = nil }
}
