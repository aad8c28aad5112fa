// What kubectl shows of replica sets, replication controllers and stateful sets.
import JSON

enum WorkloadColumns {
    static let replicas: [PrinterColumn] = [
        .name, .text("Desired", ["spec", "replicas"], missing: "0", type: "integer"),
        .text("Current", ["status", "replicas"], missing: "0", type: "integer"),
        .text("Ready", ["status", "readyReplicas"], missing: "0", type: "integer"), .age, containers("name", "Containers"),
        containers("image", "Images"), selector,
    ]

    static let stateful: [PrinterColumn] = [
        .name,
        .computed("Ready") { tape in
            "\(number(tape, ["status", "readyReplicas"]))/\(number(tape, ["spec", "replicas"]))"
        }, .age, containers("name", "Containers"), containers("image", "Images"),
    ]

    private static func number(_ tape: JSONTape, _ path: [String]) -> Int64 {
        tape.node(path).flatMap { tape.integer($0, as: Int64.self) } ?? 0
    }

    private static func containers(_ member: String, _ name: String) -> PrinterColumn {
        .computed(name, priority: 1) { tape in
            let all = tape.node(["spec", "template", "spec", "containers"]).map { Array(tape.elements(of: $0)) } ?? []
            return all.compactMap { tape.text(at: [member], from: $0) }.joined(separator: ",")
        }
    }

    /// A LabelSelector, or a plain map in the old kind.
    private static let selector = PrinterColumn.computed("Selector", priority: 1) { tape in
        let isOld = tape.text(at: ["kind"]) == "ReplicationController"
        return LabelText.text(tape, isOld ? ["spec", "selector"] : ["spec", "selector", "matchLabels"])
    }
}
