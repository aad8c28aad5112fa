// System calls that may block run here, never on Swift's cooperative pool.

import Dispatch

package enum Blocking {
    private static let queue = DispatchQueue(label: "swiftlet.local.blocking", attributes: .concurrent)

    package static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
