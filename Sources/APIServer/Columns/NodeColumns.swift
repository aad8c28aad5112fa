// What kubectl shows of a node.
import JSON

/// kubectl's columns of a node.
enum NodeColumns {
    static let all: [PrinterColumn] = [
        .name, .computed("Status", status), .computed("Roles", roles), .age,
        .text("Version", ["status", "nodeInfo", "kubeletVersion"]),
        .computed("Internal-IP", priority: 1) { address($0, "InternalIP") },
        .computed("External-IP", priority: 1) { address($0, "ExternalIP") },
        .text("OS-Image", ["status", "nodeInfo", "osImage"], missing: "<unknown>", priority: 1),
        .text("Kernel-Version", ["status", "nodeInfo", "kernelVersion"], missing: "<unknown>", priority: 1),
        .text("Container-Runtime", ["status", "nodeInfo", "containerRuntimeVersion"], missing: "<unknown>", priority: 1),
    ]

    @Sendable private static func status(_ tape: JSONTape) -> String {
        let conditions = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
        let ready = conditions.first { tape.text(at: ["type"], from: $0) == "Ready" }
        var word = "Unknown"
        if let ready { word = tape.text(at: ["status"], from: ready) == "True" ? "Ready" : "NotReady" }
        if let node = tape.node(["spec", "unschedulable"]), tape.bool(node) == true { word += ",SchedulingDisabled" }
        return word
    }

    @Sendable private static func roles(_ tape: JSONTape) -> String {
        let labels = tape.node(["metadata", "labels"]).flatMap { tape.strings($0) } ?? [:]
        let prefix = "node-role.kubernetes.io/"
        var roles = labels.keys.filter { $0.hasPrefix(prefix) && $0 != prefix }.map { String($0.dropFirst(prefix.count)) }
        if let role = labels["kubernetes.io/role"], !role.isEmpty { roles.append(role) }
        return roles.isEmpty ? "<none>" : Set(roles).sorted().joined(separator: ",")
    }

    private static func address(_ tape: JSONTape, _ type: String) -> String {
        let addresses = tape.node(["status", "addresses"]).map { Array(tape.elements(of: $0)) } ?? []
        return addresses.first { tape.text(at: ["type"], from: $0) == type }.flatMap { tape.text(at: ["address"], from: $0) }
            ?? "<none>"
    }
}
