// Reading a text with repeated member names, for servers that must take it and say so.

extension JSONValue {
    /// As `init(parsing:)`, but of members with the same name the last one counts. `duplicateFields` are their places, each
    /// once: `spec.containers[0].name`.
    public static func parsingWithDuplicates(
        _ bytes: [UInt8]
    ) throws(JSONError) -> (value: JSONValue, duplicateFields: [String]) {
        // Almost every text has none: the strict reader is the fast one.
        do throws(JSONError) { return (try JSONValue(parsing: bytes), []) } catch {
            guard error.message.hasPrefix("duplicate member name") else { throw error }
        }
        let tape = try JSONTape(parsing: bytes, maximumDepth: JSONTape.maximumDepth, allowsDuplicateNames: true)
        var duplicates: [String] = []
        var path: [JSONTape.Step] = []
        let value = tape.lastValue(tape.root, at: &path, &duplicates)
        return (value, duplicates)
    }
}

extension JSONTape {
    /// More places than this are not told.
    private static let maximumDuplicates = 64

    fileprivate enum Step {
        case member(String)
        case index(Int)
    }

    /// Put together for those few that are told: a long name above many members would be copied for each.
    private static func text(_ path: [Step]) -> String {
        path.reduce(into: "") { text, step in
            switch step {
            case .member(let name): text += text.isEmpty ? name : ".\(name)"
            case .index(let index): text += "[\(index)]"
            }
        }
    }

    fileprivate func lastValue(_ node: Node, at path: inout [Step], _ duplicates: inout [String]) -> JSONValue {
        switch kind(node) {
        case .object:
            var position: [String: Int] = [:]
            var told: Set<String> = []
            var pairs: [JSONObject.Member] = []
            for (key, member) in members(of: node) {
                path.append(.member(key))
                defer { path.removeLast() }
                let value = lastValue(member, at: &path, &duplicates)
                if let known = position[key] {
                    pairs[known].value = value
                    if told.insert(key).inserted, duplicates.count < Self.maximumDuplicates { duplicates.append(Self.text(path)) }
                } else {
                    position[key] = pairs.count
                    pairs.append(JSONObject.Member(key, value))
                }
            }
            return .object(JSONObject(distinct: pairs))
        case .array:
            var result: [JSONValue] = []
            for (index, element) in elements(of: node).enumerated() {
                path.append(.index(index))
                result.append(lastValue(element, at: &path, &duplicates))
                path.removeLast()
            }
            return .array(result)
        case .null, .bool, .number, .string: return value(node)
        }
    }
}
