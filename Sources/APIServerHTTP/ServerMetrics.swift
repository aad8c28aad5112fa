// Counters of the front, in Prometheus' text format under Kubernetes' names (GET /metrics).
import NIOCore
import Synchronization

final class ServerMetrics: Sendable {
    /// Series are few by construction: verbs x resources; whatever comes beyond this is counted as "other".
    private static let maximumSeries = 1000
    /// Upper bounds in seconds, a part of kube-apiserver's.
    static let buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    struct Series: Hashable {
        var verb: String
        var resource: String
    }

    /// All requests of one verb and resource.
    struct Counts {
        var codes: [Int: Int] = [:]
        var buckets = [Int](repeating: 0, count: ServerMetrics.buckets.count + 1)
        var seconds = 0.0

        mutating func add(code: Int, seconds: Double) {
            codes[code, default: 0] += 1
            self.seconds += seconds
            let index = ServerMetrics.buckets.firstIndex { seconds <= $0 } ?? ServerMetrics.buckets.count
            buckets[index] += 1
        }
    }

    struct State {
        var requests: [Series: Counts] = [:]
        var watches: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let nextID = Atomic<UInt64>(0)
    private let openConnections = Atomic<Int>(0)
    private let answering = Atomic<Int>(0)
    private let lifeID = String(UInt32.random(in: .min ... .max), radix: 16)

    /// Unique over restarts.
    func nextRequestID() -> String {
        lifeID + "-" + String(nextID.add(1, ordering: .relaxed).newValue, radix: 16)
    }

    func ended(_ request: CurrentRequest, code: Int) {
        let seconds = Double((NIODeadline.now() - request.began).nanoseconds) / 1e9
        var series = RequestLabels.series(method: request.method, uri: request.uri)
        state.withLock { state in
            // Unknown paths are made up by callers: they must not grow the table.
            if code == 404 || state.requests.count >= Self.maximumSeries, state.requests[series] == nil {
                series.resource = "other"
            }
            state.requests[series, default: Counts()].add(code: code, seconds: seconds)
        }
    }

    /// How many there are now.
    func connectionOpened() -> Int { openConnections.add(1, ordering: .relaxed).newValue }
    func connectionClosed() { openConnections.subtract(1, ordering: .relaxed) }
    var connections: Int { openConnections.load(ordering: .relaxed) }

    func answerBegan() { answering.add(1, ordering: .relaxed) }
    func answerEnded() { answering.subtract(1, ordering: .relaxed) }
    var inFlight: Int { answering.load(ordering: .relaxed) }

    func watchBegan(_ resource: String) { state.withLock { $0.watches[resource, default: 0] += 1 } }

    func watchEnded(_ resource: String) {
        state.withLock { state in
            guard let count = state.watches[resource] else { return }
            state.watches[resource] = count > 1 ? count - 1 : nil
        }
    }

    func watches(of resource: String) -> Int { state.withLock { $0.watches[resource] ?? 0 } }

    var openWatches: Int { state.withLock { $0.watches.values.reduce(0, +) } }
    var snapshot: State { state.withLock { $0 } }
}

/// The labels of a request, of few values, whatever names are asked for.
enum RequestLabels {
    static func series(method: String, uri: String) -> ServerMetrics.Series {
        let mark = uri.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = uri[..<(mark ?? uri.endIndex)]
        let isRead = method == "GET" || method == "HEAD"
        var verb = isRead || method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" ? method : "other"
        if isRead {
            if let mark, uri[mark...].utf8.firstRange(of: "watch=".utf8) != nil {
                verb = "WATCH"
            } else if isCollection(path) {
                verb = "LIST"
            }
        }
        return ServerMetrics.Series(verb: verb, resource: resource(of: String(path)))
    }

    private static func isCollection(_ path: Substring) -> Bool {
        RequestCost.isWholeCollection(method: "GET", uri: String(path))
    }

    /// The plural of the path with its subresource, or the path's first segment.
    static func resource(of path: String) -> String {
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
        let skipped = parts.first == "api" ? 2 : parts.first == "apis" ? 3 : 0
        guard skipped > 0, parts.count > skipped else { return plain(parts.first ?? "") }
        let rest = parts[skipped...]
        let isBelowNamespace = rest.first == "namespaces" && rest.count > 2
        return plain(isBelowNamespace ? rest[rest.startIndex + 2] : rest[rest.startIndex])
    }

    private static func plain(_ text: Substring) -> String {
        text.utf8.allSatisfy { ($0 | 0x20) >= UInt8(ascii: "a") && ($0 | 0x20) <= UInt8(ascii: "z") } ? String(text) : "other"
    }
}
