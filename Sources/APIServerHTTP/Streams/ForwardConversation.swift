// port-forward: each forwarded connection is one request through the node's tunnel, with plain bytes in both directions.
import KubernetesClient
import Synchronization

struct ForwardConversation: Sendable {
    let hub: NodeTunnelHub
    let node: String
    /// "/portForward/NAMESPACE/POD"
    let path: String

    // MARK: SPDY, bare or in a WebSocket

    /// The caller opens two streams for each connection, "error" and then "data", with one `requestid`.
    func converse(overSPDY connection: UpgradedConnection) async {
        let session = SPDYSession(connection)
        let pairs = ForwardPairs()
        await withTaskGroup(of: Void.self) { tasks in
            let (opened, opener) = AsyncStream.makeStream(
                of: (error: SPDYStream, data: SPDYStream).self, bufferingPolicy: .bufferingOldest(512))
            tasks.addTask {
                await session.run { stream in if let pair = pairs.add(stream) { opener.yield(pair) } }
                opener.finish()
            }
            for await (error, data) in opened {
                tasks.addTask {
                    await self.forward(data, errors: error)
                    session.forget(data)
                    session.forget(error)
                }
            }
            tasks.cancelAll()
        }
    }

    private func forward(_ data: SPDYStream, errors: SPDYStream) async {
        if let port = UInt16(data.headers["port"] ?? "") {
            do {
                try await forward(port, next: { try await data.incoming.next() }, send: { try await data.write($0) })
            } catch {
                try? await errors.write(Array("error forwarding port \(port) to pod: \(Self.text(error))".utf8))
            }
        } else {
            try? await errors.write(Array("header port: expected 1 to 65535".utf8))
        }
        data.incoming.abandon()
        await data.finish()
        await errors.finish()
    }

    // MARK: WebSocket channels

    /// v4.channel.k8s.io: the i-th port has channel 2i for bytes and 2i + 1 for an error; each begins with the port, little endian.
    func converse(overWebSocket connection: UpgradedConnection, ports: [UInt16]) async {
        let pipes = ports.map { _ in BytePipe() }
        await untilFirst(
            {
                while let message = await connection.receive() {
                    guard let channel = message.first.map(Int.init), channel % 2 == 0, channel / 2 < pipes.count,
                        message.count > 1
                    else { continue }
                    // Nobody reads a connection that has ended.
                    try? await pipes[channel / 2].write(Array(message.dropFirst()))
                }
            },
            {
                await withTaskGroup(of: Void.self) { tasks in
                    for (index, port) in ports.enumerated() {
                        tasks.addTask { await self.forward(port, UInt8(index * 2), pipes[index], connection) }
                    }
                }
            }, { await connection.untilLeft() })
    }

    private func forward(_ port: UInt16, _ channel: UInt8, _ pipe: BytePipe, _ connection: UpgradedConnection) async {
        let greeting = [UInt8(truncatingIfNeeded: port), UInt8(truncatingIfNeeded: port >> 8)]
        defer { pipe.abandon() }
        do {
            for channel in [channel, channel + 1] { try await connection.send([channel] + greeting) }
            try await forward(port, next: { try await pipe.next() }, send: { try await connection.send([channel] + $0) })
        } catch {
            try? await connection.send([channel + 1] + Array("error forwarding port \(port) to pod: \(Self.text(error))".utf8))
        }
    }

    // MARK: One connection

    private struct Refused: Error, CustomStringConvertible { var description: String }

    private static func text(_ error: any Error) -> String { String("\(error)".prefix(1024)) }

    /// Returns when the server in the pod has closed, or the caller has gone.
    private func forward(
        _ port: UInt16, next: @escaping @Sendable () async throws -> [UInt8]?,
        send: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let answer = try await hub.request(node: node, method: "POST", path: "\(path)?port=\(port)")
        defer { answer.close() }
        guard answer.status == 200 else { throw Refused(description: await answer.refusalText()) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while let bytes = try await next() { try await answer.write(bytes) }
                answer.finishWriting()
            }
            while let bytes = try await answer.next() { try await send(bytes) }
            tasks.cancelAll()
        }
    }
}

extension TunnelAnswer {
    private static let maximumRefusalBytes = 4096

    /// The node's own words.
    func refusalText() async -> String {
        var text: [UInt8] = []
        while text.count < Self.maximumRefusalBytes, let bytes = try? await next() { text += bytes }
        while text.last == UInt8(ascii: "\n") { text.removeLast() }
        return String(decoding: text.prefix(Self.maximumRefusalBytes), as: UTF8.self)
    }
}

/// Streams that wait for their other half.
private final class ForwardPairs: Sendable {
    private let waiting = Mutex<[String: SPDYStream]>([:])

    func add(_ stream: SPDYStream) -> (error: SPDYStream, data: SPDYStream)? {
        // Clients of the first kubectls sent no id: their streams come in pairs anyway.
        let id = stream.headers["requestid"] ?? stream.headers["port"] ?? ""
        let type = stream.headers["streamtype"]
        return waiting.withLock { waiting in
            guard let other = waiting[id], other.headers["streamtype"] != type else {
                waiting[id] = stream
                return nil
            }
            waiting[id] = nil
            return type == "data" ? (other, stream) : (stream, other)
        }
    }
}
