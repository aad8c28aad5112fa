// PodDisruptionBudget as arithmetic: how many of the selected pods must stay healthy, and whether one more may go. Pure.
import JSON
import KubernetesModel
import ResourceStore

/// What a budget needs to know of a pod.
struct BudgetPod: Sendable, Hashable {
    var name: String
    /// Bound, not finished, not being deleted.
    var counts: Bool
    var isReady: Bool

    init(name: String, counts: Bool, isReady: Bool) {
        self.name = name
        self.counts = counts
        self.isReady = isReady
    }

    init(_ object: StoredObject) {
        name = object.key.name
        guard let tape = try? JSONTape(parsing: object.bytes) else {
            (counts, isReady) = (false, false)
            return
        }
        let isFinished = ["Succeeded", "Failed"].contains(tape.text(at: ["status", "phase"]) ?? "")
        let isLeaving = tape.node(at: "metadata", "deletionTimestamp") != nil
        counts = !isFinished && !isLeaving && !(tape.text(at: ["spec", "nodeName"]) ?? "").isEmpty
        var ready = false
        if let conditions = tape.node(at: "status", "conditions") {
            for condition in tape.elements(of: conditions) where tape.text(at: ["type"], from: condition) == "Ready" {
                ready = tape.text(at: ["status"], from: condition) == "True"
            }
        }
        isReady = ready
    }
}

struct DisruptionBudget: Sendable {
    enum Decision: Sendable, Hashable {
        /// With the budget's status that remembers the eviction.
        case allowed(JSONValue)
        /// The pod is not healthy, so that its going takes nothing away.
        case allowedWithoutCount
        case refused(needed: Int, healthy: Int)
    }

    /// An evicted pod that is still there after this is no longer counted as going.
    static let disruptionSeconds: Int64 = 120

    private let spec: JSONValue
    private let status: JSONValue
    private let selector: LabelSelector?

    init(_ budget: JSONValue) {
        spec = budget["spec"] ?? [:]
        status = budget["status"] ?? [:]
        selector = spec["selector"].flatMap { try? LabelSelector(object: $0) }
    }

    /// An empty selector selects all, a missing one (or one that makes no sense) none.
    func selects(_ labels: [String: String]) -> Bool { selector?.matches(labels) ?? false }

    /// `pods`: those that it selects, the evicted one among them. `now`: seconds since 1970.
    func decide(evicting pod: BudgetPod, among pods: [BudgetPod], now: Int64) -> Decision {
        let present = pods.filter(\.counts)
        let going = goingPods(now).filter { gone in present.contains { $0.name == gone.key } }
        let healthy = present.count { $0.isReady && going[$0.name] == nil }
        let needed = neededHealthy(of: present.count)
        if !pod.isReady, spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || healthy >= needed {
            return .allowedWithoutCount
        }
        if going[pod.name] != nil { return .allowedWithoutCount }
        let allowed = healthy - needed
        if allowed <= 0 { return .refused(needed: needed, healthy: healthy) }
        var disrupted: JSONValue = [:]
        for (name, time) in going.sorted(by: { $0.key < $1.key }) { disrupted[name] = .string(RFC3339.text(seconds: time)) }
        disrupted[pod.name] = .string(RFC3339.text(seconds: now))
        var changed = status
        changed["disruptedPods"] = disrupted
        changed["disruptionsAllowed"] = .int(Int64(allowed - 1))
        changed["currentHealthy"] = .int(Int64(healthy))
        changed["desiredHealthy"] = .int(Int64(needed))
        changed["expectedPods"] = .int(Int64(present.count))
        return .allowed(changed)
    }

    /// Evicted a moment ago and not yet gone.
    private func goingPods(_ now: Int64) -> [String: Int64] {
        var result: [String: Int64] = [:]
        for (name, time) in status["disruptedPods"]?.objectValue ?? [:] {
            guard let seconds = time.stringValue.flatMap(RFC3339.seconds), now - seconds < Self.disruptionSeconds else {
                continue
            }
            result[name] = seconds
        }
        return result
    }

    /// minAvailable, or what maxUnavailable leaves; a percentage is rounded up.
    private func neededHealthy(of count: Int) -> Int {
        if let value = spec["minAvailable"], !value.isNull { return Self.scaled(value, count) }
        if let value = spec["maxUnavailable"], !value.isNull { return max(0, count - Self.scaled(value, count)) }
        return 0
    }

    private static func scaled(_ value: JSONValue, _ count: Int) -> Int {
        if let number = value.intValue { return Int(clamping: max(0, number)) }
        guard let text = value.stringValue, text.hasSuffix("%"), let percent = Int(text.dropLast()), (0...100).contains(percent)
        else { return 0 }
        return (count * percent + 99) / 100
    }
}
