// Disk work off the cooperative pool, on NIO's threads for such.
import NIOPosix

enum BlockingFiles {
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
