// Decides what a node that is too full does: nothing yet, clean up, or end one pod. It sees measurements and the time only;
// `EvictionController` measures, cleans and evicts.
import KubernetesModel

/// Invariants, which the property tests check at every step:
///
/// - **I-EVICT-1** One pod at a time: the next is chosen only when the one before is gone, or its grace and some slack are over.
/// - **I-EVICT-2** Critical and static pods are never chosen.
/// - **I-EVICT-3** Where cleaning can help (disk, inodes), no pod is chosen before a cleaning since the threshold was first met.
/// - **I-EVICT-4** A pressure is told from the first look that meets a threshold until `transitionSeconds` after the last one.
/// - **I-EVICT-5** A pod is chosen only while a threshold is met whose grace is over, and it is the first of the order.
public struct EvictionMachine: Sendable, Hashable {
    public enum Action: Sendable, Hashable {
        case none
        /// Remove what no pod needs: rotated logs, records of ended containers, logs of gone pods.
        case reclaimDisk(EvictionSignal)
        case evict(uid: String, signal: EvictionSignal, message: String)
    }

    public struct Decision: Sendable, Hashable {
        public var pressures: Set<NodePressure>
        public var action: Action
        /// When to look again.
        public var nextLookSeconds: Int64
    }

    /// How long a pressure stays told after it is over, so that the scheduler does not fill the node at once again.
    public static let standardTransitionSeconds: Int64 = 300
    /// An evicted pod that is still there this long after its grace no longer holds up the next.
    static let slackSeconds: Int64 = 10
    static let calmLookSeconds: Int64 = 10
    /// Near or beyond a threshold things change fast.
    static let tenseLookSeconds: Int64 = 1

    private struct Ending: Hashable {
        var uid: String
        var deadline: UnixNanoseconds
    }

    public let thresholds: EvictionThresholds
    private let transition: Int64
    private var metSince: [EvictionThreshold: UnixNanoseconds] = [:]
    private var lastMet: [NodePressure: UnixNanoseconds] = [:]
    /// Signals for which was cleaned since their threshold was first met.
    private var reclaimed: Set<EvictionSignal> = []
    private var ending: Ending?

    public init(thresholds: EvictionThresholds, transitionSeconds: Int64? = nil) {
        self.thresholds = thresholds
        transition = (transitionSeconds ?? thresholds.transitionSeconds) * .nanosecondsPerSecond
    }

    /// Whether the pods' loads are needed for the decision: measuring them costs more than looking at the machine.
    public func needsPods(_ load: NodeMeasurement) -> Bool { !thresholds.met(load).isEmpty || ending != nil }

    /// `pods`: those that hold resources on the node.
    public mutating func look(_ load: NodeMeasurement, _ pods: [PodLoad], now: UnixNanoseconds) -> Decision {
        let met = thresholds.met(load)
        note(met, now)
        let pressures = Set(lastMet.filter { now - $0.value < transition || metNow($0.key, met) }.keys)
        let action = action(met, load, pods, now)
        let isTense = !met.isEmpty || ending != nil || isNear(load)
        return Decision(
            pressures: pressures, action: action, nextLookSeconds: isTense ? Self.tenseLookSeconds : Self.calmLookSeconds)
    }

    private func metNow(_ pressure: NodePressure, _ met: [EvictionThreshold]) -> Bool {
        met.contains { $0.signal.pressure == pressure }
    }

    private mutating func note(_ met: [EvictionThreshold], _ now: UnixNanoseconds) {
        for threshold in met {
            metSince[threshold] = metSince[threshold] ?? now
            lastMet[threshold.signal.pressure] = now
        }
        for threshold in metSince.keys where !met.contains(threshold) { metSince[threshold] = nil }
        reclaimed.formIntersection(metSince.keys.map(\.signal))
    }

    private mutating func action(
        _ met: [EvictionThreshold], _ load: NodeMeasurement, _ pods: [PodLoad], _ now: UnixNanoseconds
    ) -> Action {
        if let waiting = ending {
            if pods.contains(where: { $0.uid == waiting.uid }), now < waiting.deadline { return .none }
            ending = nil
        }
        let due = met.filter { now - (metSince[$0] ?? now) >= $0.graceSeconds * .nanosecondsPerSecond }
        // Memory first: without it nothing else can be done either.
        for signal in EvictionSignal.allCases {
            guard let threshold = due.first(where: { $0.signal == signal }) else { continue }
            if signal.pressure == .disk, reclaimed.insert(signal).inserted { return .reclaimDisk(signal) }
            guard let pod = EvictionOrder.candidates(pods, for: signal).first else { continue }
            ending = Ending(uid: pod.uid, deadline: now.adding(seconds: pod.graceSeconds + Self.slackSeconds))
            return .evict(uid: pod.uid, signal: signal, message: EvictionOrder.message(pod, threshold, load))
        }
        return .none
    }

    /// Less than twice what a threshold wants is left.
    private func isNear(_ load: NodeMeasurement) -> Bool {
        thresholds.all.contains { threshold in
            guard threshold.signal == .memoryAvailable, let (available, capacity) = threshold.signal.reading(load) else {
                return false
            }
            return available / 2 < threshold.quantity(ofCapacity: capacity)
        }
    }
}
