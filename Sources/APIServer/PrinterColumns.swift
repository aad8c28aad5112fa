// The building blocks of Table columns: read a place, print an age, summarise a pod or a node as kubectl users know it.
import JSON

extension JSONTape {
    func text(at path: [String], from start: Node? = nil) -> String? { node(path, from: start).flatMap { string($0) } }

    func node(_ path: [String], from start: Node? = nil) -> Node? {
        var current = start ?? root
        for key in path {
            guard let next = member(of: current, key) else { return nil }
            current = next
        }
        return current
    }
}

/// apimachinery's duration.HumanDuration: two units at most, fewer as it grows.
enum HumanDuration {
    static func text(seconds: Int64) -> String {
        if seconds < -1 { return "<invalid>" }
        let seconds = max(0, seconds)
        let minutes = seconds / 60
        let hours = minutes / 60
        let days = hours / 24
        if seconds < 120 { return "\(seconds)s" }
        if minutes < 10 { return seconds % 60 == 0 ? "\(minutes)m" : "\(minutes)m\(seconds % 60)s" }
        if minutes < 180 { return "\(minutes)m" }
        if hours < 8 { return minutes % 60 == 0 ? "\(hours)h" : "\(hours)h\(minutes % 60)m" }
        if hours < 48 { return "\(hours)h" }
        if hours < 192 { return hours % 24 == 0 ? "\(days)d" : "\(days)d\(hours % 24)h" }
        if days < 730 { return "\(days)d" }
        return days / 365 < 8 && days % 365 > 0 ? "\(days / 365)y\(days % 365)d" : "\(days / 365)y"
    }
}

extension PrinterColumn {
    static let name = PrinterColumn(
        name: "Name", format: "name", description: "Name must be unique within a namespace.",
        value: { tape, _ in .string(tape.text(at: ["metadata", "name"]) ?? "") })

    static let age = age("Age", ["metadata", "creationTimestamp"])

    /// How long ago a moment was.
    static func age(_ name: String, _ path: [String], priority: Int = 0) -> PrinterColumn {
        PrinterColumn(name: name, priority: priority) { tape, now in
            guard let seconds = tape.text(at: path).flatMap(RFC3339.seconds) else {
                return .string(path == ["metadata", "creationTimestamp"] ? "<unknown>" : "")
            }
            return .string(HumanDuration.text(seconds: now - seconds))
        }
    }

    /// A scalar member; `missing` when it is absent or empty.
    static func text(
        _ name: String, _ path: [String], missing: String = "", type: String = "string", priority: Int = 0
    ) -> PrinterColumn {
        PrinterColumn(name: name, type: type, priority: priority) { tape, _ in
            guard let node = tape.node(path) else { return .string(missing) }
            if tape.string(node)?.isEmpty == true { return .string(missing) }
            return tape.value(node)
        }
    }

    /// The number of members or elements.
    static func count(_ name: String, _ path: [String]) -> PrinterColumn {
        PrinterColumn(name: name, type: "integer") { tape, _ in
            guard let node = tape.node(path) else { return 0 }
            return .int(
                Int64(
                    tape.members(of: node).reduce(0) { sum, _ in sum + 1 }
                        + tape.elements(of: node).reduce(0) { sum, _ in sum + 1 }))
        }
    }

    static func computed(
        _ name: String, type: String = "string", priority: Int = 0, _ value: @escaping @Sendable (JSONTape) -> String
    ) -> PrinterColumn {
        PrinterColumn(name: name, type: type, priority: priority) { tape, _ in .string(value(tape)) }
    }
}

/// kubectl's columns of a pod (pkg/printers/internalversion printPod, without sidecars).
enum PodColumns {
    static let all: [PrinterColumn] = [
        .name, .computed("Ready", ready), .computed("Status", status),
        PrinterColumn(name: "Restarts", value: { tape, _ in .string(restarts(tape)) }), .age,
        .text("IP", ["status", "podIP"], missing: "<none>", priority: 1),
        .text("Node", ["spec", "nodeName"], missing: "<none>", priority: 1),
        .text("Nominated Node", ["status", "nominatedNodeName"], missing: "<none>", priority: 1),
        .computed("Readiness Gates", priority: 1) { _ in "<none>" },
    ]

    private static func statuses(_ tape: JSONTape, _ member: String = "containerStatuses") -> [JSONTape.Node] {
        tape.node(["status", member]).map { Array(tape.elements(of: $0)) } ?? []
    }

    @Sendable private static func ready(_ tape: JSONTape) -> String {
        let total = tape.node(["spec", "containers"]).map { Array(tape.elements(of: $0)).count } ?? 0
        let ready = statuses(tape).count { status in tape.member(of: status, "ready").flatMap { tape.bool($0) } ?? false }
        return "\(ready)/\(total)"
    }

    private static func restarts(_ tape: JSONTape) -> String {
        String(
            statuses(tape).reduce(0) { sum, status in
                sum + (tape.member(of: status, "restartCount").flatMap { tape.integer($0, as: Int64.self) } ?? 0)
            })
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
        if tape.text(at: ["metadata", "deletionTimestamp"]) != nil {
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
        return "ExitCode:\(exitCode(tape, status) ?? 0)"
    }
}

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
