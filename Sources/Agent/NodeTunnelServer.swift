// The node's end of the tunnel to the master: answers what `kubectl logs` and friends ask of this node, over the connection
// that the agent itself opened.
import Glibc
import KubernetesClient
import Logging
import RuntimeInterface

/// Finds a container's log; the container name "" means the pod's only one. nil: no such pod or container here.
public typealias ContainerLogLocating =
    @Sendable (_ namespace: String, _ pod: String, _ container: String, _ previous: Bool) async -> ContainerLog?

public struct NodeTunnelServer: Sendable {
    /// Answers under way at once; more are refused with 503, so that a mad client cannot fill the agent.
    static let maximumAnswers = 64
    static let firstRetry = Duration.milliseconds(200)
    static let longestRetry = Duration.seconds(15)

    let node: String
    let dialer: any NodeTunnelDialing
    let locateLog: ContainerLogLocating
    let logger: Logger
    /// The time so many seconds ago as RFC 3339 text in UTC, comparable with a log's.
    let secondsAgo: @Sendable (Int) -> String
    /// What else the node answers; the longest prefix that fits counts.
    let routes: [NodeTunnelRoute]

    public init(
        node: String, dialer: any NodeTunnelDialing, logger: Logger, secondsAgo: @escaping @Sendable (Int) -> String,
        routes: [NodeTunnelRoute] = [], locateLog: @escaping ContainerLogLocating
    ) {
        self.node = node
        self.dialer = dialer
        self.locateLog = locateLog
        self.logger = logger
        self.secondsAgo = secondsAgo
        self.routes = routes.sorted { $0.prefix.utf8.count > $1.prefix.utf8.count }
    }

    /// Serves until cancelled; a tunnel that breaks is opened again with a growing, jittered pause.
    public func run() async {
        var pause = Self.firstRetry
        while !Task.isCancelled {
            do {
                let tunnel = try await dialer.openTunnel(node: node)
                pause = Self.firstRetry
                try await serve(tunnel)
            } catch is CancellationError {
                return
            } catch {
                logger.debug("tunnel to the master broke", metadata: ["error": "\(error)", "retry": "\(pause)"])
            }
            try? await Task.sleep(for: pause * Double.random(in: 0.8...1.2))
            pause = min(pause * 2, Self.longestRetry)
        }
    }

    private func serve(_ tunnel: any NodeTunnel) async throws {
        try await withTaskCancellationHandler {
            try await withThrowingTaskGroup(of: Void.self) { answers in
                var under = 0
                while let request = try await tunnel.nextRequest() {
                    if under >= Self.maximumAnswers {
                        _ = try await answers.next()
                        under -= 1
                    }
                    under += 1
                    answers.addTask { await answer(request, tunnel) }
                }
                answers.cancelAll()
            }
        } onCancel: {
            Task { await tunnel.close() }
        }
        await tunnel.close()
    }

    private func answer(_ request: TunnelRequest, _ tunnel: any NodeTunnel) async {
        do {
            let exchange = NodeTunnelExchange(request: request, tunnel: tunnel)
            for route in routes where route.fits(exchange.path) {
                if await route.claims(exchange) { return try await route.answer(exchange) }
            }
            guard let asked = ContainerLogRequest(request.path), request.method == "GET" else {
                return try await refuse(
                    request, tunnel, status: 404, "this node does not serve \(request.method) \(request.path)")
            }
            let what = "container \"\(asked.container)\" in pod \"\(asked.namespace)/\(asked.pod)\""
            let source: ContainerLogFile
            switch await locateLog(asked.namespace, asked.pod, asked.container, asked.previous) {
            case .file(let file): source = file
            case .absent(let reason): return try await refuse(request, tunnel, status: 400, reason)
            case nil: return try await refuse(request, tunnel, status: 404, "\(what) has no log on node \(node)")
            }
            var query = asked.query
            if let seconds = asked.sinceSeconds { query.since = secondsAgo(seconds) }
            let reader = ContainerLogReader(path: source.path, query: query)
            try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { body in
                try await reader.copy(ended: source.ended) { try await body.write($0) }
            }
        } catch {
            logger.debug("answer given up", metadata: ["path": "\(request.path)", "error": "\(error)"])
        }
    }

    private func refuse(_ request: TunnelRequest, _ tunnel: any NodeTunnel, status: Int, _ message: String) async throws {
        try await tunnel.respond(to: request.id, status: status, contentType: "text/plain") { body in
            try await body.write(Array((message + "\n").utf8))
        }
    }
}

/// "/containerLogs/NAMESPACE/POD/CONTAINER?follow=true&tailLines=5" taken apart.
struct ContainerLogRequest: Sendable, Equatable {
    var namespace: String
    var pod: String
    var container: String
    var previous = false
    var sinceSeconds: Int?
    var query = ContainerLogQuery()

    init?(_ path: String) {
        let parts = path.split(separator: "?", maxSplits: 1)
        let names = (parts.first ?? "").split(separator: "/", omittingEmptySubsequences: true).map(String.init)
        guard names.count >= 3, names.count <= 4, names[0] == "containerLogs" else { return nil }
        namespace = names[1]
        pod = names[2]
        container = names.count == 4 ? names[3] : ""
        for pair in (parts.count == 2 ? parts[1] : "").split(separator: "&") {
            let member = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            read(String(member[0]), member.count == 2 ? String(member[1]) : "true")
        }
    }

    private mutating func read(_ name: String, _ value: String) {
        switch name {
        case "follow": query.follow = value == "true" || value == "1"
        case "timestamps": query.timestamps = value == "true" || value == "1"
        case "previous": previous = value == "true" || value == "1"
        case "tailLines": query.tailLines = Int(value)
        case "limitBytes": query.limitBytes = Int(value)
        case "sinceSeconds": sinceSeconds = Int(value)
        case "sinceTime": query.since = LogTime.normal(LogTime.percentDecoded(value))
        default: break  // Others are the kubelet's and mean nothing for one log file.
        }
    }
}
