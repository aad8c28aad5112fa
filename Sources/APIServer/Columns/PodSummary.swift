// How a pod's containers come to one line: readiness, status and restarts as kubectl tells them (upstream's printPod, in its order).
import JSON

struct PodSummary {
    private let tape: JSONTape
    private var total = 0
    private var readyCount = 0
    private var reason: String
    private var restartCount: Int64 = 0
    private var lastRestart: Int64?
    private let sidecars: Set<String>

    init(_ tape: JSONTape) {
        self.tape = tape
        reason = tape.text(at: ["status", "reason"]) ?? tape.text(at: ["status", "phase"]) ?? "Unknown"
        let initContainers = tape.node(["spec", "initContainers"]).map { Array(tape.elements(of: $0)) } ?? []
        sidecars = Set(
            initContainers.filter { tape.text(at: ["restartPolicy"], from: $0) == "Always" }.compactMap {
                tape.text(at: ["name"], from: $0)
            })
        total = (tape.node(["spec", "containers"]).map { Array(tape.elements(of: $0)).count } ?? 0) + sidecars.count
        let isInitializing = addInitContainers(of: initContainers.count)
        if !isInitializing || hasCondition("Initialized") { addContainers() }
    }

    var ready: String { "\(readyCount)/\(total)" }

    var status: String {
        guard tape.text(at: ["metadata", "deletionTimestamp"]) != nil else { return reason }
        if tape.text(at: ["status", "reason"]) == "NodeLost" { return "Unknown" }
        return ["Succeeded", "Failed"].contains(tape.text(at: ["status", "phase"]) ?? "") ? reason : "Terminating"
    }

    /// "3", or "3 (5m ago)" when it is known when the last one was.
    func restarts(_ now: Int64) -> String {
        guard restartCount > 0, let lastRestart else { return String(restartCount) }
        return "\(restartCount) (\(HumanDuration.text(seconds: now - lastRestart)) ago)"
    }

    // MARK: Containers

    /// Up to the first that the others wait for; true when there is one.
    private mutating func addInitContainers(of count: Int) -> Bool {
        // Once all are past, only sidecars' restarts are still of interest.
        var beside: (count: Int64, last: Int64?) = (0, nil)
        for (index, status) in statuses("initContainerStatuses").enumerated() {
            let isSidecar = sidecars.contains(tape.text(at: ["name"], from: status) ?? "")
            addRestarts(status)
            if isSidecar { Self.add(restartsOf(status), to: &beside) }
            let hasEnded = tape.node(["state", "terminated"], from: status) != nil
            if hasEnded, exitCode(status) == 0 { continue }
            if isSidecar, isTrue("started", status) {
                if isTrue("ready", status) { readyCount += 1 }
                continue
            }
            if hasEnded {
                reason = "Init:" + endReason(status)
            } else if let waiting = tape.text(at: ["state", "waiting", "reason"], from: status), !waiting.isEmpty,
                waiting != "PodInitializing"
            {
                reason = "Init:\(waiting)"
            } else {
                reason = "Init:\(index)/\(count)"
            }
            if hasCondition("Initialized") { (restartCount, lastRestart) = beside }
            return true
        }
        (restartCount, lastRestart) = beside
        return false
    }

    private mutating func addContainers() {
        var isAnyRunning = false
        for status in statuses("containerStatuses").reversed() {
            addRestarts(status)
            if let waiting = tape.text(at: ["state", "waiting", "reason"], from: status), !waiting.isEmpty {
                reason = waiting
            } else if tape.node(["state", "terminated"], from: status) != nil {
                reason = endReason(status)
            } else if isTrue("ready", status), tape.node(["state", "running"], from: status) != nil {
                isAnyRunning = true
                readyCount += 1
            }
        }
        // One that is done does not make the pod done while another serves.
        if reason == "Completed", isAnyRunning { reason = hasCondition("Ready") ? "Running" : "NotReady" }
    }

    private mutating func addRestarts(_ status: JSONTape.Node) {
        var sum = (count: restartCount, last: lastRestart)
        Self.add(restartsOf(status), to: &sum)
        (restartCount, lastRestart) = sum
    }

    /// What others write is never added bare.
    private static func add(_ one: (count: Int64, last: Int64?), to sum: inout (count: Int64, last: Int64?)) {
        let (result, isTooMuch) = sum.count.addingReportingOverflow(one.count)
        sum.count = isTooMuch ? .max : result
        if let last = one.last, last > sum.last ?? .min { sum.last = last }
    }

    private func restartsOf(_ status: JSONTape.Node) -> (count: Int64, last: Int64?) {
        let count = tape.member(of: status, "restartCount").flatMap { tape.integer($0, as: Int64.self) } ?? 0
        return (count, tape.text(at: ["lastState", "terminated", "finishedAt"], from: status).flatMap(RFC3339.seconds))
    }

    // MARK: Fields

    private func statuses(_ member: String) -> [JSONTape.Node] {
        tape.node(["status", member]).map { Array(tape.elements(of: $0)) } ?? []
    }

    private func isTrue(_ field: String, _ status: JSONTape.Node) -> Bool {
        tape.member(of: status, field).flatMap { tape.bool($0) } ?? false
    }

    private func hasCondition(_ type: String) -> Bool {
        let conditions = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
        return conditions.contains { tape.text(at: ["type"], from: $0) == type && tape.text(at: ["status"], from: $0) == "True" }
    }

    private func exitCode(_ status: JSONTape.Node) -> Int64? {
        tape.node(["state", "terminated", "exitCode"], from: status).flatMap { tape.integer($0, as: Int64.self) }
    }

    private func endReason(_ status: JSONTape.Node) -> String {
        if let reason = tape.text(at: ["state", "terminated", "reason"], from: status), !reason.isEmpty { return reason }
        if let signal = tape.node(["state", "terminated", "signal"], from: status),
            let number = tape.integer(signal, as: Int64.self), number != 0
        {
            return "Signal:\(number)"
        }
        return "ExitCode:\(exitCode(status) ?? 0)"
    }
}
