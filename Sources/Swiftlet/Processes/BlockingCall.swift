// Blocking system calls beside the cooperative pool, whose few threads must never wait.
import Dispatch

enum BlockingCall {
    private static let queue = DispatchQueue(label: "swiftlet.blocking", attributes: .concurrent)

    static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: body()) }
        }
    }
}
