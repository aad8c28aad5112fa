// One SPDY connection that a caller opens streams on. Windows are not kept: no client of Kubernetes keeps them either, so TCP's
// own flow control bounds what is under way, over all streams together.
import KubernetesClient
import Synchronization

/// A stream that the caller opened.
final class SPDYStream: Sendable {
    /// Of one data frame.
    private static let maximumDataBytes = 32 << 10

    let id: UInt32
    let headers: [String: String]
    /// What the caller sends on it, to its end.
    let incoming = BytePipe()
    private let connection: UpgradedConnection
    private let isFinished = Mutex(false)

    init(id: UInt32, headers: [String: String], connection: UpgradedConnection) {
        self.id = id
        self.headers = headers
        self.connection = connection
    }

    func write(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Self.maximumDataBytes)
            rest = rest.dropFirst(piece.count)
            try await connection.send(SPDYEncoder.plain(.data(id: id, Array(piece), finished: false)))
        }
    }

    /// Our half's end. Idempotent.
    func finish() async {
        let isFirst = isFinished.withLock { finished in
            defer { finished = true }
            return !finished
        }
        if isFirst { try? await connection.send(SPDYEncoder.plain(.data(id: id, [], finished: true))) }
    }
}

final class SPDYSession: Sendable {
    /// kubectl opens two for each forwarded connection, and forgets them when it has ended.
    private static let maximumStreams = 512
    /// For the caller to hang up by himself.
    private static let farewell = Duration.seconds(2)

    private let connection: UpgradedConnection
    private let streams = Mutex<[UInt32: SPDYStream]>([:])
    private let ended = Mutex(false)

    init(_ connection: UpgradedConnection) { self.connection = connection }

    /// Serves frames until the caller goes or breaks the protocol. `opened` is called for each new stream and must return quickly.
    func run(opened: @Sendable (SPDYStream) -> Void) async {
        var decoder = SPDYDecoder()
        var encoder = SPDYEncoder()
        defer { for stream in streams.withLock({ $0.values.map(\.self) }) { stream.incoming.finish() } }
        while let bytes = await connection.receive() {
            decoder.append(bytes)
            do {
                while let frame = try decoder.next() {
                    guard try await take(frame, &encoder, opened) else { return }
                }
            } catch {
                return
            }
        }
    }

    /// False at the end.
    private func take(_ frame: SPDYFrame, _ encoder: inout SPDYEncoder, _ opened: @Sendable (SPDYStream) -> Void) async throws
        -> Bool
    {
        switch frame {
        case .openStream(let id, let headers, let finished):
            let stream = SPDYStream(id: id, headers: headers, connection: connection)
            guard add(stream) else { return false }
            try await connection.send(encoder.encode(.reply(id: id)))
            if finished { stream.incoming.finish() }
            opened(stream)
        case .data(let id, let bytes, let finished):
            // A stream that is not read any more takes what still comes, and drops it.
            let stream = streams.withLock { $0[id] }
            if !bytes.isEmpty { try? await stream?.incoming.write(bytes) }
            if finished { stream?.incoming.finish() }
        case .reset(let id, _): streams.withLock { $0.removeValue(forKey: id) }?.incoming.finish()
        case .ping(let id): try await connection.send(SPDYEncoder.plain(.ping(id)))
        case .goAway: return false
        case .reply, .other: break
        }
        return true
    }

    private func add(_ stream: SPDYStream) -> Bool {
        streams.withLock { streams in
            guard streams.count < Self.maximumStreams, streams[stream.id] == nil else { return false }
            streams[stream.id] = stream
            return true
        }
    }

    func forget(_ stream: SPDYStream) { streams.withLock { _ = $0.removeValue(forKey: stream.id) } }

    /// Everything is said: the caller hangs up when he has read it, or is hung up on.
    func farewell() async {
        try? await Task.sleep(for: Self.farewell)
    }
}

/// exec's streams by name, as they are opened.
final class CommandStreams: Sendable {
    /// For all of them to be opened.
    private static let deadline = Duration.seconds(30)

    private struct State {
        var streams: [String: SPDYStream] = [:]
        var waiter: (names: Set<String>, continuation: CheckedContinuation<Bool, Never>)?
    }

    private let state = Mutex(State())

    subscript(_ name: String) -> SPDYStream? { state.withLock { $0.streams[name] } }

    func add(_ stream: SPDYStream) {
        let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            state.streams[stream.headers["streamtype"] ?? ""] = stream
            guard let waiter = state.waiter, waiter.names.isSubset(of: state.streams.keys) else { return nil }
            state.waiter = nil
            return waiter.continuation
        }
        continuation?.resume(returning: true)
    }

    /// False when they were not opened in time.
    func wait(for names: Set<String>) async -> Bool {
        let timeout = Task {
            try await Task.sleep(for: Self.deadline)
            self.giveUp()
        }
        defer { timeout.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known: Bool? = state.withLock { state in
                    if names.isSubset(of: state.streams.keys) { return true }
                    if Task.isCancelled { return false }
                    state.waiter = (names, continuation)
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            giveUp()
        }
    }

    private func giveUp() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.continuation.resume(returning: false)
    }
}
