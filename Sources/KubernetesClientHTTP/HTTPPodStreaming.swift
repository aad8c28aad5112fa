// exec, attach and port-forward over WebSockets: v5.channel.k8s.io, v4 with servers that know no newer one.
// https://kubernetes.io/docs/reference/using-api/ and KEP-4006
import KubernetesClient
import KubernetesModel
import NIOCore
import NIOWebSocket
import Synchronization

extension HTTPKubernetesAPI: PodStreaming {
    static let channelProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"]

    public func open(_ command: PodCommand, namespace: String, pod: String) async throws -> any PodChannels {
        var query: [(String, String?)] = command.command.map { ("command", $0) }
        query.append(("container", command.container.isEmpty ? nil : command.container))
        for (name, isOn) in [("stdin", command.stdin), ("stdout", command.stdout), ("stderr", command.stderr), ("tty", command.tty)] {
            query.append((name, isOn ? "true" : "false"))
        }
        let (socket, name) = try await dial(namespace, pod, command.verb.rawValue, query, Self.channelProtocols)
        return WebSocketChannels(socket, closesChannels: name == Self.channelProtocols[0], portPrefixes: [])
    }

    public func openPort(_ port: UInt16, namespace: String, pod: String) async throws -> any PodChannels {
        let (socket, _) = try await dial(namespace, pod, "portforward", [("ports", "\(port)")], ["v4.channel.k8s.io"])
        return WebSocketChannels(socket, closesChannels: false, portPrefixes: [0, 1])
    }

    private func dial(
        _ namespace: String, _ pod: String, _ subresource: String, _ query: [(String, String?)], _ protocols: [String]
    ) async throws -> (socket: WebSocketDialer.Socket, subprotocol: String) {
        let path = RequestURL.path(Pod.resource, namespace: namespace, name: pod, subresource: subresource)
        return try await webSocketDialer().dial(path + RequestURL.query(query), subprotocols: protocols)
    }
}

/// One WebSocket's messages. A task of its own reads it, no faster than they are taken.
final class WebSocketChannels: PodChannels {
    private struct Reader {
        var frames = ChannelFrameReader()
        var waiting: [ChannelFrame] = []
    }

    let closesChannels: Bool
    /// Bounded on both sides: a writer waits while the reader is behind.
    private let incoming = BytePipe()
    private let outgoing = BytePipe()
    private let reader = Mutex(Reader())
    private let task: Task<Void, Never>

    /// Channels of `portPrefixes` begin with a port's number (two bytes), which is taken off.
    init(_ socket: WebSocketDialer.Socket, closesChannels: Bool, portPrefixes: Set<UInt8>) {
        self.closesChannels = closesChannels
        let (incoming, outgoing) = (incoming, outgoing)
        task = Task {
            do {
                try await socket.executeThenClose { inbound, outbound in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask { try await Self.send(from: outgoing, outbound) }
                        group.addTask { try await Self.receive(inbound, outbound, portPrefixes, into: incoming) }
                        // Whichever side ends first ends the conversation.
                        defer { group.cancelAll() }
                        try await group.next()
                    }
                }
                incoming.finish()
            } catch {
                incoming.finish(throwing: error is CancellationError ? nil : KubernetesAPIError.transport("the connection broke: \(error)"))
            }
            outgoing.abandon()
        }
    }

    deinit { task.cancel() }

    private static func send(from pipe: BytePipe, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>) async throws {
        var reader = ChannelFrameReader()
        while let bytes = try await pipe.next() {
            for frame in try reader.append(bytes) {
                let message = ByteBuffer(bytes: [frame.channel] + frame.bytes)
                try await outbound.write(WebSocketFrame(fin: true, opcode: .binary, maskKey: .random(), data: message))
            }
        }
        try await outbound.write(WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: .random(), data: ByteBuffer()))
    }

    private static func receive(
        _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>,
        _ portPrefixes: Set<UInt8>, into pipe: BytePipe
    ) async throws {
        var prefixed = portPrefixes
        for try await frame in inbound {
            switch frame.opcode {
            case .binary, .text:
                let message = Array(frame.unmaskedData.readableBytesView)
                guard let channel = message.first else { continue }
                let skipped = prefixed.remove(channel) == nil ? 1 : 3
                let bytes = Array(message.dropFirst(skipped))
                // Servers send each channel once without bytes, to say that it is there.
                if !bytes.isEmpty { try await pipe.write(ChannelFrame(channel, bytes).encoded) }
            case .ping: try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, maskKey: .random(), data: frame.unmaskedData))
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
