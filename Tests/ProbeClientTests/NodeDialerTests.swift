// Connections of probes over real sockets of the loopback.
import NIOCore
import NIOPosix
import RuntimeInterface
import Testing

@testable import ProbeClient

/// Answers whatever comes with a fixed text and ends the connection.
private final class Answering: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let text: String

    init(_ text: String) { self.text = text }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = context.channel
        channel.writeAndFlush(channel.allocator.buffer(string: text)).whenComplete { _ in channel.close(promise: nil) }
    }
}

@Suite("a probe's connection", .timeLimit(.minutes(1)))
struct NodeDialerTests {
    private func serve(_ text: String) async throws -> any Channel {
        try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Answering(text)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    @Test("carries what is written and what is answered, and tells the end")
    func carries() async throws {
        let server = try await serve("HTTP/1.1 204 No Content\r\n\r\n")
        let port = try #require(server.localAddress?.port.flatMap { UInt16(exactly: $0) })
        let stream = try await NodeDialer().connect(host: "127.0.0.1", port: port, tls: false)
        try await stream.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        var received: [UInt8] = []
        while let piece = try await stream.read() { received += piece }
        #expect(String(decoding: received, as: UTF8.self) == "HTTP/1.1 204 No Content\r\n\r\n")
        await stream.close()
        try await server.close()
    }

    @Test("a port on which nobody listens is refused")
    func refused() async throws {
        let server = try await serve("")
        let port = try #require(server.localAddress?.port.flatMap { UInt16(exactly: $0) })
        try await server.close()
        await #expect(throws: (any Error).self) { try await NodeDialer().connect(host: "127.0.0.1", port: port, tls: false) }
    }
}
