// A store's database as a file: a consistent copy of a running one, and a checked return to such a copy.
import CSQLite
import Glibc

public enum StoreFile {
    /// Revisions between the last one known and the first one after a return. What clients saw and the copy does not hold lies
    /// below, so their watches are expired and list again, instead of being told another history.
    private static let gap: UInt64 = 1_000_000
    /// The same when the replaced database cannot be read: it is then unknown how far it was.
    private static let unknownGap: UInt64 = 1_000_000_000

    public struct Summary: Sendable, Hashable {
        public let path: String
        /// The last revision given out, after a return the one that the store begins with.
        public let revision: UInt64
        /// Rows of the log: present objects, and history.
        public let rows: Int
    }

    // MARK: Backup

    /// Writes a consistent, checked copy of the database, which may be in use, to a new file (mode 0600), synced to the disk.
    /// Sealed values stay sealed. Refused when the target exists.
    public static func backUp(_ path: String, to target: String) throws(StoreError) -> Summary {
        guard access(path, F_OK) == 0 else { throw .unavailable("\(path): there is no store") }
        guard access(target, F_OK) != 0 else { throw .unavailable("\(target): it exists; a backup is a new file") }
        let partial = target + ".partial"
        unlink(partial)
        // Made here, so that it is private from its first byte; SQLite fills an empty file.
        let descriptor = open(partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .unavailable("\(partial): \(String(cString: strerror(errno)))") }
        close(descriptor)
        do {
            do throws(SQLiteError) {
                let source = try SQLiteConnection(path: path, create: false)
                source.setBusyTimeout(milliseconds: 10_000)
                let copy = try source.prepare("VACUUM INTO ?1")
                copy.bind(1, partial)
                try copy.run()
            } catch {
                throw SQLiteSchema.describe(error, path)
            }
            let summary = try check(partial)
            try sync(partial)
            guard rename(partial, target) == 0 else {
                throw StoreError.unavailable("\(target): \(String(cString: strerror(errno)))")
            }
            try sync(directory(of: target))
            return Summary(path: target, revision: summary.revision, rows: summary.rows)
        } catch {
            unlink(partial)
            throw error as? StoreError ?? .unavailable("\(error)")
        }
    }

    // MARK: Check

    /// Reads a whole database that nobody uses: its structure, and the checksum of each row. Changes nothing in it.
    public static func check(_ path: String) throws(StoreError) -> Summary {
        guard access(path, R_OK) == 0 else { throw .unavailable("\(path): \(String(cString: strerror(errno)))") }
        do throws(SQLiteError) {
            let connection = try SQLiteConnection(path: path, create: false)
            if let problem = try connection.value("PRAGMA integrity_check(1)"), problem != "ok" {
                throw SQLiteError(code: SQLITE_CORRUPT, message: problem)
            }
            let schema = try connection.value("SELECT value FROM meta WHERE key = 'schema'")
            guard schema == SQLiteSchema.version else {
                throw SQLiteError(
                    code: SQLITE_ERROR, message: "schema version: expected \(SQLiteSchema.version), found \(schema ?? "none")")
            }
            var revision = try SQLiteSchema.number("revision", connection)
            let rows = try connection.prepare("SELECT \(SQLiteSchema.columns) FROM log ORDER BY revision")
            var names = SharedTexts()
            var count = 0
            while try rows.step() {
                revision = max(revision, try LogRecord(row: rows, &names).revision)
                count += 1
            }
            return Summary(path: path, revision: revision, rows: count)
        } catch {
            throw SQLiteSchema.describe(error, path)
        }
    }

    // MARK: Restore

    /// Puts a backup in the place of the database, which nobody may be using; what was there is kept as `PATH.replaced`.
    /// The store then begins at a revision above every one that it or the backup ever gave out, with no history before.
    public static func restore(_ path: String, from backup: String) throws(StoreError) -> Summary {
        let lock = try StoreLock(path)
        defer { withExtendedLifetime(lock) {} }
        let checked = try check(backup)
        let present = presentRevision(path)
        let revision = max(checked.revision, present ?? 0) + (present == nil ? unknownGap : gap)
        let partial = path + ".restoring"
        unlink(partial)
        do {
            try copy(backup, to: partial)
            try begin(partial, at: revision)
            try sync(partial)
            try replace(path, by: partial)
        } catch {
            unlink(partial)
            throw error
        }
        return Summary(path: path, revision: revision, rows: checked.rows)
    }

    /// The last revision of the database that is to be replaced, with its write-ahead log moved into it; nil: it is not readable.
    private static func presentRevision(_ path: String) -> UInt64? {
        guard let connection = try? SQLiteConnection(path: path, create: false) else { return nil }
        guard (try? connection.value("PRAGMA page_count")) != "0" else { return 0 }
        guard let stored = try? SQLiteSchema.number("revision", connection),
            let last = try? connection.value("SELECT COALESCE(MAX(revision), 0) FROM log"), let last = UInt64(last)
        else { return nil }
        connection.checkpoint(truncating: true)
        return max(stored, last)
    }

    private static func begin(_ path: String, at revision: UInt64) throws(StoreError) {
        do throws(SQLiteError) {
            let connection = try SQLiteConnection(path: path, create: false)
            _ = try connection.value("PRAGMA journal_mode=DELETE")
            try connection.execute("UPDATE meta SET value = \(revision) WHERE key IN ('revision', 'floor')")
        } catch {
            throw SQLiteSchema.describe(error, path)
        }
    }

    /// The old write-ahead log, by now moved into its database, must not be taken for the new one's.
    private static func replace(_ path: String, by partial: String) throws(StoreError) {
        for suffix in ["-wal", "-shm"] {
            unlink(path + ".replaced" + suffix)
            if access(path + suffix, F_OK) == 0 { rename(path + suffix, path + ".replaced" + suffix) }
        }
        unlink(path + ".replaced")
        guard link(path, path + ".replaced") == 0 else {
            throw .unavailable("\(path).replaced: \(String(cString: strerror(errno)))")
        }
        // Over the old name: at every moment there is a whole database under it.
        guard rename(partial, path) == 0 else { throw .unavailable("\(path): \(String(cString: strerror(errno)))") }
        try sync(directory(of: path))
    }

    // MARK: Files

    private static func copy(_ source: String, to target: String) throws(StoreError) {
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw .unavailable("\(source): \(String(cString: strerror(errno)))") }
        defer { close(input) }
        let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw .unavailable("\(target): \(String(cString: strerror(errno)))") }
        defer { close(output) }
        while true {
            let count = sendfile(output, input, nil, 1 << 30)
            if count == 0 { return }
            if count < 0, errno != EINTR { throw .unavailable("\(target): \(String(cString: strerror(errno)))") }
        }
    }

    /// A file's bytes, or a directory's names, reach the disk.
    private static func sync(_ path: String) throws(StoreError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unavailable("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .unavailable("\(path): \(String(cString: strerror(errno)))") }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
