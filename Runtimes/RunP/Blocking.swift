// System calls that may block run here, never on Swift's cooperative pool.

import Dispatch

enum Blocking {
    private static let queue = DispatchQueue(label: "swiftlet.runp.blocking", attributes: .concurrent)

    static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
