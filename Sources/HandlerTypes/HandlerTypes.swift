// The generic types of connections' handlers, named once by one thread before several event loops need them at the same time.
import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Swift's runtime (seen with 6.3.1) makes a generic type over a class when it is first named. Of two threads that are the first to name the
/// same one at the same time, one may meet the class half made and follow a null pointer
/// (`swift_conformsToProtocolMaybeInstantiateSuperclasses`, signal 11). A server's first two connections do that, each on its event loop: one
/// start in 700 of a debug build, with clients waiting for it, ended so.
public enum HandlerTypes {
    private static let all = [
        ObjectIdentifier(ByteToMessageHandler<HTTPRequestDecoder>.self),
        ObjectIdentifier(ByteToMessageHandler<HTTPResponseDecoder>.self),
        ObjectIdentifier(ByteToMessageHandler<WebSocketFrameDecoder>.self),
    ]

    /// To be called before the first connection is accepted or opened. Whoever calls it meanwhile waits until all are named.
    public static func name() {
        precondition(Set(all).count == all.count, "a handler's type is listed twice")
    }
}
