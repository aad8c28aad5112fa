// The building blocks of Table columns: read a place, print an age, count. Columns of single kinds are in Columns/.
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

    /// The number of members or elements; `together`: of several members of the object.
    static func count(_ name: String, _ path: [String], together: Bool = false) -> PrinterColumn {
        let places = together ? path.map { [$0] } : [path]
        return PrinterColumn(name: name, type: "integer") { tape, _ in
            .int(places.reduce(0) { sum, place in sum + (tape.node(place).map { count(tape, $0) } ?? 0) })
        }
    }

    private static func count(_ tape: JSONTape, _ node: JSONTape.Node) -> Int64 {
        var cursor = tape.cursor(node)
        var count: Int64 = 0
        if tape.kind(node) == .array {
            while tape.nextElement(&cursor) != nil { count += 1 }
        } else {
            while tape.nextMember(&cursor) != nil { count += 1 }
        }
        return count
    }

    /// When the object was made, as a moment.
    static let createdAt = PrinterColumn(name: "Created At", type: "date") { tape, _ in
        .string(tape.text(at: ["metadata", "creationTimestamp"]) ?? "")
    }

    /// The strings of an array, joined.
    static func list(_ name: String, _ path: [String], shorten: [String: String] = [:]) -> PrinterColumn {
        computed(name) { tape in
            let node = tape.node(path)
            let words = node.map { tape.elements(of: $0).compactMap { tape.string($0) } } ?? []
            return words.map { shorten[$0] ?? $0 }.joined(separator: ",")
        }
    }

    /// The status of a condition.
    static func condition(_ type: String) -> PrinterColumn {
        computed(type) { tape in
            let conditions = tape.node(["status", "conditions"]).map { Array(tape.elements(of: $0)) } ?? []
            let found = conditions.first { tape.text(at: ["type"], from: $0) == type }
            return found.flatMap { tape.text(at: ["status"], from: $0) } ?? ""
        }
    }

    static func computed(
        _ name: String, type: String = "string", priority: Int = 0, _ value: @escaping @Sendable (JSONTape) -> String
    ) -> PrinterColumn {
        PrinterColumn(name: name, type: type, priority: priority) { tape, _ in .string(value(tape)) }
    }
}
