// The master's side of the node tunnels: keeps one open tunnel per node, hands requests to it, and joins each answer, which
// arrives in a request of the node's own, with whoever waits for it.
//
// Wire format (HTTP/1.1, node's client certificate required):
//   GET  /apis/swiftlet.io/v1alpha1/nodes/NODE/tunnel       200, chunked lines of TunnelRequest JSON; "{}" every 15 s
//   POST /apis/swiftlet.io/v1alpha1/nodes/NODE/tunnel/ID    the answer: X-Swiftlet-Status, Content-Type, streamed body
//   GET  /apis/swiftlet.io/v1alpha1/nodes/NODE/tunnel/ID/input   what the caller sends (exec, attach, port-forward), streamed
//
// Exec and attach frame both directions: a channel's byte, a length of four bytes (big endian), the bytes. To the node: 0 stdin,
// 4 a terminal's size {"Width":80,"Height":24}, 255 the end of the channel that is its one byte. From the node: 1 stdout, 2 stderr,
// 3 the final metav1.Status. A port-forward is one connection, unframed. The caller's side is APIServerHTTP/Streams.
import JSON
import KubernetesClient
import Synchronization

public enum NodeTunnelError: Error, Sendable, Hashable, CustomStringConvertible {
    case notConnected(node: String)
    /// The node has too many unanswered requests.
    case busy(node: String)
    /// The node did not begin to answer in time.
    case timedOut(node: String)
    /// The node's connection broke before or within the answer.
    case broken(node: String)

    public var description: String {
        switch self {
        case .notConnected(let node): "node \"\(node)\" is not connected to this master"
        case .busy(let node): "node \"\(node)\" has \(NodeTunnelHub.maximumPendingPerNode) requests under way already"
        case .timedOut(let node): "node \"\(node)\" did not answer within \(NodeTunnelHub.answerDeadline)"
        case .broken(let node): "the connection of node \"\(node)\" broke"
        }
    }
}

public final class NodeTunnelHub: Sendable {
    /// Requests of one node that wait for an answer or are being answered; more are refused.
    public static let maximumPendingPerNode = 64
    /// Time until the answer's head.
    public static let answerDeadline = Duration.seconds(10)
    static let heartbeatInterval = Duration.seconds(15)

    private struct State {
        var sessions: [String: TunnelSession] = [:]
        var pending: [String: PendingAnswer] = [:]
        var nextID: UInt64 = 0
        var isShuttingDown = false
    }

    private let state = Mutex(State())
    /// Makes ids unguessable across restarts: an answer to the last life's request must not meet a new one.
    private let lifeID = String(UInt64.random(in: .min ... .max), radix: 36)

    public init() {}

    public var connectedNodes: [String] { state.withLock { $0.sessions.keys.sorted() } }

    // MARK: The caller's side

    /// Asks a node. Returns when the node began to answer. Throws `NodeTunnelError`.
    public func request(node: String, method: String, path: String) async throws -> TunnelAnswer {
        // Asked with every request: what a caller says, and hears, is for nobody but whose the node is.
        if let session = state.withLock({ $0.sessions[node] }), !session.isItsOwn() { close(session) }
        let (session, pending) = try enqueue(node: node)
        guard session.send(TunnelRequest(id: pending.id, method: method, path: path)) else {
            forget(pending)
            throw NodeTunnelError.notConnected(node: node)
        }
        do {
            let head = try await pending.head(deadline: Self.answerDeadline)
            return TunnelAnswer(head: head, pending: pending, hub: self)
        } catch {
            pending.cancel()
            forget(pending)
            throw error
        }
    }

    private func enqueue(node: String) throws -> (TunnelSession, PendingAnswer) {
        try state.withLock { state in
            guard let session = state.sessions[node] else { throw NodeTunnelError.notConnected(node: node) }
            let busy = state.pending.values.count { $0.node == node }
            guard busy < Self.maximumPendingPerNode else { throw NodeTunnelError.busy(node: node) }
            state.nextID += 1
            let pending = PendingAnswer(id: "\(lifeID)-\(state.nextID)", node: node)
            state.pending[pending.id] = pending
            return (session, pending)
        }
    }

    func forget(_ pending: PendingAnswer) {
        state.withLock { _ = $0.pending.removeValue(forKey: pending.id) }
    }

    // MARK: The node's side

    /// A node opened its tunnel: the newest wins, an older one ends. nil while the server shuts down. `isItsOwn`: whether the
    /// node's name still belongs to whoever opened it.
    func open(node: String, isItsOwn: @escaping @Sendable () -> Bool = { true }) -> TunnelSession? {
        let session = TunnelSession(node: node, isItsOwn: isItsOwn)
        let (accepted, old) = state.withLock { state -> (Bool, TunnelSession?) in
            guard !state.isShuttingDown else { return (false, nil) }
            return (true, state.sessions.updateValue(session, forKey: node))
        }
        old?.end()
        return accepted ? session : nil
    }

    /// The tunnel's connection is gone. Answers that have begun come by connections of their own and go on.
    func close(_ session: TunnelSession) {
        session.end()
        let orphans: [PendingAnswer] = state.withLock { state in
            guard state.sessions[session.node] === session else { return [] }
            state.sessions[session.node] = nil
            return state.pending.values.filter { $0.node == session.node }
        }
        for orphan in orphans { orphan.failUnlessAnswering(NodeTunnelError.broken(node: session.node)) }
    }

    /// The request that an answer of `node` belongs to; nil when it was given up, or never was this node's.
    func pendingAnswer(_ id: String, node: String) -> PendingAnswer? {
        state.withLock { state in
            guard let pending = state.pending[id], pending.node == node else { return nil }
            return pending
        }
    }

    // MARK: Life

    func heartbeat() {
        for session in state.withLock({ Array($0.sessions.values) }) { session.heartbeat() }
    }

    func shutDown() {
        let (sessions, pending) = state.withLock { state in
            defer {
                state.sessions = [:]
                state.pending = [:]
            }
            state.isShuttingDown = true
            return (Array(state.sessions.values), Array(state.pending.values))
        }
        for session in sessions { session.end() }
        for answer in pending {
            answer.failUnlessAnswering(NodeTunnelError.broken(node: answer.node))
            answer.cancel()
        }
    }
}

/// One open tunnel: the lines that wait to be sent to the node.
final class TunnelSession: Sendable {
    let node: String
    let isItsOwn: @Sendable () -> Bool

    private struct State {
        var lines: [UInt8] = []
        var ended = false
        var reader: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    init(node: String, isItsOwn: @escaping @Sendable () -> Bool) {
        self.node = node
        self.isItsOwn = isItsOwn
    }

    /// False when the tunnel has ended. The queue is bounded by `maximumPendingPerNode`.
    func send(_ request: TunnelRequest) -> Bool {
        guard let line = try? JSON.encode(request) else { return false }
        return append(line)
    }

    func heartbeat() { _ = append(Array("{}".utf8)) }

    /// Whole lines; nil at the end.
    func next() async -> [UInt8]? {
        while true {
            let (lines, ended) = state.withLock { state in
                defer { state.lines = [] }
                return (state.lines, state.ended)
            }
            if !lines.isEmpty { return lines }
            if ended { return nil }
            await withCheckedContinuation { continuation in
                let mayGoOn = state.withLock { state in
                    guard state.lines.isEmpty, !state.ended else { return true }
                    state.reader = continuation
                    return false
                }
                if mayGoOn { continuation.resume() }
            }
        }
    }

    func end() {
        state.withLock { $0.ended = true }
        wake()
    }

    private func append(_ line: [UInt8]) -> Bool {
        let accepted = state.withLock { state in
            guard !state.ended else { return false }
            state.lines += line
            state.lines.append(UInt8(ascii: "\n"))
            return true
        }
        if accepted { wake() }
        return accepted
    }

    private func wake() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }
}
