// What kubectl shows of a pod.
import JSON

/// kubectl's columns of a pod (pkg/printers/internalversion printPod); what needs the containers' statuses is in `PodSummary`.
enum PodColumns {
    static let all: [PrinterColumn] = [
        .name, .computed("Ready") { PodSummary($0).ready }, .computed("Status") { PodSummary($0).status },
        PrinterColumn(name: "Restarts", value: { tape, now in .string(PodSummary(tape).restarts(now)) }), .age,
        .text("IP", ["status", "podIP"], missing: "<none>", priority: 1),
        .text("Node", ["spec", "nodeName"], missing: "<none>", priority: 1),
        .text("Nominated Node", ["status", "nominatedNodeName"], missing: "<none>", priority: 1),
        .computed("Readiness Gates", priority: 1, readinessGates),
    ]

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
}
