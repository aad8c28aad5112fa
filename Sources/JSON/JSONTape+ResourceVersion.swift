// Splicing: a stored object gets its resourceVersion without being encoded again.

extension JSONTape {
    /// The text with `metadata.resourceVersion` set to the given revision, all other bytes unchanged; the member, and
    /// `metadata`, are added when absent (or null). Fails when the text, or its metadata, is no object.
    public func settingResourceVersion(_ revision: UInt64) throws(JSONError) -> [UInt8] {
        try settingMember("resourceVersion", ofMember: "metadata", to: Array("\"\(revision)\"".utf8))
    }

    /// The text with a member of a member of the root object set to a value in JSON text.
    public func settingMember(_ key: String, ofMember parent: String, to value: [UInt8]) throws(JSONError) -> [UInt8] {
        guard kind(root) == .object else {
            throw JSONError(offset: 0, message: "expected an object, found \(kind(root))", in: bytes)
        }
        guard let parentNode = member(of: root, parent) else {
            return inserting("\(quoted(parent)):{\(quoted(key)):", value, "}", intoObject: root)
        }
        switch kind(parentNode) {
        case .null:
            return replacing(rawRange(parentNode), by: Array("{\(quoted(key)):".utf8) + value + Array("}".utf8))
        case .object:
            if let node = member(of: parentNode, key) { return replacing(rawRange(node), by: value) }
            return inserting("\(quoted(key)):", value, "", intoObject: parentNode)
        case .bool, .number, .string, .array:
            let offset = rawRange(parentNode).lowerBound
            throw JSONError(offset: offset, message: "\(parent): expected an object, found \(kind(parentNode))", in: bytes)
        }
    }

    private func quoted(_ key: String) -> String { JSONValue.string(key).serializedString() }

    private func replacing(_ range: Range<Int>, by value: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count - range.count + value.count)
        result.append(contentsOf: bytes[..<range.lowerBound])
        result.append(contentsOf: value)
        result.append(contentsOf: bytes[range.upperBound...])
        return result
    }

    /// New members go first, right after the brace, because there it is known whether a comma is due.
    private func inserting(_ before: String, _ value: [UInt8], _ after: String, intoObject object: Node) -> [UInt8] {
        let entry = entries[object.index]
        let isEmpty = Int(entry.next) == object.index + 1
        let place = Int(entry.start) + 1
        return replacing(place..<place, by: Array(before.utf8) + value + Array((after + (isEmpty ? "" : ",")).utf8))
    }
}
