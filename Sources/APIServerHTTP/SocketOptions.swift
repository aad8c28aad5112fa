// What every accepted socket is told.
import Glibc
import NIOCore
import NIOPosix

enum SocketOptions {
    /// A peer that vanished (power, cable) is noticed after about 15 + 3 x 5 s, also when nothing is being sent.
    private static let keepAlive: [(name: CInt, value: Int)] = [(4, 15), (5, 5), (6, 3)]  // TCP_KEEPIDLE, INTVL, CNT

    static func apply(to channel: any Channel) {
        // NIO's sockets are not close-on-exec: a process that this one starts would keep the connection open.
        try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
            _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        }
        guard let options = channel.syncOptions else { return }
        try? options.setOption(.socketOption(.so_keepalive), value: 1)
        try? options.setOption(.tcpOption(.tcp_nodelay), value: 1)
        for option in keepAlive { try? options.setOption(.tcpOption(.init(rawValue: option.name)), value: option.value) }
    }
}
