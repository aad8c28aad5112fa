// Keep-alive connections that send one request after the other (closed loop), or at fixed times (open loop), until the end.
import NIOCore

enum Pace {
    /// Each connection sends the next request when the last is answered.
    case closed
    /// So many requests a second over all connections, each timed from the moment it was due.
    case open(perSecond: Double)
}

struct LoadResult: Sendable {
    var done = 0
    var failed = 0
    var seconds = 0.0
    var latencies = Latencies()
    /// The first refusal, to show what went wrong.
    var firstFailure: String?
}

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
final class LoadRun: @unchecked Sendable {
    private let connections: [Connection]
    private let loop: any EventLoop
    private let pace: Pace
    private let limit: Int
    private let seconds: Double
    private let make: (_ number: Int) -> ByteBuffer
    private let promise: EventLoopPromise<LoadResult>
    private var result = LoadResult()
    private var idle: [Connection] = []
    /// Due times of requests that found no idle connection.
    private var overdue: [NIODeadline] = []
    private var next: Int
    private var sent = 0
    private var underWay = 0
    private var isOver = false
    private var start = NIODeadline.now()

    /// Ends after `seconds` or `limit` requests. `first` is the first request's number.
    init(
        _ connections: [Connection], on loop: any EventLoop, pace: Pace, seconds: Double, limit: Int = .max, first: Int,
        make: @escaping (_ number: Int) -> ByteBuffer
    ) {
        self.connections = connections
        self.loop = loop
        self.pace = pace
        self.limit = limit
        self.seconds = seconds
        self.make = make
        next = first
        promise = loop.makePromise()
    }

    func run() -> EventLoopFuture<LoadResult> {
        loop.execute { self.begin() }
        return promise.futureResult
    }

    private func begin() {
        start = .now()
        loop.scheduleTask(in: .nanoseconds(Int64(seconds * 1e9))) { self.stop() }
        switch pace {
        case .closed:
            for connection in connections { send(on: connection, due: .now()) }
        case .open(let rate):
            idle = connections
            tick(rate)
        }
    }

    /// Every half millisecond, whatever has come due.
    private func tick(_ rate: Double) {
        guard !isOver else { return }
        let elapsed = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        while sent + overdue.count < Int(elapsed * rate) {
            let due = start + .nanoseconds(Int64(Double(sent + overdue.count) / rate * 1e9))
            if let connection = idle.popLast() { send(on: connection, due: due) } else { overdue.append(due) }
        }
        loop.scheduleTask(in: .microseconds(500)) { self.tick(rate) }
    }

    private func send(on connection: Connection, due: NIODeadline) {
        guard !isOver, sent < limit else {
            if sent >= limit, underWay == 0 { finish() }
            return
        }
        let number = next
        next += 1
        sent += 1
        underWay += 1
        // Weak: an answer may come after the last one that was waited for.
        connection.onResponse = { [weak self] status, body in self?.answered(connection, due, status, body) }
        connection.onClose = { [weak self] in
            guard let self else { return }
            underWay -= 1
            fail("the connection was closed")
        }
        connection.send(make(number))
    }

    private func answered(_ connection: Connection, _ due: NIODeadline, _ status: Int, _ body: ByteBuffer) {
        underWay -= 1
        if (200..<300).contains(status) {
            if !isOver {
                result.done += 1
                result.latencies.add(since: due)
            }
        } else {
            fail("\(status) \(String(buffer: body).prefix(300))")
        }
        if isOver {
            if underWay == 0 { finish() }
            return
        }
        switch pace {
        case .closed: send(on: connection, due: .now())
        case .open:
            if overdue.isEmpty { idle.append(connection) } else { send(on: connection, due: overdue.removeFirst()) }
        }
    }

    private func fail(_ reason: String) {
        result.failed += 1
        result.firstFailure = result.firstFailure ?? reason
        if isOver, underWay == 0 { finish() }
    }

    private func stop() {
        guard !isOver else { return }
        isOver = true
        result.seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        if underWay == 0 { finish() } else { loop.scheduleTask(in: .seconds(10)) { self.finish() } }
    }

    private var isFinished = false
    private func finish() {
        guard !isFinished else { return }
        isFinished = true
        if !isOver { result.seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9 }
        isOver = true
        for connection in connections { connection.onClose = nil }
        promise.succeed(result)
    }
}
