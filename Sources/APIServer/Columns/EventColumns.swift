// What kubectl shows of an event. Rows are made from the stored words, whichever group was asked.
import JSON

enum EventColumns {
    static let all: [PrinterColumn] = [
        lastSeen, .text("Type", ["type"]), .text("Reason", ["reason"]), .computed("Object", object),
        .text("Subobject", ["involvedObject", "fieldPath"], priority: 1), .computed("Source", priority: 1, source),
        .text("Message", ["message"]), firstSeen, .computed("Count", priority: 1, count),
        PrinterColumn(name: "Name", format: "name", priority: 1) { tape, _ in .string(tape.text(at: ["metadata", "name"]) ?? "")
        },
    ]

    /// A series tells more than the event that began it.
    private static let lastSeen = PrinterColumn(name: "Last Seen") { tape, now in
        let places = [["series", "lastObservedTime"], ["lastTimestamp"], ["eventTime"], ["firstTimestamp"]]
        return age(tape, places, now)
    }

    private static let firstSeen = PrinterColumn(name: "First Seen", priority: 1) { tape, now in
        age(tape, [["firstTimestamp"], ["eventTime"]], now)
    }

    private static func age(_ tape: JSONTape, _ places: [[String]], _ now: Int64) -> JSONValue {
        let seconds = places.lazy.compactMap { tape.text(at: $0).flatMap(RFC3339.seconds) }.first
        return .string(seconds.map { HumanDuration.text(seconds: now - $0) } ?? "<unknown>")
    }

    @Sendable private static func object(_ tape: JSONTape) -> String {
        let kind = tape.text(at: ["involvedObject", "kind"]) ?? ""
        let name = tape.text(at: ["involvedObject", "name"]) ?? ""
        return name.isEmpty ? kind.lowercased() : "\(kind.lowercased())/\(name)"
    }

    @Sendable private static func source(_ tape: JSONTape) -> String {
        let component = tape.text(at: ["source", "component"]) ?? tape.text(at: ["reportingComponent"]) ?? ""
        guard let host = tape.text(at: ["source", "host"]), !host.isEmpty else { return component }
        return "\(component), \(host)"
    }

    @Sendable private static func count(_ tape: JSONTape) -> String {
        let node = tape.node(["series", "count"]) ?? tape.node(["count"])
        return String(node.flatMap { tape.integer($0, as: Int64.self) } ?? 1)
    }
}
