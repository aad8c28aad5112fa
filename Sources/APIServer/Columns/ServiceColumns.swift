// What kubectl shows of a Service, of Endpoints and of an EndpointSlice.
import JSON

enum ServiceColumns {
    static let all: [PrinterColumn] = [
        .name, .text("Type", ["spec", "type"]), .text("Cluster-IP", ["spec", "clusterIP"], missing: "<none>"),
        .computed("External-IP", external), .computed("Port(s)", ports), .age,
        .computed("Selector", priority: 1) { LabelText.text($0, ["spec", "selector"]) },
    ]

    @Sendable private static func external(_ tape: JSONTape) -> String {
        if tape.text(at: ["spec", "type"]) == "ExternalName" { return tape.text(at: ["spec", "externalName"]) ?? "<none>" }
        var addresses = tape.node(["spec", "externalIPs"]).map { tape.elements(of: $0).compactMap { tape.string($0) } } ?? []
        for entry in tape.node(["status", "loadBalancer", "ingress"]).map({ Array(tape.elements(of: $0)) }) ?? [] {
            if let address = tape.text(at: ["ip"], from: entry) ?? tape.text(at: ["hostname"], from: entry) {
                addresses.append(address)
            }
        }
        if !addresses.isEmpty { return addresses.joined(separator: ",") }
        return tape.text(at: ["spec", "type"]) == "LoadBalancer" ? "<pending>" : "<none>"
    }

    @Sendable private static func ports(_ tape: JSONTape) -> String {
        let ports = tape.node(["spec", "ports"]).map { Array(tape.elements(of: $0)) } ?? []
        if ports.isEmpty { return "<none>" }
        return ports.map { port in
            func number(_ member: String) -> Int64 {
                tape.member(of: port, member).flatMap { tape.integer($0, as: Int64.self) } ?? 0
            }
            let node = number("nodePort") == 0 ? "" : ":\(number("nodePort"))"
            return "\(number("port"))\(node)/\(tape.text(at: ["protocol"], from: port) ?? "TCP")"
        }.joined(separator: ",")
    }
}

enum EndpointColumns {
    private static let shown = 3

    @Sendable static func endpoints(_ tape: JSONTape) -> String {
        var all: [String] = []
        for subset in tape.node(["subsets"]).map({ Array(tape.elements(of: $0)) }) ?? [] {
            let addresses = tape.node(["addresses"], from: subset).map { Array(tape.elements(of: $0)) } ?? []
            let texts = addresses.compactMap { tape.text(at: ["ip"], from: $0) }
            let ports = tape.node(["ports"], from: subset).map { Array(tape.elements(of: $0)) } ?? []
            if ports.isEmpty { all += texts }
            for port in ports {
                let number = tape.member(of: port, "port").flatMap { tape.integer($0, as: Int64.self) } ?? 0
                all += texts.map { $0.contains(":") ? "[\($0)]:\(number)" : "\($0):\(number)" }
            }
        }
        return joined(all, none: "<none>")
    }

    @Sendable static func slicePorts(_ tape: JSONTape) -> String {
        let ports = tape.node(["ports"]).map { Array(tape.elements(of: $0)) } ?? []
        let numbers = ports.compactMap { tape.member(of: $0, "port").flatMap { tape.integer($0, as: Int64.self) } }
        return joined(numbers.map(String.init), none: "<unset>")
    }

    @Sendable static func sliceAddresses(_ tape: JSONTape) -> String {
        let endpoints = tape.node(["endpoints"]).map { Array(tape.elements(of: $0)) } ?? []
        let addresses = endpoints.flatMap { endpoint in
            tape.node(["addresses"], from: endpoint).map { tape.elements(of: $0).compactMap { tape.string($0) } } ?? []
        }
        return joined(addresses, none: "<unset>")
    }

    private static func joined(_ texts: [String], none: String) -> String {
        if texts.isEmpty { return none }
        let head = texts.prefix(shown).joined(separator: ",")
        return texts.count > shown ? "\(head) + \(texts.count - shown) more..." : head
    }
}

enum LabelText {
    /// "a=b,c=d" in order of keys.
    static func text(_ tape: JSONTape, _ path: [String]) -> String {
        let labels = tape.node(path).flatMap { tape.strings($0) } ?? [:]
        if labels.isEmpty { return "<none>" }
        return labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }
}
