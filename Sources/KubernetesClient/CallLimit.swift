// A call to a server that may hang, bounded in time.

public enum CallLimit {
    /// The call's answer, or `KubernetesAPIError.transport` when there is none within `limit`; the call is cancelled then.
    public static func within<Value: Sendable>(
        _ limit: Duration, _ what: String, _ call: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await call() }
            group.addTask {
                // The call's deadline; cancelled when it answers before.
                try await Task.sleep(for: limit)
                throw KubernetesAPIError.transport("\(what): no answer within \(limit)")
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }
}
