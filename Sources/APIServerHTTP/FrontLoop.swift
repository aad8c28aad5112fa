// What the connections of one event loop share: the executor of their tasks, the mailbox of their watches, one clock.
import NIOCore
import Synchronization

/// Runs tasks on an event loop, so that a request is answered where its bytes came in: no hop to another thread and back.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}

/// Used on its loop only, except for `loop`, `executor` and `mailbox`, which are thread-safe by themselves; hence the
/// `@unchecked Sendable`: closures for the loop are made elsewhere.
final class FrontLoop: @unchecked Sendable {
    let loop: any EventLoop
    let executor: LoopExecutor
    let mailbox: WatchMailbox
    private(set) var connections: [ObjectIdentifier: ConnectionHandler] = [:]
    private(set) var isShuttingDown = false
    private var sweep: RepeatedTask?
    private var dateSecond: Int64 = -1
    private var dateText = ""

    init(_ loop: any EventLoop) {
        self.loop = loop
        executor = LoopExecutor(loop)
        mailbox = WatchMailbox(loop)
    }

    func add(_ connection: ConnectionHandler) { connections[ObjectIdentifier(connection)] = connection }
    func remove(_ connection: ConnectionHandler) { connections[ObjectIdentifier(connection)] = nil }

    /// HTTP's date of this second (RFC 9110, 5.6.7).
    var date: String {
        let now = HTTPDate.now
        if now != dateSecond {
            dateSecond = now
            dateText = HTTPDate.text(now)
        }
        return dateText
    }

    func start(every interval: TimeAmount) {
        sweep = loop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { [weak self] _ in self?.checkDeadlines() }
    }

    /// Deadlines need no timer per connection: this is called every few seconds.
    private func checkDeadlines() {
        let now = NIODeadline.now()
        for connection in Array(connections.values) { connection.checkDeadlines(now) }
    }

    /// Watches, logs and tunnels end in order, and no request begins any more.
    func endStreams() {
        isShuttingDown = true
        for connection in Array(connections.values) { connection.shutDown() }
    }

    func cutAll() {
        sweep?.cancel()
        sweep = nil
        for connection in Array(connections.values) { connection.cut() }
    }
}
