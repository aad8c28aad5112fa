// One of several equal processes works, the others wait: who holds a Lease leads. The rules are those of Kubernetes' own components:
// a lease is taken when its holder has not renewed it for its duration by *our* clock, and whoever cannot renew stops in time.
// https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
import JSON
import KubernetesModel
import Logging

/// What a look at the lease means. Pure.
public struct LeaderLease: Sendable, Hashable {
    public enum Verdict: Sendable, Hashable {
        /// Nobody's, or run out: it may be taken.
        case free
        case ours
        case theirs(holder: String)
    }

    public let identity: String
    private var seen: LeaseSpec?
    /// By our clock: other machines' may differ.
    private var seenAt: Duration = .zero

    public init(identity: String) { self.identity = identity }

    public mutating func look(_ spec: LeaseSpec, at time: Duration) -> Verdict {
        if spec != seen {
            seen = spec
            seenAt = time
        }
        guard let holder = spec.holderIdentity, !holder.isEmpty else { return .free }
        if holder == identity { return .ours }
        return time - seenAt > .seconds(spec.leaseDurationSeconds ?? 0) ? .free : .theirs(holder: holder)
    }
}

public struct LeaderElector: Sendable {
    public struct Timing: Sendable, Hashable {
        public var lease: Duration
        /// A leader that could not renew for so long leads no more; shorter than `lease`, so that two never lead at once.
        public var renewDeadline: Duration
        public var retry: Duration

        public init(lease: Duration = .seconds(15), renewDeadline: Duration = .seconds(10), retry: Duration = .seconds(2)) {
            self.lease = lease
            self.renewDeadline = renewDeadline
            self.retry = retry
        }
    }

    private let api: any KubernetesAPI
    private let namespace: String
    private let name: String
    private let identity: String
    private let timing: Timing
    private let now: @Sendable () -> MicroTimestamp
    private let logger: Logger

    /// `identity` is this process' alone; `now` the wall clock, for people who look at the lease.
    public init(
        api: any KubernetesAPI, namespace: String, name: String, identity: String, timing: Timing = .init(),
        now: @escaping @Sendable () -> MicroTimestamp, logger: Logger
    ) {
        self.api = api
        self.namespace = namespace
        self.name = name
        self.identity = identity
        self.timing = timing
        self.now = now
        self.logger = logger
    }

    /// Waits until this process leads, runs `work`, and cancels it when the lease is lost. Returns when `work` has ended (true) or the
    /// lease was lost (false); the lease is given back in the first case.
    public func run(_ work: @escaping @Sendable () async throws -> Void) async throws -> Bool {
        try await acquire()
        logger.notice("leading", metadata: ["lease": "\(namespace)/\(name)", "identity": "\(identity)"])
        let isDone = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await work()
                return true
            }
            group.addTask {
                await keep()
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
        if isDone {
            try? await giveBack()
        } else {
            logger.error("the lease is lost", metadata: ["lease": "\(namespace)/\(name)"])
        }
        return isDone
    }

    private func acquire() async throws {
        var lease = LeaderLease(identity: identity)
        let start = ContinuousClock.now
        while true {
            do {
                if try await take(&lease, ContinuousClock.now - start) { return }
            } catch let error as KubernetesAPIError {
                logger.debug("lease not taken", metadata: ["error": "\(error)"])
            }
            // Between two tries for a lease that another holds; with jitter, so that waiting ones do not come together.
            try await Task.sleep(for: timing.retry * Double.random(in: 0.8...1.2))
        }
    }

    /// Returns when the lease could not be renewed in time, is another's, or the task was cancelled.
    private func keep() async {
        var lease = LeaderLease(identity: identity)
        var renewed = ContinuousClock.now
        while !Task.isCancelled, ContinuousClock.now - renewed < timing.renewDeadline {
            // The lease's own pace of renewal; nil when the leader was told to stop.
            guard (try? await Task.sleep(for: timing.retry)) != nil else { return }
            do {
                guard try await renew(&lease) else { return }
                renewed = ContinuousClock.now
            } catch {
                logger.debug("lease not renewed", metadata: ["error": "\(error)"])
            }
        }
    }

    /// False while somebody else has it.
    private func take(_ lease: inout LeaderLease, _ time: Duration) async throws -> Bool {
        guard let found = try await api.find(Lease.self, namespace: namespace, name: name) else {
            let spec = LeaseSpec(
                holderIdentity: identity, leaseDurationSeconds: Int(timing.lease.components.seconds), acquireTime: now(),
                renewTime: now(),
                leaseTransitions: 0)
            do { try await api.create(Lease(metadata: ObjectMeta(name: name, namespace: namespace), spec: spec)) } catch let error
                as KubernetesAPIError where error.isAlreadyExists
            { return false }
            return true
        }
        switch lease.look(found.spec, at: time) {
        case .theirs: return false
        case .ours, .free: return try await write(found, holder: identity, isNew: found.spec.holderIdentity != identity)
        }
    }

    private func renew(_ lease: inout LeaderLease) async throws -> Bool {
        guard let found = try await bounded({ try await api.find(Lease.self, namespace: namespace, name: name) }) else {
            return false
        }
        guard found.spec.holderIdentity == identity else { return false }
        return try await bounded { try await write(found, holder: identity, isNew: false) }
    }

    /// A call that hangs must not outlast the lease.
    private func bounded<Value: Sendable>(_ call: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await CallLimit.within(timing.renewDeadline / 2, "the lease", call)
    }

    /// False when another was faster: the resourceVersion decides.
    private func write(_ found: Lease, holder: String, isNew: Bool) async throws -> Bool {
        var spec: JSONValue = [
            "holderIdentity": .string(holder), "leaseDurationSeconds": .int(timing.lease.components.seconds),
            "renewTime": .string(now().description),
        ]
        if isNew {
            spec["acquireTime"] = .string(now().description)
            spec["leaseTransitions"] = .int(Int64((found.spec.leaseTransitions ?? 0) + 1))
        }
        var merge: JSONValue = ["spec": spec]
        if let version = found.metadata.resourceVersion { merge["metadata"] = ["resourceVersion": .string(version)] }
        do {
            try await api.patch(Lease.self, namespace: namespace, name: name, merge: merge)
            return true
        } catch let error as KubernetesAPIError where error.isConflict {
            return false
        }
    }

    private func giveBack() async throws {
        guard let found = try await api.find(Lease.self, namespace: namespace, name: name), found.spec.holderIdentity == identity
        else { return }
        _ = try await write(found, holder: "", isNew: false)
    }
}
