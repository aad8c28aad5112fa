// The few SQLite calls that the journal needs, with errors that say what was attempted.
import CSQLite

struct SQLiteError: Error {
    let code: Int32
    let message: String

    var isCorruption: Bool { code & 0xFF == SQLITE_CORRUPT || code & 0xFF == SQLITE_NOTADB }
    /// No room, or the database is locked: SQLite has rolled back and may be used again.
    var isHarmless: Bool { [SQLITE_FULL, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_CONSTRAINT].contains(code & 0xFF) }
}

/// Not Sendable: owned by one journal.
final class SQLiteConnection {
    fileprivate let handle: OpaquePointer

    init(path: String, create: Bool = true, vfs: String? = nil) throws(SQLiteError) {
        var opened: OpaquePointer?
        // NOMUTEX: one thread at a time uses a connection here.
        let code = sqlite3_open_v2(
            path, &opened, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX, vfs)
        guard code == SQLITE_OK, let opened else {
            let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw SQLiteError(code: code, message: message)
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
    }

    deinit { sqlite3_close_v2(handle) }

    func setBusyTimeout(milliseconds: Int32) { sqlite3_busy_timeout(handle, milliseconds) }

    /// Moves what readers allow of the write-ahead log into the database; truncating, all of it, and empties the log.
    @discardableResult
    func checkpoint(truncating: Bool) -> Bool {
        let mode = truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
        return sqlite3_wal_checkpoint_v2(handle, nil, mode, nil, nil) == SQLITE_OK
    }

    /// Has the disk take what checkpoints have put into the database's file. SQLite does this only at the end of a checkpoint that met
    /// the end of the log, never beside a writer that appends all the time. False: it failed, or the file cannot be had.
    func syncDatabase() -> Bool {
        var file: UnsafeMutablePointer<sqlite3_file>?
        let code = withUnsafeMutablePointer(to: &file) { sqlite3_file_control(handle, nil, SQLITE_FCNTL_FILE_POINTER, $0) }
        guard code == SQLITE_OK, let file, let sync = file.pointee.pMethods?.pointee.xSync else { return false }
        return sync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK
    }

    func execute(_ sql: String) throws(SQLiteError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    func prepare(_ sql: String) throws(SQLiteError) -> SQLiteStatement {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK, let statement else { throw failure(sql) }
        return SQLiteStatement(connection: self, handle: statement)
    }

    /// The first column of the first row as text.
    func value(_ sql: String) throws(SQLiteError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    fileprivate func failure(_ stage: String) -> SQLiteError {
        SQLiteError(code: sqlite3_extended_errcode(handle), message: "\(String(cString: sqlite3_errmsg(handle))) (\(stage))")
    }
}

final class SQLiteStatement {
    private let connection: SQLiteConnection
    private let handle: OpaquePointer
    // SAFETY: SQLITE_TRANSIENT, a C macro that is not imported: SQLite copies the value before the call returns.
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    fileprivate init(connection: SQLiteConnection, handle: OpaquePointer) {
        self.connection = connection
        self.handle = handle
    }

    deinit { sqlite3_finalize(handle) }

    /// Positions count from 1. A binding fails only for lack of memory or a wrong position; `step` would report it.
    func bind(_ position: Int32, _ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            let start = UnsafeRawPointer(utf8.baseAddress)?.assumingMemoryBound(to: CChar.self)
            _ = sqlite3_bind_text(handle, position, start, Int32(utf8.count), Self.copied)
        }
        if text.isEmpty { sqlite3_bind_text(handle, position, "", 0, Self.copied) }
    }

    func bind(_ position: Int32, _ bytes: [UInt8]) {
        // A null pointer would bind NULL.
        if bytes.isEmpty {
            sqlite3_bind_zeroblob(handle, position, 0)
        } else {
            _ = bytes.withUnsafeBytes { sqlite3_bind_blob(handle, position, $0.baseAddress, Int32($0.count), Self.copied) }
        }
    }

    func bind(_ position: Int32, _ integer: UInt64) { sqlite3_bind_int64(handle, position, Int64(bitPattern: integer)) }

    /// True: a row is ready.
    func step() throws(SQLiteError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw connection.failure(String(cString: sqlite3_sql(handle)))
        }
    }

    /// Runs a statement without rows and makes it ready for the next use.
    func run() throws(SQLiteError) {
        defer { reset() }
        _ = try step()
    }

    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    func text(_ column: Int32) -> String { sqlite3_column_text(handle, column).map { String(cString: $0) } ?? "" }

    func bytes(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    func integer(_ column: Int32) -> UInt64 { UInt64(bitPattern: sqlite3_column_int64(handle, column)) }
}
