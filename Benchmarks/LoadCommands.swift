// Single requests: how many a second, and how long each takes.
import JSON
import NIOCore
import NIOPosix

struct LoadCommands {
    let target: Target
    let loop: any EventLoop

    /// The namespace, and the service account that a stock server wants before it takes pods.
    func prepare() async throws -> JSONValue {
        let connection = try await Connection.open(target, on: loop).get()
        let namespace = #"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(BenchPod.namespace)"}}"#
        let account = #"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}"#
        var answers: [JSONValue] = []
        for (path, body) in [
            ("/api/v1/namespaces", namespace), ("/api/v1/namespaces/\(BenchPod.namespace)/serviceaccounts", account),
        ] {
            let (status, _) = try await ask(connection, connection.request("POST", path, Array(body.utf8)))
            answers.append(.int(Int64(status)))
        }
        return ["statuses": .array(answers)]
    }

    /// Takes the namespace away with all that the load has made in it; returns when it is gone. For a server that goes on living.
    func clean() async throws -> JSONValue {
        let path = "/api/v1/namespaces/\(BenchPod.namespace)"
        let connection = try await Connection.open(target, on: loop).get()
        _ = try await ask(connection, connection.request("DELETE", path))
        let deadline = NIODeadline.now() + .seconds(300)
        while NIODeadline.now() < deadline {
            let (status, _) = try await ask(connection, connection.request("GET", path))
            if status == 404 {
                connection.close()
                return ["gone": true]
            }
            // Its content goes first, at the pace of the server's controllers.
            try await Task.sleep(for: .milliseconds(500))
        }
        throw BenchError("namespace \(BenchPod.namespace) is still there 300 s after its deletion")
    }

    func load(_ arguments: Arguments) async throws -> JSONValue {
        let connections = try await open(try arguments.number("connections", default: 32))
        let run = LoadRun(
            connections, on: loop, pace: try arguments.number("rate").map { .open(perSecond: $0) } ?? .closed,
            seconds: Double(try arguments.number("seconds", default: 5)), limit: try arguments.number("count", default: .max),
            first: try arguments.number("first", default: 0), make: try maker(arguments, connections[0]))
        let before = try sample(arguments)
        let result = try await run.run().get()
        let after = try sample(arguments)
        for connection in connections { connection.close() }
        return describe(result, before, after)
    }

    /// What `number` means depends on the operation: a new pod's name, or which of the first `count` pods is meant.
    private func maker(_ arguments: Arguments, _ any: Connection) throws -> (Int) -> ByteBuffer {
        let pods = BenchPod.collection
        let prefix = arguments.text("prefix", default: "p")
        let known = max(1, try arguments.number("known", default: 1000))
        let mark = "NUMBER____"
        switch try arguments.text("operation") {
        case "create":
            let template = RequestTemplate(any.request("POST", pods, BenchPod.json(name: "\(prefix)-\(mark)")))
            return { template.request($0) }
        case "get":
            let template = RequestTemplate(any.request("GET", "\(pods)/\(prefix)-\(mark)"))
            return { template.request($0 % known) }
        case "status":
            let body = #"{"status":{"phase":"Running","message":"state \#(mark)"}}"#
            let template = RequestTemplate(
                any.request(
                    "PATCH", "\(pods)/\(prefix)-\(mark)/status", type: "application/strategic-merge-patch+json", Array(body.utf8))
            )
            // The message carries the same number as the name: alternate it, so that each patch is a change.
            let other = RequestTemplate(
                any.request(
                    "PATCH", "\(pods)/\(prefix)-\(mark)/status", type: "application/strategic-merge-patch+json",
                    Array(#"{"status":{"phase":"Running","message":"other state \#(mark)"}}"#.utf8)))
            return { (($0 / known) % 2 == 0 ? template : other).request($0 % known) }
        case let other: throw BenchError("--operation \(other): expected create, get or status")
        }
    }

    /// One pod at a time: from the request's first byte to its event at a client that watches.
    func event(_ arguments: Arguments) async throws -> JSONValue {
        let connections = try await open(2)
        let (writer, watcher) = (connections[0], connections[1])
        let revision = try await revision(writer)
        var latencies = Latencies()
        let promise = loop.makePromise(of: Void.self)
        let events = NIOLoopBoundBox<Int>.makeBoxSendingValue(0, eventLoop: loop)
        let arrival = NIOLoopBoundBox<EventLoopPromise<Void>>.makeBoxSendingValue(promise, eventLoop: loop)
        try await loop.submit {
            watcher.onChunk = { piece in
                guard piece.readableBytes > 0 else { return arrival.value.succeed() }
                let lines = piece.readableBytesView.count { $0 == 10 }
                events.value += lines
                if lines > 0 { arrival.value.succeed() }
            }
            watcher.send(watcher.request("GET", "\(BenchPod.collection)?watch=true&resourceVersion=\(revision)"))
        }.get()
        try await promise.futureResult.get()
        let template = RequestTemplate(writer.request("POST", BenchPod.collection, BenchPod.json(name: "event-NUMBER____")))
        let first = try arguments.number("first", default: 0)
        for number in 0..<(try arguments.number("count", default: 200)) {
            let next = loop.makePromise(of: Void.self)
            let answered = loop.makePromise(of: Void.self)
            let start = try await loop.submit {
                arrival.value = next
                writer.onResponse = { status, body in
                    guard status == 201 else { return next.fail(BenchError("\(status) \(String(buffer: body).prefix(200))")) }
                    answered.succeed()
                }
                let start = NIODeadline.now()
                writer.send(template.request(first + number))
                return start
            }.get()
            let end = try await next.futureResult.map { NIODeadline.now() }.get()
            latencies.add(since: start, until: end)
            try await answered.futureResult.get()
        }
        for connection in connections { connection.close() }
        return latencies.json
    }

    // MARK: Pieces

    func open(_ count: Int) async throws -> [Connection] {
        var connections: [Connection] = []
        // Handshakes in groups: thousands at once would only time out in the listener's queue.
        while connections.count < count {
            let group = (0..<min(64, count - connections.count)).map { _ in Connection.open(target, on: loop) }
            connections += try await EventLoopFuture.whenAllSucceed(group, on: loop).get()
        }
        return connections
    }

    func ask(_ connection: Connection, _ request: ByteBuffer) async throws -> (Int, ByteBuffer) {
        let promise = loop.makePromise(of: (Int, ByteBuffer).self)
        loop.execute {
            connection.onResponse = { promise.succeed(($0, $1)) }
            connection.onClose = { promise.fail(BenchError("the connection was closed")) }
            connection.send(request)
        }
        return try await promise.futureResult.get()
    }

    /// Of the collection, to watch from.
    func revision(_ connection: Connection) async throws -> String {
        let (status, body) = try await ask(connection, connection.request("GET", "\(BenchPod.collection)?limit=1"))
        let list = try JSONValue(parsing: Array(body.readableBytesView))
        guard status == 200, let revision = list[path: "metadata", "resourceVersion"]?.stringValue else {
            throw BenchError("list: \(status) \(String(buffer: body).prefix(200))")
        }
        return revision
    }

    func sample(_ arguments: Arguments) throws -> ProcessSample? {
        let pid = try arguments.number("pid", default: 0)
        guard pid > 0 else { return nil }
        guard let sample = ProcessSample(pid: pid) else { throw BenchError("--pid \(pid): no such process") }
        return sample
    }

    func describe(_ result: LoadResult, _ before: ProcessSample?, _ after: ProcessSample?) -> JSONValue {
        var figures: [(String, JSONValue)] = [
            ("done", .int(Int64(result.done))), ("failed", .int(Int64(result.failed))), ("seconds", .double(result.seconds)),
            ("per_second", .double(Double(result.done) / max(result.seconds, 1e-9))), ("ms", result.latencies.json),
        ]
        if let failure = result.firstFailure { figures.append(("first_failure", .string(failure))) }
        if let before, let after {
            figures.append(("server_cpu_us", .double((after.cpuSeconds - before.cpuSeconds) * 1e6 / Double(max(1, result.done)))))
            figures.append(("resident_kib", .int(Int64(after.residentKiB))))
        }
        return .object(JSONObject(figures))
    }
}
