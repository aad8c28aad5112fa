// Reading an object off the tape member by member, where an absent one reads as empty.
import JSON

struct TapeObject {
    private let tape: JSONTape
    /// nil: absent.
    private let node: JSONTape.Node?

    init(_ node: JSONTape.Node?, of tape: JSONTape) {
        self.node = node
        self.tape = tape
    }

    subscript(name: String) -> TapeObject { TapeObject(node.flatMap { tape.member(of: $0, name) }, of: tape) }

    /// nil when it is absent or no string.
    func string(_ name: String) -> String? {
        guard let node, let member = tape.member(of: node, name) else { return nil }
        return tape.string(member)
    }

    /// Whether the member is this very string, without making one.
    func isString(_ name: String, _ text: StaticString) -> Bool {
        guard let node, let member = tape.member(of: node, name), tape.kind(member) == .string else { return false }
        let raw = tape.rawRange(member)
        guard raw.count == text.utf8CodeUnitCount + 2 else { return false }
        return text.withUTF8Buffer { wanted in
            for offset in 0..<wanted.count where tape.bytes[raw.lowerBound + 1 + offset] != wanted[offset] { return false }
            return true
        }
    }

    func elements(_ name: String) -> [TapeObject] {
        guard let node, let member = tape.member(of: node, name) else { return [] }
        return tape.elements(of: member).map { TapeObject($0, of: tape) }
    }

    /// nil when it is absent or null.
    func decode<T: Decodable>(_ type: T.Type) throws -> T? {
        guard let node, !tape.isNull(node) else { return nil }
        return try JSON.decode(type, from: node, of: tape)
    }

    func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T? { try self[name].decode(type) }

    /// The text as it stands; nil when absent.
    var text: ArraySlice<UInt8>? { node.map { tape.rawBytes($0) } }

    /// The member's text and a zero, which no JSON text holds: neighbours cannot be taken for one another.
    func appendText(of name: String, to bytes: inout [UInt8]) {
        if let text = self[name].text { bytes.append(contentsOf: text) }
        bytes.append(0)
    }
}
