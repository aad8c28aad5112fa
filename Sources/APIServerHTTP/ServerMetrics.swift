// Counters of the front, in Prometheus' text format (GET /metrics, administrators only).
import Synchronization

final class ServerMetrics: Sendable {
    /// Series are few by construction: verbs x resources x codes; whatever comes beyond this is counted as "other".
    private static let maximumSeries = 1000

    private struct Series: Hashable {
        var method: String
        var resource: String
        var code: Int
    }

    private struct State {
        var requests: [Series: Int] = [:]
        var watches = 0
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())
    private let lifeID = String(UInt32.random(in: .min ... .max), radix: 16)

    func nextRequestID() -> String {
        let number = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return "\(lifeID)-\(number)"
    }

    func count(method: String, path: String, code: Int) {
        var series = Series(method: method, resource: Self.resource(of: path), code: code)
        state.withLock { state in
            // Unknown paths are made up by callers: they must not grow the table.
            if code == 404 || state.requests.count >= Self.maximumSeries, state.requests[series] == nil {
                series.resource = "other"
            }
            state.requests[series, default: 0] += 1
        }
    }

    func watchBegan() { state.withLock { $0.watches += 1 } }
    func watchEnded() { state.withLock { $0.watches -= 1 } }
    var openWatches: Int { state.withLock { $0.watches } }

    func text(connections: Int, tunnels: Int) -> String {
        let (requests, watches) = state.withLock { ($0.requests, $0.watches) }
        let lines = requests.map { series, count in
            "apiserver_request_total{verb=\"\(series.method)\",resource=\"\(series.resource)\",code=\"\(series.code)\"} \(count)"
        }
        return """
            # HELP apiserver_request_total Requests by method, resource and status code.
            # TYPE apiserver_request_total counter
            \(lines.sorted().joined(separator: "\n"))
            # HELP apiserver_longrunning_requests Watches that are open now.
            # TYPE apiserver_longrunning_requests gauge
            apiserver_longrunning_requests{verb="WATCH"} \(watches)
            # HELP swiftlet_connections Client connections that are open now.
            # TYPE swiftlet_connections gauge
            swiftlet_connections \(connections)
            # HELP swiftlet_node_tunnels Nodes whose tunnel is open now.
            # TYPE swiftlet_node_tunnels gauge
            swiftlet_node_tunnels \(tunnels)

            """
    }

    /// The plural of the path, or its first segment: few values, whatever names are asked for.
    private static func resource(of path: String) -> String {
        let parts = path.prefix { $0 != "?" }.split(separator: "/")
        let skipped = parts.first == "api" ? 2 : parts.first == "apis" ? 3 : 0
        guard skipped > 0, parts.count > skipped else { return plain(parts.first ?? "") }
        let rest = parts.dropFirst(skipped)
        let isBelowNamespace = rest.first == "namespaces" && rest.count > 2
        return plain(isBelowNamespace ? rest[rest.startIndex + 2] : rest[rest.startIndex])
    }

    private static func plain(_ text: Substring) -> String {
        text.utf8.allSatisfy { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") } ? String(text) : "other"
    }
}
