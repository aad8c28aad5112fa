// Logs, commands and ports of pods that run elsewhere, as the node's tunnel asks for them.
import KubernetesClient
import RuntimeInterface

struct RemotePodRoutes: Sendable {
    let access: any PodProviderAccess

    var routes: [NodeTunnelRoute] {
        [
            route("/containerLogs") { try await self.log($0) }, route("/exec") { try await self.command($0, isAttach: false) },
            route("/attach") { try await self.command($0, isAttach: true) }, route("/portForward") { try await self.forward($0) },
        ]
    }

    private func route(_ prefix: String, _ answer: @escaping @Sendable (NodeTunnelExchange) async throws -> Void) -> NodeTunnelRoute {
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
        // The answer's head waits for the first piece: a refusal must still be able to be one.
        let pipe = BytePipe()
        let reading = Task {
            do {
                try await access.readLog(namespace: names[1], pod: names[2], query: query) { try await pipe.write($0) }
                pipe.finish()
            } catch { pipe.finish(throwing: error) }
        }
        defer { reading.cancel() }
        let first: [UInt8]?
        do { first = try await pipe.next() } catch { return try await refuse(exchange, error) }
        try await exchange.respond(contentType: "text/plain") { body in
            guard let first else { return }
            try await body.write(first)
            while let bytes = try await pipe.next() { try await body.write(bytes) }
        }
    }

    private func command(_ exchange: NodeTunnelExchange, isAttach: Bool) async throws {
        let names = exchange.segments
        let request = ExecRequest(
            command: exchange.values("command"), tty: exchange.flag("tty"), stdin: exchange.flag("input"), stdout: exchange.flag("output"),
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
            return try await exchange.refuse(status: 400, "expected /portForward/NAMESPACE/POD?port=PORT, found \(exchange.request.path)")
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
