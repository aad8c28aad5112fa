// The database of a store: a log of events by revision, and a few facts about it. Opening, migrating, checking.
//
// Schema 2. `log` holds the latest state of every object present, and beyond that every event after the floor, with the
// states that those events replaced: its rows in order of revision, folded, are the store.
import CSQLite
import JSON

enum SQLiteSchema {
    static let version = "2"
    /// A record of a pod and its checksum fill about one such page; larger pages make the log of small changes longer.
    static let pageSize = 8192
    static let columns = "revision, kind, grp, resource, namespace, name, sealed, idx, bytes, checksum"

    /// Opens or creates the database and makes sure of its durability.
    static func open(path: String, vfs: String?, transformer: any ValueTransformer) throws(SQLiteError) -> SQLiteConnection {
        let connection = try SQLiteConnection(path: path, vfs: vfs)
        // A backup reads beside the master; whoever else locks the file for longer than this is a mistake.
        connection.setBusyTimeout(milliseconds: 2000)
        try connection.execute("PRAGMA page_size=\(pageSize)")
        let mode = try connection.value("PRAGMA journal_mode=WAL")
        try connection.execute("PRAGMA synchronous=FULL")
        // Read back: a pragma that is not obeyed reports no error.
        let synchronous = try connection.value("PRAGMA synchronous")
        guard mode == "wal", synchronous == "2" else {
            throw SQLiteError(
                code: SQLITE_ERROR,
                message: "expected journal_mode wal and synchronous 2, found \(mode ?? "none"), \(synchronous ?? "none")")
        }
        // The journal says when: after answers are given. After a burst the write-ahead log shrinks to the limit again.
        try connection.execute("PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864; PRAGMA cache_size=-2048")
        try connection.execute("BEGIN IMMEDIATE")
        try create(connection)
        try migrate(connection, transformer)
        try connection.execute("COMMIT")
        return connection
    }

    private static func create(_ connection: SQLiteConnection) throws(SQLiteError) {
        try connection.execute(
            """
            CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
            INSERT OR IGNORE INTO meta VALUES('schema', '\(version)'), ('revision', 0), ('floor', 0);
            CREATE TABLE IF NOT EXISTS log(
                revision INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
                grp TEXT NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                sealed INTEGER NOT NULL, idx BLOB NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL);
            """)
    }

    private static func migrate(_ connection: SQLiteConnection, _ transformer: any ValueTransformer) throws(SQLiteError) {
        let found = try connection.value("SELECT value FROM meta WHERE key = 'schema'")
        if found == version { return }
        guard found == "1" else {
            throw SQLiteError(code: SQLITE_ERROR, message: "schema version: expected \(version), found \(found ?? "none")")
        }
        // Schema 1 kept present states only, in a table of objects.
        let rows = try connection.prepare(
            "SELECT grp, resource, namespace, name, revision, bytes, idx FROM objects ORDER BY revision")
        let insert = try SQLiteLogInsert(connection)
        while try rows.step() {
            let key = ResourceKey(group: rows.text(0), resource: rows.text(1), namespace: rows.text(2), name: rows.text(3))
            guard let index = try? JSON.decode(ObjectIndex.self, from: rows.bytes(6)) else {
                throw SQLiteError(code: SQLITE_CORRUPT, message: "row of \(key)")
            }
            let object = StoredObject(key: key, revision: rows.integer(4), bytes: rows.bytes(5), index: index)
            let record: LogRecord
            do throws(ValueTransformError) {
                record = try LogRecord(StoreEvent(kind: .added, object: object, previous: nil), transformer)
            } catch {
                throw SQLiteError(code: SQLITE_ERROR, message: "\(key): \(error)")
            }
            try insert.run(record)
        }
        try connection.execute(
            """
            DROP TABLE objects;
            UPDATE meta SET value = (SELECT value FROM meta WHERE key = 'revision') WHERE key = 'floor';
            UPDATE meta SET value = '\(version)' WHERE key = 'schema';
            """)
    }

    static func number(_ key: String, _ connection: SQLiteConnection) throws(SQLiteError) -> UInt64 {
        guard let text = try connection.value("SELECT value FROM meta WHERE key = '\(key)'"), let number = UInt64(text) else {
            throw SQLiteError(code: SQLITE_CORRUPT, message: "meta: \(key) is no number")
        }
        return number
    }

    static func describe(_ error: SQLiteError, _ path: String) -> StoreError {
        if error.isCorruption { return .unavailable("\(path): the database is corrupt: \(error.message)") }
        if error.code & 0xFF == SQLITE_BUSY { return .unavailable("\(path): the database is in use by another process") }
        return .unavailable("\(path): \(error.message)")
    }
}

/// The one statement that writes a record.
struct SQLiteLogInsert {
    private let statement: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(SQLiteError) {
        statement = try connection.prepare(
            "INSERT INTO log(\(SQLiteSchema.columns)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
    }

    func run(_ record: LogRecord) throws(SQLiteError) {
        statement.bind(1, record.revision)
        statement.bind(2, UInt64(record.kind.code))
        statement.bind(3, record.key.group)
        statement.bind(4, record.key.resource)
        statement.bind(5, record.key.namespace)
        statement.bind(6, record.key.name)
        statement.bind(7, record.isSealed ? 1 : 0)
        statement.bind(8, record.index)
        statement.bind(9, record.bytes)
        statement.bind(10, record.checksum)
        try statement.run()
    }
}

extension LogRecord {
    /// The record in a row of `SQLiteSchema.columns`; throws when its checksum does not fit.
    init(row: SQLiteStatement, _ names: inout SharedTexts) throws(SQLiteError) {
        let key = ResourceKey(
            group: names.shared(row.text(2)), resource: names.shared(row.text(3)), namespace: names.shared(row.text(4)),
            name: row.text(5))
        guard let kind = StoreEvent.Kind(code: row.integer(1)) else {
            throw SQLiteError(code: SQLITE_CORRUPT, message: "row \(row.integer(0)) of \(key) has no known kind")
        }
        self.init(
            revision: row.integer(0), kind: kind, key: key, isSealed: row.integer(6) == 1, index: row.bytes(7),
            bytes: row.bytes(8))
        guard checksum == row.integer(9) else {
            throw SQLiteError(code: SQLITE_CORRUPT, message: "row \(revision) of \(key) does not match its checksum")
        }
    }
}
