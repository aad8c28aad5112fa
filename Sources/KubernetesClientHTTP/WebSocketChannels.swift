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
                    let end = await Self.converse(
                        inbound, Outbound(frames: outbound, loop: socket.channel.eventLoop), incoming, outgoing, portPrefixes, liveness,
                        patience)
                    // Told before the connection has closed, which may take its time.
                    incoming.finish(throwing: end)
                    outgoing.abandon()
                }
            } catch {
                // The conversation is over, however its connection closed.
                incoming.finish()
            }
        }
    }

    /// Until the other side's end or its silence; one to whom nothing can be sent any more may have said its last word, which is still to
    /// be read. Returns why it broke; nil: in order.
    private static func converse(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: Outbound, _ incoming: BytePipe,
        _ outgoing: BytePipe, _ portPrefixes: Set<UInt8>, _ liveness: Liveness, _ patience: Patience
    ) async -> KubernetesAPIError? {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await send(from: outgoing, outbound, liveness) }
                group.addTask { await ping(outbound, every: patience.ping) }
                group.addTask {
                    try await receive(inbound, outbound, portPrefixes, into: incoming, liveness)
                    throw Ended()
                }
                group.addTask { try await liveness.watch(patience.silence) }
                defer { group.cancelAll() }
                while try await group.next() != nil {}
            }
        } catch {
            if error is Ended || error is CancellationError { return nil }
            return .transport("the connection broke: \(error)")
        }
        return nil
    }

    /// Received whole.
    private struct Ended: Error {}

    deinit { task.cancel() }

    /// What is sent, no faster than the loop writes it: a loop that always finds something to write would read nothing.
    private struct Outbound: Sendable {
        let frames: NIOAsyncChannelOutboundWriter<WebSocketFrame>
        let loop: any EventLoop

        func write(_ opcode: WebSocketOpcode, _ messages: [ByteBuffer] = [ByteBuffer()]) async throws {
            try await frames.write(
                contentsOf: messages.map { WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: $0) })
            try await loop.submit {}.get()
        }
    }

    private static func ping(_ outbound: Outbound, every interval: Duration) async {
        // The pace of the pings, until the conversation's end cancels it.
        while (try? await Task.sleep(for: interval)) != nil {
            guard (try? await outbound.write(.ping)) != nil else { return }
        }
    }

    /// Until `close`, or until nothing can be sent any more: then whoever sends is told.
    private static func send(from pipe: BytePipe, _ outbound: Outbound, _ liveness: Liveness) async {
        defer { pipe.abandon() }
        do {
            var reader = ChannelFrameReader()
            while let bytes = try await pipe.next() {
                let messages = try reader.append(bytes).map { ByteBuffer(bytes: [$0.channel] + $0.bytes) }
                // A command that does not read its input is no dead server.
                try await liveness.paused { try await outbound.write(.binary, messages) }
            }
            try await outbound.write(.connectionClose)
        } catch {
            // Why is told by the receiving side.
        }
    }

    private static func receive(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: Outbound, _ portPrefixes: Set<UInt8>,
        into pipe: BytePipe, _ liveness: Liveness
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
                // One that cannot be answered has ended, or will soon: what it said before is still read.
                try? await outbound.write(.pong, [frame.unmaskedData])
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
