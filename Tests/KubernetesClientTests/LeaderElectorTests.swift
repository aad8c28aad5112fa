// Who leads: one at a time, another when the leader is gone, none when it cannot renew.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Logging
import Synchronization
import Testing

@Suite("Leader election", .timeLimit(.minutes(1)))
struct LeaderElectorTests {
    static let timing = LeaderElector.Timing(lease: .seconds(2), renewDeadline: .seconds(1), retry: .milliseconds(50))

    private func elector(_ api: any KubernetesAPI, _ identity: String) -> LeaderElector {
        LeaderElector(
            api: api, namespace: "team", name: "n-agent", identity: identity, timing: Self.timing,
            now: { MicroTimestamp(Timestamp(unixSeconds: 1_767_225_600)) },
            logger: Logger(label: "leader") { _ in SwiftLogNoOpLogHandler() })
    }

    /// How many lead now, and how many ever did at once.
    private final class Leaders: Sendable {
        private let state = Mutex((now: 0, most: 0, ever: [String]()))

        func lead(_ name: String, until isOver: @escaping @Sendable () -> Bool) async throws {
            state.withLock { state in
                state.now += 1
                state.most = max(state.most, state.now)
                state.ever.append(name)
            }
            defer { state.withLock { $0.now -= 1 } }
            // Plays work; cancelled when the lease is lost.
            while !isOver() { try await Task.sleep(for: .milliseconds(10)) }
        }

        var most: Int { state.withLock(\.most) }
        var ever: [String] { state.withLock(\.ever) }
    }

    @Test("of several one leads; the next takes over when it is done, without waiting for the lease to run out")
    func handover() async throws {
        let (api, leaders) = (InMemoryKubernetesAPI(), Leaders())
        let begin = ContinuousClock.now
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for name in ["a", "b", "c"] {
                group.addTask { try await elector(api, name).run { try await leaders.lead(name) { true } } }
            }
            for try await isDone in group { #expect(isDone) }
        }
        #expect(leaders.most == 1 && Set(leaders.ever) == ["a", "b", "c"])
        #expect(ContinuousClock.now - begin < .seconds(30))
    }

    @Test("a leader whose lease another holds stops its work and says so")
    func lost() async throws {
        let (api, leaders) = (InMemoryKubernetesAPI(), Leaders())
        async let outcome = elector(api, "a").run { try await leaders.lead("a") { false } }
        // Until it leads; the suite's time limit is the deadline.
        while leaders.ever.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        try await api.patch(Lease.self, namespace: "team", name: "n-agent", merge: ["spec": ["holderIdentity": "b"]])
        #expect(try await outcome == false)
    }

    @Test("a leader that cannot renew stops before its lease is over")
    func cannotRenew() async throws {
        let (api, leaders) = (InMemoryKubernetesAPI(), Leaders())
        async let outcome = elector(api, "a").run { try await leaders.lead("a") { false } }
        // Until it leads; the suite's time limit is the deadline.
        while leaders.ever.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        let begin = ContinuousClock.now
        api.setHook { _ in throw KubernetesAPIError.transport("away") }
        #expect(try await outcome == false)
        #expect(ContinuousClock.now - begin < .seconds(20), "bounded by the renewal's deadline, on a machine that is busy")
    }

    @Test("a lease counts as run out when its holder was silent for its duration by our own clock")
    func expiry() {
        var lease = LeaderLease(identity: "b")
        var spec = LeaseSpec(holderIdentity: "a", leaseDurationSeconds: 15, renewTime: MicroTimestamp(unixMicroseconds: 1))
        #expect(lease.look(spec, at: .seconds(100)) == .theirs(holder: "a"))
        #expect(lease.look(spec, at: .seconds(115)) == .theirs(holder: "a"))
        spec.renewTime = MicroTimestamp(unixMicroseconds: 2)
        #expect(lease.look(spec, at: .seconds(116)) == .theirs(holder: "a"))
        #expect(lease.look(spec, at: .seconds(131)) == .theirs(holder: "a"))
        #expect(lease.look(spec, at: .seconds(132)) == .free)
        spec.holderIdentity = "b"
        #expect(lease.look(spec, at: .seconds(132)) == .ours)
        #expect(lease.look(LeaseSpec(holderIdentity: "", leaseDurationSeconds: 15), at: .seconds(133)) == .free)
    }
}
