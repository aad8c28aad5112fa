// Moves the write-ahead log into the database beside the writer, so that no answer waits for it.
import Dispatch
import Synchronization

/// A connection of its own copies most of the log while the writer appends; what was appended meanwhile is little, and the writer
/// moves it itself between two transactions, after which the log begins anew.
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

    /// On the writer, between transactions, when the log is long. True: it is moved (as far as readers and the disk allow; what
    /// is not stays in the log, and nothing is lost).
    func advance(_ writer: SQLiteConnection, isOverdue: Bool) -> Bool {
        let isMostlyDone = state.withLock { state in
            switch state {
            case .idle:
                state = .running
                queue.async { self.run() }
                return false
            case .running: return false
            case .mostlyDone: return true
            }
        }
        // The log must not outgrow the disk because the disk is slow.
        if isOverdue { queue.sync {} }
        guard isMostlyDone || isOverdue else { return false }
        writer.checkpoint(truncating: false)
        state.withLock { $0 = .idle }
        return true
    }

    private func run() {
        if connection == nil { connection = try? SQLiteConnection(path: path, create: false, vfs: vfs) }
        connection?.checkpoint(truncating: false)
        state.withLock { $0 = .mostlyDone }
    }

    /// Waits for a run under way.
    func close() { queue.sync { connection = nil } }
}
