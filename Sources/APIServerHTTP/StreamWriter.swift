// The way out for a task that writes a body piece by piece: pod logs and node tunnels.
import NIOCore

/// Sendable because every use of the connection goes through its loop.
struct StreamWriter: Sendable {
    let connection: NIOLoopBound<ConnectionHandler>
    let loop: any EventLoop

    /// Suspends while the peer is behind. Throws once the connection has gone.
    func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        let promise = loop.makePromise(of: Void.self)
        if loop.inEventLoop {
            connection.value.writePiece(bytes, promise)
        } else {
            let connection = connection
            loop.execute { connection.value.writePiece(bytes, promise) }
        }
        try await promise.futureResult.get()
    }
}
