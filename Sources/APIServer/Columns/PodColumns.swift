// What kubectl shows of a pod.
import JSON

/// kubectl's columns of a pod (pkg/printers/internalversion printPod, without sidecars).
enum PodColumns {
    static let all: [PrinterColumn] = [
        .name, .computed("Ready", ready), .computed("Status", status),
        PrinterColumn(name: "Restarts", value: { tape, now in .string(restarts(tape, now)) }), .age,
        .text("IP", ["status", "podIP"], missing: "<none>", priority: 1),
        .text("Node", ["spec", "nodeName"], missing: "<none>", priority: 1),
        .text("Nominated Node", ["status", "nominatedNodeName"], missing: "<none>", priority: 1),
        .computed("Readiness Gates", priority: 1, readinessGates),
    ]

    private static func statuses(_ tape: JSONTape, _ member: String = "containerStatuses") -> [JSONTape.Node] {
        tape.node(["status", member]).map { Array(tape.elements(of: $0)) } ?? []
    }

    @Sendable private static func ready(_ tape: JSONTape) -> String {
        let total = tape.node(["spec", "containers"]).map { Array(tape.elements(of: $0)).count } ?? 0
        let ready = statuses(tape).count { status in tape.member(of: status, "ready").flatMap { tape.bool($0) } ?? false }
        return "\(ready)/\(total)"
    }

    /// "3", or "3 (5m ago)" when it is known when the last one was.
    private static func restarts(_ tape: JSONTape, _ now: Int64) -> String {
        var count: Int64 = 0
        var last: Int64?
        for status in statuses(tape) {
            count += tape.member(of: status, "restartCount").flatMap { tape.integer($0, as: Int64.self) } ?? 0
            let end = tape.text(at: ["lastState", "terminated", "finishedAt"], from: status).flatMap(RFC3339.seconds)
            if let end, end > last ?? .min { last = end }
        }
        guard count > 0, let last else { return String(count) }
        return "\(count) (\(HumanDuration.text(seconds: now - last)) ago)"
    }

    @Sendable private static func readinessGates(_ tape: JSONTape) -> String {
        let gates = tape.node(["spec", "readinessGates"]).map { Array(tape.elements(of: $0)) } ?? []
        if gates.isEmpty { return "<none>" }
        let conditions = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
        let met = gates.count { gate in
            let type = tape.text(at: ["conditionType"], from: gate)
            return conditions.contains {
                tape.text(at: ["type"], from: $0) == type && tape.text(at: ["status"], from: $0) == "True"
            }
        }
        return "\(met)/\(gates.count)"
    }

    @Sendable private static func status(_ tape: JSONTape) -> String {
        var reason = tape.text(at: ["status", "reason"]) ?? tape.text(at: ["status", "phase"]) ?? "Unknown"
        if let initializing = initReason(tape) {
            reason = initializing
        } else {
            for status in statuses(tape).reversed() {
                if let waiting = tape.text(at: ["state", "waiting", "reason"], from: status), !waiting.isEmpty {
                    reason = waiting
                } else if let why = terminatedReason(tape, status) {
                    reason = why
                }
            }
        }
        let hasEnded = ["Succeeded", "Failed"].contains(tape.text(at: ["status", "phase"]) ?? "")
        if tape.text(at: ["metadata", "deletionTimestamp"]) != nil, !hasEnded {
            return tape.text(at: ["status", "reason"]) == "NodeLost" ? "Unknown" : "Terminating"
        }
        return reason
    }

    private static func initReason(_ tape: JSONTape) -> String? {
        let all = statuses(tape, "initContainerStatuses")
        for (index, status) in all.enumerated() {
            if tape.node(["state", "terminated"], from: status) != nil {
                if exitCode(tape, status) == 0 { continue }
                return "Init:" + (terminatedReason(tape, status) ?? "Error")
            }
            if let waiting = tape.text(at: ["state", "waiting", "reason"], from: status), waiting != "PodInitializing" {
                return "Init:\(waiting)"
            }
            return "Init:\(index)/\(all.count)"
        }
        return nil
    }

    private static func exitCode(_ tape: JSONTape, _ status: JSONTape.Node) -> Int64? {
        tape.node(["state", "terminated", "exitCode"], from: status).flatMap { tape.integer($0, as: Int64.self) }
    }

    private static func terminatedReason(_ tape: JSONTape, _ status: JSONTape.Node) -> String? {
        guard tape.node(["state", "terminated"], from: status) != nil else { return nil }
        if let reason = tape.text(at: ["state", "terminated", "reason"], from: status), !reason.isEmpty { return reason }
        if let signal = tape.node(["state", "terminated", "signal"], from: status),
            let number = tape.integer(signal, as: Int64.self),
            number != 0
        {
            return "Signal:\(number)"
        }
        return "ExitCode:\(exitCode(tape, status) ?? 0)"
    }
}
