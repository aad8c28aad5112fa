// Connections of probes from the node to a pod's address, plain or by TLS, on SwiftNIO.
import Agent
import NIOCore
import NIOPosix
import NIOSSL
import RuntimeInterface

/// Dials on a shared event loop. TLS takes any certificate, as a kubelet's probes do: what is asked is whether somebody answers.
public final class NodeDialer: ProbeDialing {
    /// Whoever probes has a shorter deadline of its own; this one ends what nobody waits for any more.
    static let connectTimeout = TimeAmount.seconds(60)

    private let group: any EventLoopGroup
    private let tls: NIOSSLContext

    /// Throws when the TLS library refuses its own defaults.
    public init(group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) throws {
        self.group = group
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.certificateVerification = .none
        tls = try NIOSSLContext(configuration: configuration)
    }

    public func connect(host: String, port: UInt16, tls isTLS: Bool) async throws -> any ByteStream {
        let context = isTLS ? tls : nil
        // Server names are for names: an address is not sent (RFC 6066, section 3).
        let isAddress = (try? SocketAddress(ipAddress: host, port: Int(port))) != nil
        let stream = DialedStream()
        _ = try await ClientBootstrap(group: group)
            .connectTimeout(Self.connectTimeout)
            .channelOption(.allowRemoteHalfClosure, value: !isTLS)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(stream)
                }
            }
            .connect(host: host, port: Int(port)).get()
        return stream
    }
}
