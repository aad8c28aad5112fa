// System calls that may block run here, never on Swift's cooperative pool.

import RuntimeInterface

package enum Blocking {
    package static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await WorkThreads.perform(body)
    }
}
