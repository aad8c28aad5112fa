// Moves the write-ahead log into the database beside the writer, so that no answer waits for it.
import Dispatch
import Synchronization

/// A connection of its own copies the log in slices while the writer appends, and syncs each: a commit's sync has never more than a
/// slice of the database before it, and the checkpoint that ends the log only its own. What was appended since the last slice is
/// little, and the writer moves it itself between two transactions, after which the log begins anew.
///
/// @unchecked Sendable: the connection is used on the queue alone.
final class SQLiteCheckpoint: @unchecked Sendable {
    private enum State { case idle, running, mostlyDone }

    private let path: String
    private let vfs: String?
    private let queue = DispatchQueue(label: "swiftlet.store.checkpoint")
    private let state = Mutex(State.idle)
    private var connection: SQLiteConnection?

    init(path: String, vfs: String?) {
        self.path = path
        self.vfs = vfs
    }

    /// On the writer, when a slice has been appended. Begins to copy it; false: the last one is being copied still.
    func copySlice() -> Bool {
        let begins = state.withLock { state in
            guard state != .running else { return false }
            state = .running
            return true
        }
        if begins { queue.async { self.run() } }
        return begins
    }

    /// On the writer, between transactions, when the log is long. True: it is moved (as far as readers and the disk allow; what
    /// is not stays in the log, and nothing is lost).
    func finish(_ writer: SQLiteConnection, isOverdue: Bool) -> Bool {
        // The log must not outgrow the disk because the disk is slow.
        if isOverdue { queue.sync {} }
        let isMostlyDone = state.withLock { $0 == .mostlyDone }
        guard isMostlyDone || isOverdue else {
            _ = copySlice()
            return false
        }
        writer.checkpoint(truncating: false)
        state.withLock { $0 = .idle }
        return true
    }

    private func run() {
        if connection == nil { connection = try? SQLiteConnection(path: path, create: false, vfs: vfs) }
        connection?.checkpoint(truncating: false)
        // A failure takes nothing away: the log is given up only after the writer's own checkpoint, which syncs and reports for itself.
        _ = connection?.syncDatabase()
        state.withLock { $0 = .mostlyDone }
    }

    /// Waits for a run under way.
    func close() { queue.sync { connection = nil } }
}
