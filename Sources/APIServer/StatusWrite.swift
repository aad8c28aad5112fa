// A write of the status alone: of the stored object only metadata and status are read as trees, and the bytes of everything else
// are stored again as they were. Most writes of a cluster are such, and most of an object is its spec.
import JSON
import ResourceStore

/// What such a write needs to know of a kind.
struct StatusWrite: Sendable {
    /// Members of `spec` that admission looks at (NodeRestriction); of the rest it sees nothing.
    var spec: [String] = []
    /// The status' own defaults. Of the object there are metadata, status and those members of the spec.
    var applyDefaults: @Sendable (_ object: inout JSONValue, _ old: JSONValue) -> Void = { _, _ in }
}

/// A stored object of which only the status and what goes with it is a tree.
struct StatusView {
    /// kind, apiVersion, metadata, the wanted members of the spec, status: in the stored order.
    let object: JSONValue
    private let tape: JSONTape

    init(_ stored: [UInt8], _ write: StatusWrite) throws(JSONError) {
        tape = try JSONTape(parsing: stored)
        var members: [JSONObject.Member] = []
        var cursor = tape.cursor(tape.root)
        while let member = tape.nextMember(&cursor) {
            let name = tape.name(member)
            switch name {
            case "kind", "apiVersion", "metadata", "status": members.append(JSONObject.Member(name, tape.value(member.value)))
            case "spec": members.append(JSONObject.Member(name, Self.part(of: member.value, write.spec, tape)))
            default: continue
            }
        }
        object = .object(JSONObject(distinctMembers: members))
    }

    private static func part(of spec: JSONTape.Node, _ names: [String], _ tape: JSONTape) -> JSONValue {
        var members: [JSONObject.Member] = []
        for name in names {
            if let node = tape.member(of: spec, name) { members.append(JSONObject.Member(name, tape.value(node))) }
        }
        return .object(JSONObject(distinctMembers: members))
    }

    /// The stored bytes with metadata and status of `changed`, which was made from `object`.
    func bytes(with changed: JSONValue) -> (bytes: [UInt8], resourceVersion: ResourceVersionSplice?) {
        var replacements: [(name: String, value: JSONValue?)] = []
        for name in ["metadata", "status"] where changed[name] != object[name] { replacements.append((name, changed[name])) }
        return tape.replacing(replacements)
    }
}

extension ServedKind {
    /// The index after a write of the status: what selectors see of the spec is as it was.
    func index(ofStatus object: JSONValue, before: ObjectIndex) -> ObjectIndex {
        var index = index(object)
        for (field, value) in before.fields where field.hasPrefix("spec.") { index.fields[field] = value }
        return index
    }
}
