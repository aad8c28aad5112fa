// A server that is ill: in front of any other it refuses, hangs, breaks off before the call or after it, ends watches and forgets
// revisions; by a seed, so that a run can be repeated.
import JSON
import KubernetesClient
import KubernetesModel
import Synchronization

/// What goes wrong with one call.
public enum APIFault: Sendable, Hashable, CaseIterable {
    case internalError, unavailable, tooManyRequests, unauthorized
    /// The connection broke before the server saw the call.
    case cutBefore
    /// The server did it, its answer was lost.
    case cutAfter
    case slow
    /// Of a watch: ends in order at once; breaks off behind its first batch; its revision is no longer kept.
    case watchEnds, watchBreaks, watchGone

    static let ofWatches: [APIFault] = [.watchEnds, .watchBreaks, .watchGone, .internalError, .cutBefore]
    static let ofCalls: [APIFault] = [
        .internalError, .unavailable, .tooManyRequests, .unauthorized, .cutBefore, .cutAfter, .slow,
    ]
}

/// SplitMix64: small, and the same everywhere.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

public final class FaultyKubernetesAPI: KubernetesAPI, Sendable {
    private struct State {
        var random: SeededRandom
        var rate: Double
        var planned: [(verb: RecordedCall.Verb?, resource: GroupVersionResource?, fault: APIFault)] = []
        var counts: [APIFault: Int] = [:]
    }

    private let api: any KubernetesAPI
    private let state: Mutex<State>

    /// Of 1: how many calls go wrong by themselves.
    public init(_ api: any KubernetesAPI, seed: UInt64 = 0, rate: Double = 0) {
        self.api = api
        state = Mutex(State(random: SeededRandom(seed: seed), rate: rate))
    }

    public var rate: Double {
        get { state.withLock(\.rate) }
        set { state.withLock { $0.rate = newValue } }
    }
    public var counts: [APIFault: Int] { state.withLock(\.counts) }

    /// The next call of that verb and resource goes wrong so; several add up.
    public func plan(_ fault: APIFault, verb: RecordedCall.Verb? = nil, resource: GroupVersionResource? = nil) {
        state.withLock { $0.planned.append((verb, resource, fault)) }
    }

    /// Planned ones that no call has met yet.
    public var waiting: Int { state.withLock(\.planned.count) }

    private func fault(_ verb: RecordedCall.Verb, _ resource: GroupVersionResource) -> APIFault? {
        state.withLock { state in
            if let index = state.planned.firstIndex(where: { ($0.verb ?? verb) == verb && ($0.resource ?? resource) == resource })
            {
                let fault = state.planned.remove(at: index).fault
                state.counts[fault, default: 0] += 1
                return fault
            }
            guard state.rate > 0, Double.random(in: 0..<1, using: &state.random) < state.rate else { return nil }
            let fault = (verb == .watch ? APIFault.ofWatches : APIFault.ofCalls).randomElement(using: &state.random)
            if let fault { state.counts[fault, default: 0] += 1 }
            return fault
        }
    }

    private func perform<Value: Sendable>(
        _ verb: RecordedCall.Verb, _ resource: GroupVersionResource, _ call: () async throws -> Value
    ) async throws -> Value {
        switch fault(verb, resource) {
        case .internalError: throw KubernetesAPIError.failure(500, "InternalError", "injected")
        case .unavailable: throw KubernetesAPIError.failure(503, "ServiceUnavailable", "injected")
        case .tooManyRequests: throw KubernetesAPIError.failure(429, "TooManyRequests", "injected")
        case .unauthorized: throw KubernetesAPIError.failure(401, "Unauthorized", "injected")
        case .cutBefore: throw KubernetesAPIError.transport("injected: connection reset")
        case .cutAfter:
            _ = try await call()
            throw KubernetesAPIError.transport("injected: the answer broke off")
        case .slow:
            try await Task.sleep(for: .milliseconds(30))
            return try await call()
        case .watchGone: throw KubernetesAPIError.failure(410, "Expired", "injected: too old resource version")
        case .watchEnds, .watchBreaks, nil: return try await call()
        }
    }

    // MARK: Verbs

    public func get(_ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?) async throws
        -> [UInt8]
    {
        try await perform(.get, resource) {
            try await api.get(resource, namespace: namespace, name: name, subresource: subresource)
        }
    }

    public func list(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] {
        try await perform(.list, resource) { try await api.list(resource, namespace: namespace, options: options) }
    }

    public func watch(_ resource: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> any WatchStream
    {
        let fault = fault(.watch, resource)
        switch fault {
        case .watchGone: throw KubernetesAPIError.failure(410, "Expired", "injected: too old resource version")
        case .internalError: throw KubernetesAPIError.failure(500, "InternalError", "injected")
        case .cutBefore: throw KubernetesAPIError.transport("injected: connection reset")
        default: break
        }
        let stream = try await api.watch(resource, namespace: namespace, options: options)
        switch fault {
        case .watchEnds: return FaultyWatch(stream, batches: 0, error: nil)
        case .watchBreaks: return FaultyWatch(stream, batches: 1, error: .transport("injected: the watch broke off"))
        default: return stream
        }
    }

    public func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await perform(.create, resource) {
            try await api.create(resource, namespace: namespace, name: name, subresource: subresource, body: body)
        }
    }

    public func update(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        try await perform(.update, resource) {
            try await api.update(resource, namespace: namespace, name: name, subresource: subresource, body: body)
        }
    }

    public func patch(
        _ resource: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8] {
        try await perform(.patch, resource) {
            try await api.patch(resource, namespace: namespace, name: name, subresource: subresource, type: type, body: body)
        }
    }

    public func delete(
        _ resource: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions
    ) async throws -> [UInt8] {
        try await perform(.delete, resource) {
            try await api.delete(resource, namespace: namespace, name: name, options: options)
        }
    }
}

/// Lets so many batches through, then ends or throws.
private final class FaultyWatch: WatchStream, Sendable {
    private let stream: any WatchStream
    private let left: Mutex<Int>
    private let error: KubernetesAPIError?

    init(_ stream: any WatchStream, batches: Int, error: KubernetesAPIError?) {
        self.stream = stream
        left = Mutex(batches)
        self.error = error
    }

    func next() async throws -> [RawWatchEvent]? {
        let mayGoOn = left.withLock { left in
            left -= 1
            return left >= 0
        }
        if mayGoOn { return try await stream.next() }
        stream.cancel()
        if let error { throw error }
        return nil
    }

    func cancel() { stream.cancel() }
}
