// A client that asks no more often than it was told: a guest in somebody else's cluster must not crowd out its own parts.
import KubernetesModel
import Synchronization

/// Tokens that come at a steady rate, as many at once as have gathered. Pure.
struct TokenBucket: Sendable {
    let perSecond: Double
    let burst: Double
    private var level: Double
    private var last: Duration = .zero

    init(perSecond: Double, burst: Int) {
        self.perSecond = perSecond
        self.burst = Double(max(burst, 1))
        level = self.burst
    }

    /// Takes one token, and says how long to wait for it: whoever comes later waits behind.
    mutating func take(at time: Duration) -> Duration {
        level = min(burst, level + max(0, (time - last) / .seconds(1)) * perSecond)
        last = max(last, time)
        level -= 1
        return level >= 0 ? .zero : .seconds(-level / perSecond)
    }
}

public final class RateLimitedAPI: KubernetesAPI, Sendable {
    private let api: any KubernetesAPI
    private let bucket: Mutex<TokenBucket>
    private let start = ContinuousClock.now

    /// Bound of the wait: as many callers as there are, each once.
    public init(_ api: any KubernetesAPI, perSecond: Double, burst: Int) {
        self.api = api
        bucket = Mutex(TokenBucket(perSecond: perSecond, burst: burst))
    }

    private func turn() async throws {
        let pause = bucket.withLock { $0.take(at: ContinuousClock.now - start) }
        if pause > .zero { try await Task.sleep(for: pause) }
    }

    public func get(_ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?) async throws
        -> [UInt8]
    {
        try await turn()
        return try await api.get(resource, namespace: namespace, name: name, subresource: subresource)
    }

    public func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try await turn()
        return try await api.list(resource, namespace: namespace, options: options)
    }

    public func page(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> ObjectPage {
        try await turn()
        return try await api.page(resource, namespace: namespace, options: options)
    }

    public func watch(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> any WatchStream
    {
        try await turn()
        return try await api.watch(resource, namespace: namespace, options: options)
    }

    public func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await turn()
        return try await api.create(resource, namespace: namespace, name: name, subresource: subresource, body: body)
    }

    public func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await turn()
        return try await api.update(resource, namespace: namespace, name: name, subresource: subresource, body: body)
    }

    public func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8] {
        try await turn()
        return try await api.patch(resource, namespace: namespace, name: name, subresource: subresource, type: type, body: body)
    }

    public func delete(
        _ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> [UInt8] {
        try await turn()
        return try await api.delete(resource, namespace: namespace, name: name, options: options)
    }
}
