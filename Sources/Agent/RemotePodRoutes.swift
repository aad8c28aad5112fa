// Logs, commands and ports of pods that run elsewhere, as the node's tunnel asks for them.
import KubernetesClient
import RuntimeInterface

struct RemotePodRoutes: Sendable {
    /// A server that will not show a log says so within this time.
    static let refusalPatience = Duration.seconds(3)

    let access: any PodProviderAccess

    var routes: [NodeTunnelRoute] {
        [
            route("/containerLogs") { try await self.log($0) }, route("/exec") { try await self.command($0, isAttach: false) },
            route("/attach") { try await self.command($0, isAttach: true) }, route("/portForward") { try await self.forward($0) },
        ]
    }

    private func route(_ prefix: String, _ answer: @escaping @Sendable (NodeTunnelExchange) async throws -> Void)
        -> NodeTunnelRoute
    {
        NodeTunnelRoute(
            prefix: prefix,
            claims: { [access] exchange in
                let names = exchange.segments
                return names.count >= 3 ? await access.knows(namespace: names[1], pod: names[2]) : false
            }, answer: answer)
    }

    private func log(_ exchange: NodeTunnelExchange) async throws {
        let names = exchange.segments
        let query = RemoteLogQuery(
            container: names.count > 3 ? names[3] : "", follow: exchange.flag("follow"), previous: exchange.flag("previous"),
            timestamps: exchange.flag("timestamps"), tailLines: exchange.values("tailLines").last.flatMap { Int($0) },
            sinceSeconds: exchange.values("sinceSeconds").last.flatMap { Int($0) })
        let pipe = BytePipe()
        let reading = Task {
            do {
                try await access.readLog(namespace: names[1], pod: names[2], query: query) { try await pipe.write($0) }
                pipe.finish()
            } catch { pipe.finish(throwing: error) }
        }
        defer { reading.cancel() }
        // The answer's head waits for the first piece, so that a refusal can still be one; but not for ever: only once it began is
        // it seen that the caller has left.
        let first = Task { try await pipe.next() }
        defer { first.cancel() }
        if await first.ends(within: Self.refusalPatience), case .failure(let error) = await first.result {
            return try await refuse(exchange, error)
        }
        try await exchange.respond(contentType: "text/plain") { body in
            var next = try await withTaskCancellationHandler {
                try await first.value
            } onCancel: {
                first.cancel()
            }
            while let bytes = next {
                try await body.write(bytes)
                next = try await pipe.next()
            }
        }
    }

    private func command(_ exchange: NodeTunnelExchange, isAttach: Bool) async throws {
        let names = exchange.segments
        let request = ExecRequest(
            command: exchange.values("command"), tty: exchange.flag("tty"), stdin: exchange.flag("input"),
            stdout: exchange.flag("output"),
            stderr: exchange.flag("error"))
        let container = names.count > 3 ? names[3] : ""
        let session: any ExecSession
        do {
            session =
                isAttach
                ? try await access.attach(namespace: names[1], pod: names[2], container: container, request)
                : try await access.exec(namespace: names[1], pod: names[2], container: container, request)
        } catch {
            return try await refuse(exchange, error)
        }
        try await PodAccess.serve(exchange, request, session)
    }

    private func forward(_ exchange: NodeTunnelExchange) async throws {
        let names = exchange.segments
        guard let port = exchange.values("port").first.flatMap({ UInt16($0) }), port > 0 else {
            return try await exchange.refuse(
                status: 400, "expected /portForward/NAMESPACE/POD?port=PORT, found \(exchange.request.path)")
        }
        let stream: any ByteStream
        do {
            stream = try await access.portForward(namespace: names[1], pod: names[2], port: port)
        } catch {
            return try await refuse(exchange, error)
        }
        try await PodAccess.join(exchange, stream)
    }

    private func refuse(_ exchange: NodeTunnelExchange, _ error: any Error) async throws {
        if case RuntimeError.notFound(let what) = error { return try await exchange.refuse(status: 404, what) }
        try await exchange.refuse(status: 500, "\(error)")
    }
}

extension Task where Success: Sendable, Failure == any Error {
    /// Whether it has ended within `limit`; it goes on if not.
    fileprivate func ends(within limit: Duration) async -> Bool {
        let (ends, verdict) = AsyncStream<Bool>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let awaiting = Task<Void, Never> {
            _ = await self.result
            verdict.yield(true)
        }
        let timer = Task<Void, Never> {
            // The bound; cancelled when the task ended before it.
            if (try? await Task<Never, Never>.sleep(for: limit)) != nil { verdict.yield(false) }
        }
        defer {
            awaiting.cancel()
            timer.cancel()
        }
        return await ends.first { _ in true } ?? false
    }
}
