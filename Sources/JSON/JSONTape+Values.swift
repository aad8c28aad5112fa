// Reading scalars, and whole subtrees, off the tape.

extension JSONTape {
    /// The string's text with escapes resolved; nil when the node is no string.
    public func string(_ node: Node) -> String? {
        switch entries[node.index].kind {
        case .string, .escapedString: text(node.index)
        case .null, .true, .false, .integer, .fraction, .array, .object: nil
        }
    }

    public func bool(_ node: Node) -> Bool? {
        switch entries[node.index].kind {
        case .true: true
        case .false: false
        case .null, .integer, .fraction, .string, .escapedString, .array, .object: nil
        }
    }

    public func isNull(_ node: Node) -> Bool { entries[node.index].kind == .null }

    /// The number if it is integral and fits the type; `1.0` and `1e3` are integral.
    public func integer<Integer: FixedWidthInteger>(_ node: Node, as: Integer.Type = Int64.self) -> Integer? {
        let entry = entries[node.index]
        switch entry.kind {
        case .integer: return Self.integer(bytes[Int(entry.start)..<Int(entry.end)])
        case .fraction: return double(node).flatMap { Integer(exactly: $0) }
        case .null, .true, .false, .string, .escapedString, .array, .object: return nil
        }
    }

    private static func integer<Integer: FixedWidthInteger>(_ digits: ArraySlice<UInt8>) -> Integer? {
        let negative = digits.first == UInt8(ascii: "-")
        var result: Integer = 0
        for byte in negative ? digits.dropFirst() : digits {
            let digit = Integer(truncatingIfNeeded: byte &- UInt8(ascii: "0"))
            let (product, overflowed) = result.multipliedReportingOverflow(by: 10)
            // Counting downwards lets the smallest value of a signed type be read.
            let (sum, overflowedToo) =
                negative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            if overflowed || overflowedToo { return nil }
            result = sum
        }
        return result
    }

    public func double(_ node: Node) -> Double? {
        let entry = entries[node.index]
        switch entry.kind {
        case .integer, .fraction: return Double(String(decoding: bytes[Int(entry.start)..<Int(entry.end)], as: UTF8.self))
        case .null, .true, .false, .string, .escapedString, .array, .object: return nil
        }
    }

    /// An object whose members are all strings; nil for anything else.
    public func strings(_ node: Node) -> [String: String]? {
        guard entries[node.index].kind == .object else { return nil }
        var result: [String: String] = [:]
        for name in children(of: node, kind: .object, stride: 2) {
            guard let value = string(Node(index: name + 1)) else { return nil }
            result[text(name)] = value
        }
        return result
    }

    /// The subtree as a tree.
    public func value(_ node: Node) -> JSONValue {
        let entry = entries[node.index]
        switch entry.kind {
        case .null: return .null
        case .true: return .bool(true)
        case .false: return .bool(false)
        case .integer: return integer(node).map { .int($0) } ?? .double(double(node) ?? 0)
        case .fraction: return .double(double(node) ?? 0)
        case .string, .escapedString: return .string(text(node.index))
        case .array:
            var elements: [JSONValue] = []
            var index = node.index + 1
            while index < Int(entry.next) {
                elements.append(value(Node(index: index)))
                index = Int(entries[index].next)
            }
            return .array(elements)
        case .object:
            var members: [JSONObject.Member] = []
            // Most members are scalars, which have two entries.
            members.reserveCapacity(min((Int(entry.next) - node.index) / 2, 16))
            var name = node.index + 1
            while name < Int(entry.next) {
                members.append(JSONObject.Member(text(name), value(Node(index: name + 1))))
                name = Int(entries[name + 1].next)
            }
            return .object(JSONObject(distinct: members))
        }
    }

    /// The text of a string or name entry.
    func text(_ index: Int) -> String {
        let entry = entries[index]
        let range = Int(entry.start)..<Int(entry.end)
        if entry.kind == .escapedString { return String(decoding: JSONEscape.unescape(bytes[range]), as: UTF8.self) }
        return bytes.withUnsafeBufferPointer { String(decoding: UnsafeBufferPointer(rebasing: $0[range]), as: UTF8.self) }
    }
}
