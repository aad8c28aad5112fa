// One WebSocket to a pod: numbered channels in both directions, bounded in memory, and in time by pings.
import KubernetesClient
import NIOCore
import NIOWebSocket
import Synchronization

/// One WebSocket's messages. A task of its own reads it, no faster than they are taken.
final class WebSocketChannels: PodChannels {
    private struct Reader {
        var frames = ChannelFrameReader()
        var waiting: [ChannelFrame] = []
    }

    /// How often the other side is asked whether it is there, and how long it may say nothing: a connection that a proxy holds open
    /// after its server went would never end else.
    struct Patience: Sendable {
        var ping = Duration.seconds(15)
        var silence = Duration.seconds(60)
    }

    let closesChannels: Bool
    /// Bounded on both sides: a writer waits while the reader is behind.
    private let incoming = BytePipe()
    private let outgoing = BytePipe()
    private let reader = Mutex(Reader())
    private let task: Task<Void, Never>

    /// Channels of `portPrefixes` begin with a port's number (two bytes), which is taken off.
    init(_ socket: WebSocketDialer.Socket, closesChannels: Bool, portPrefixes: Set<UInt8>, patience: Patience = Patience()) {
        self.closesChannels = closesChannels
        let (incoming, outgoing) = (incoming, outgoing)
        let liveness = Liveness()
        task = Task {
            do {
                try await socket.executeThenClose { inbound, outbound in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await Self.send(from: outgoing, outbound, liveness) }
                        group.addTask { try await Self.receive(inbound, outbound, portPrefixes, into: incoming, liveness) }
                        group.addTask { try await Self.ping(outbound, every: patience.ping) }
                        group.addTask { try await liveness.watch(patience.silence) }
                        // Whichever side ends first ends the conversation.
                        defer { group.cancelAll() }
                        try await group.next()
                    }
                }
                incoming.finish()
            } catch {
                incoming.finish(
                    throwing: error is CancellationError ? nil : KubernetesAPIError.transport("the connection broke: \(error)"))
            }
            outgoing.abandon()
        }
    }

    deinit { task.cancel() }

    private static func ping(_ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, every interval: Duration) async throws {
        while true {
            // The pace of the pings, until the conversation's end cancels it.
            try await Task.sleep(for: interval)
            try await outbound.write(WebSocketFrame(fin: true, opcode: .ping, maskKey: .random(), data: ByteBuffer()))
        }
    }

    private static func send(
        from pipe: BytePipe, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ liveness: Liveness
    ) async throws {
        var reader = ChannelFrameReader()
        while let bytes = try await pipe.next() {
            for frame in try reader.append(bytes) {
                let message = ByteBuffer(bytes: [frame.channel] + frame.bytes)
                // A command that does not read its input is no dead server.
                try await liveness.paused {
                    try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: message))
                }
            }
        }
        try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: .random(), data: ByteBuffer()))
    }

    private static func receive(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>,
        _ portPrefixes: Set<UInt8>, into pipe: BytePipe, _ liveness: Liveness
    ) async throws {
        var prefixed = portPrefixes
        for try await frame in inbound {
            liveness.heard()
            switch frame.opcode {
            case .binary, .text:
                let message = Array(frame.unmaskedData.readableBytesView)
                guard let channel = message.first else { continue }
                let skipped = prefixed.remove(channel) == nil ? 1 : 3
                let bytes = Array(message.dropFirst(skipped))
                // Servers send each channel once without bytes, to say that it is there.
                // Nor is one whose output the caller does not take.
                if !bytes.isEmpty { try await liveness.paused { try await pipe.write(ChannelFrame(channel, bytes).encoded) } }
            case .ping:
                try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData))
            case .connectionClose: return
            default: continue
            }
        }
    }

    func receive() async throws -> ChannelFrame? {
        while true {
            if let frame = reader.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) { return frame }
            guard let bytes = try await incoming.next() else { return nil }
            try reader.withLock { reader in reader.waiting += try reader.frames.append(bytes) }
        }
    }

    func send(_ frame: ChannelFrame) async throws { try await outgoing.write(frame.encoded) }

    func close() async {
        outgoing.finish()
        incoming.abandon()
        task.cancel()
    }
}

/// When the other side was last heard; time in which this side is the one that waits does not count.
private final class Liveness: Sendable {
    private struct State {
        var last = ContinuousClock.now
        var pauses = 0
    }

    private let state = Mutex(State())

    func heard() { state.withLock { $0.last = .now } }

    func paused(_ body: () async throws -> Void) async rethrows {
        state.withLock { $0.pauses += 1 }
        defer {
            state.withLock { state in
                state.pauses -= 1
                state.last = .now
            }
        }
        try await body()
    }

    /// Throws when nothing was heard for `limit`.
    func watch(_ limit: Duration) async throws {
        while true {
            // A quarter of the limit is soon enough to see that it is over.
            try await Task.sleep(for: limit / 4)
            let isSilent = state.withLock { $0.pauses == 0 && ContinuousClock.now - $0.last > limit }
            if isSilent { throw KubernetesAPIError.transport("the server said nothing for \(limit)") }
        }
    }
}
