// The reference for durable writes: as many clients, values of the same size, over etcd's own gRPC API without TLS.
import JSON
import NIOCore

enum EtcdCommand {
    static func run(_ arguments: Arguments, on loop: any EventLoop) async throws -> JSONValue {
        let target = try Target.etcd(try arguments.text("endpoint"))
        let count = try arguments.number("connections", default: 32)
        let connections = try await EventLoopFuture.whenAllSucceed(
            (0..<count).map { _ in EtcdConnection.open(target, on: loop) }, on: loop
        ).get()
        let run = EtcdRun(connections, on: loop, seconds: Double(try arguments.number("seconds", default: 5)))
        let load = LoadCommands(target: target, loop: loop)
        let before = try load.sample(arguments)
        let result = try await run.run().get()
        let after = try load.sample(arguments)
        for connection in connections { connection.close() }
        return load.describe(result, before, after)
    }
}

/// Lives on one event loop; `@unchecked Sendable` because it is only handed between closures of that loop.
private final class EtcdRun: @unchecked Sendable {
    private let connections: [EtcdConnection]
    private let loop: any EventLoop
    private let seconds: Double
    private let value = BenchPod.json(name: "p-0000000000")
    private let promise: EventLoopPromise<LoadResult>
    private var result = LoadResult()
    private var next = 0
    private var start = NIODeadline.now()
    private var isOver = false

    init(_ connections: [EtcdConnection], on loop: any EventLoop, seconds: Double) {
        self.connections = connections
        self.loop = loop
        self.seconds = seconds
        promise = loop.makePromise()
    }

    func run() -> EventLoopFuture<LoadResult> {
        loop.execute {
            self.start = .now()
            self.loop.scheduleTask(in: .nanoseconds(Int64(self.seconds * 1e9))) { self.finish() }
            for connection in self.connections { self.put(connection) }
        }
        return promise.futureResult
    }

    private func put(_ connection: EtcdConnection) {
        let began = NIODeadline.now()
        // Weak: answers still come in after the end.
        connection.onAnswer = { [weak self] succeeded in
            guard let self, !isOver else { return }
            if succeeded {
                result.done += 1
                result.latencies.add(since: began)
            } else {
                result.failed += 1
            }
            put(connection)
        }
        connection.onClose = { [weak self] in if let self, !isOver { result.failed += 1 } }
        next += 1
        connection.put(key: "/registry/pods/\(BenchPod.namespace)/p-\(RequestTemplate.digits(next))", value: value)
    }

    private func finish() {
        isOver = true
        result.seconds = Double((NIODeadline.now() - start).nanoseconds) / 1e9
        promise.succeed(result)
    }
}
