// Many connections that watch: what an event costs the server, and what a connection that only waits costs it.
import JSON
import NIOCore
import NIOPosix

struct WatchCommands {
    let load: LoadCommands
    private var loop: any EventLoop { load.loop }

    init(_ load: LoadCommands) { self.load = load }

    func fanOut(_ arguments: Arguments) async throws -> JSONValue {
        let count = try arguments.number("watchers", default: 1000)
        let events = try arguments.number("events", default: 1000)
        let idle = try load.sample(arguments)
        let writers = try await load.open(32)
        let (watchers, inflaters) = try await watch(count, writers[0], takesGzip: arguments.text("gzip", default: "no") == "yes")
        let template = RequestTemplate(writers[0].request("POST", BenchPod.collection, BenchPod.json(name: "fan-NUMBER____")))
        let fan = FanOut(
            watchers: watchers, inflaters: inflaters, writers: writers, on: loop, events: events,
            window: try arguments.number("window", default: 32),
            first: try arguments.number("first", default: 0), make: { template.request($0) })
        let before = try load.sample(arguments)
        let seconds = try await fan.run().get()
        let after = try load.sample(arguments)
        for connection in writers + watchers { connection.close() }
        var figures: [(String, JSONValue)] = [
            ("deliveries", .int(Int64(events * count))), ("seconds", .double(seconds)),
            ("deliveries_per_second", .double(Double(events * count) / seconds)),
            ("bytes_per_delivery", .double(Double(fan.bytes) / Double(events * count))),
            ("wire_bytes_per_delivery", .double(Double(fan.wireBytes) / Double(events * count))),
            ("compressed_watches", .int(Int64(inflaters.count { $0 != nil }))),
        ]
        if let idle, let before, let after {
            figures += [
                ("deliveries_per_cpu_second", .double(Double(events * count) / max(1e-9, after.cpuSeconds - before.cpuSeconds))),
                ("kib_per_connection", .double(Double(before.residentKiB - idle.residentKiB) / Double(count + 32))),
                ("resident_kib_after", .int(Int64(after.residentKiB))),
            ]
        }
        return .object(JSONObject(figures))
    }

    func idleWatches(_ arguments: Arguments) async throws -> JSONValue {
        let count = try arguments.number("watchers", default: 10_000)
        let idle = try load.sample(arguments)
        let writer = try await load.open(1)[0]
        let (watchers, _) = try await watch(count, writer)
        let closed = NIOLoopBoundBox<Int>.makeBoxSendingValue(0, eventLoop: loop)
        try await loop.submit { for watcher in watchers { watcher.onClose = { closed.value += 1 } } }.get()
        try await Task.sleep(for: .seconds(try arguments.number("settle", default: 1)))
        let before = try load.sample(arguments)
        let seconds = try arguments.number("seconds", default: 5)
        try await Task.sleep(for: .seconds(seconds))
        let after = try load.sample(arguments)
        let lost = try await loop.submit { closed.value }.get()
        for connection in watchers + [writer] { connection.close() }
        var figures: [(String, JSONValue)] = [("watchers", .int(Int64(count))), ("closed", .int(Int64(lost)))]
        if let idle, let before, let after {
            figures += [
                ("kib_per_connection", .double(Double(before.residentKiB - idle.residentKiB) / Double(count))),
                ("idle_cpu_percent", .double((after.cpuSeconds - before.cpuSeconds) / Double(max(1, seconds)) * 100)),
            ]
        }
        return .object(JSONObject(figures))
    }

    /// Connections whose watch of the whole collection has begun, and what inflates those that the server compresses.
    private func watch(_ count: Int, _ any: Connection, takesGzip: Bool = false) async throws -> ([Connection], [Inflater?]) {
        let revision = try await load.revision(any)
        let connections = try await load.open(count)
        let begun = connections.map { _ in loop.makePromise(of: Void.self) }
        // What has come before the events: a compressed stream's head.
        let early = NIOLoopBoundBox<[ByteBuffer]>.makeBoxSendingValue(
            Array(repeating: ByteBuffer(), count: count), eventLoop: loop)
        try await loop.submit {
            for (index, (connection, promise)) in zip(connections, begun).enumerated() {
                connection.onChunk = { piece in
                    early.value[index].writeImmutableBuffer(piece)
                    promise.succeed()
                }
                connection.onResponse = { status, _ in promise.fail(BenchError("watch: status \(status)")) }
                connection.onClose = { promise.fail(BenchError("watch: the connection was closed")) }
                connection.send(
                    connection.request(
                        "GET", "\(BenchPod.collection)?watch=true&allowWatchBookmarks=true&resourceVersion=\(revision)",
                        takesGzip: takesGzip))
            }
        }.get()
        try await EventLoopFuture.andAllSucceed(begun.map(\.futureResult), on: loop).get()
        let inflaters = try await loop.submit {
            try connections.enumerated().map { index, connection -> Inflater? in
                guard connection.isCompressed else { return nil }
                let inflater = try Inflater()
                _ = inflater.inflate(early.value[index]) { _ in }
                connection.onChunk = { _ = inflater.inflate($0) { _ in } }
                return inflater
            }
        }.get()
        return (connections, inflaters)
    }
}
