// Probes as the machine counts them: Kubernetes' defaults, thresholds and what each kind decides.
import KubernetesModel

public enum ProbeKind: String, Sendable, Hashable, CaseIterable, Codable {
    case startup, readiness, liveness

    /// As events word it: "Liveness probe failed: ...".
    var title: String {
        switch self {
        case .startup: "Startup"
        case .readiness: "Readiness"
        case .liveness: "Liveness"
        }
    }
}

public enum LifecycleHook: String, Sendable, Hashable, CaseIterable {
    case postStart, preStop
}

/// What a probe found. Texts are short: the prober cuts them.
public enum ProbeOutcome: Sendable, Hashable {
    /// `warning`: it counts, yet something is odd (a redirect to another host).
    case success(warning: String? = nil)
    case failure(String)
    /// The probe itself could not be carried out: it does not count.
    case error(String)
}

extension Probe {
    /// Kubernetes' defaults for what is absent or not positive.
    public var initialDelay: Int64 { Int64(max(0, initialDelaySeconds ?? 0)) }
    public var period: Int64 { Int64(positive(periodSeconds, 10)) }
    public var timeout: Int { positive(timeoutSeconds, 1) }

    /// Only readiness may ask for more than one success in a row.
    func successes(_ kind: ProbeKind) -> Int { kind == .readiness ? positive(successThreshold, 1) : 1 }
    var failures: Int { positive(failureThreshold, 3) }

    private func positive(_ value: Int?, _ standard: Int) -> Int { value.flatMap { $0 > 0 ? $0 : nil } ?? standard }
}

extension Container {
    public func probe(_ kind: ProbeKind) -> Probe? {
        switch kind {
        case .startup: startupProbe
        case .readiness: readinessProbe
        case .liveness: livenessProbe
        }
    }

    public func handler(_ hook: LifecycleHook) -> LifecycleHandler? {
        switch hook {
        case .postStart: lifecycle?.postStart
        case .preStop: lifecycle?.preStop
        }
    }
}

struct ProbeState: Sendable {
    var nextAt: UnixNanoseconds
    var isInFlight = false
    /// In a row.
    var successes = 0
    var failures = 0
}

/// What a machine remembers only while its agent lives. It is no part of the pod's record, or every look at a container would be a
/// write to the disk: all values are equal, and none is written.
protocol Unrecorded: DefaultInitializable {}

private enum NoKey: CodingKey {}

extension Unrecorded {
    init(from decoder: any Decoder) throws { self.init() }
    func encode(to encoder: any Encoder) throws { _ = encoder.container(keyedBy: NoKey.self) }
    static func == (left: Self, right: Self) -> Bool { true }
    func hash(into hasher: inout Hasher) {}
}

/// A run's counters. What the probes decided (`isStarted`, `isReady`) is on record.
struct ProbeStates: Unrecorded, Sendable {
    private var states: [ProbeKind: ProbeState] = [:]

    subscript(kind: ProbeKind) -> ProbeState? {
        get { states[kind] }
        set { states[kind] = newValue }
    }
}

/// When the machine has asked to be woken.
struct ArmedTimer: Unrecorded, Sendable {
    var time: UnixNanoseconds?
}
