// An object's text with other values for some of its members: the bytes of all others are copied.

extension JSONTape {
    /// `members` of the root object get these values, or go (nil); what is not there yet is added at the end. With the place of the
    /// result's resourceVersion, as ``JSONValue/serializedObject(capacity:)`` tells it. The root must be an object.
    public func replacing(
        _ members: [(name: String, value: JSONValue?)]
    ) -> (bytes: [UInt8], resourceVersion: ResourceVersionSplice?) {
        var writer = JSONWriter(capacity: bytes.count * 2)
        var splice: ResourceVersionSplice?
        var missing = members
        var first = true
        writer.raw(UInt8(ascii: "{"))
        var cursor = cursor(root)
        while let member = nextMember(&cursor) {
            if let place = missing.firstIndex(where: { isName(member, $0.name) }) {
                let replacement = missing.remove(at: place)
                guard let value = replacement.value else { continue }
                writer.member(replacement.name, value, &first, &splice)
                continue
            }
            writer.separate(&first)
            writer.raw(bytes, member.name.lowerBound - 1..<member.name.upperBound + 1)
            writer.raw(UInt8(ascii: ":"))
            if isName(member, "metadata") { splice = resourceVersion(in: member.value, movedTo: writer.count) }
            writer.raw(bytes, rawRange(member.value))
        }
        for (name, value) in missing {
            if let value { writer.member(name, value, &first, &splice) }
        }
        writer.raw(UInt8(ascii: "}"))
        return (writer.bytes, writer.isTooDeep ? nil : splice)
    }

    private func isName(_ member: Member, _ name: String) -> Bool {
        member.isEscaped ? self.name(member) == name : bytes[member.name].elementsEqual(name.utf8)
    }

    /// Of metadata whose bytes are copied to another place; nil when it has no resourceVersion.
    private func resourceVersion(in metadata: Node, movedTo place: Int) -> ResourceVersionSplice? {
        guard let node = member(of: metadata, "resourceVersion") else { return nil }
        let range = rawRange(node)
        let moved = place - rawRange(metadata).lowerBound
        return ResourceVersionSplice(range: range.lowerBound + moved..<range.upperBound + moved, before: "", after: "")
    }
}

extension JSONWriter {
    fileprivate mutating func member(
        _ key: String, _ value: JSONValue, _ first: inout Bool, _ splice: inout ResourceVersionSplice?
    ) {
        name(key, &first)
        if key == "metadata" { splice = metadata(value) } else { self.value(value) }
    }
}
