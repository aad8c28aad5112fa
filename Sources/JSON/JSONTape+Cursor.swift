// Walking the members and elements of a container without making a string of every name: for readers that know which
// names to expect, as a schema does.

extension JSONTape {
    /// A walk through one container; give it to ``nextMember(_:)`` or ``nextElement(_:)``.
    public struct Cursor: Sendable {
        var index: Int
        let end: Int
    }

    /// A member under way. `name` is the name's range in ``bytes``; with `isEscaped` it still holds escapes.
    public struct Member: Sendable {
        public let name: Range<Int>
        public let isEscaped: Bool
        public let value: Node
        let nameIndex: Int
    }

    /// At the first member or element; at the end at once when the node is no container.
    public func cursor(_ node: Node) -> Cursor {
        let entry = entries[node.index]
        switch entry.kind {
        case .object, .array: return Cursor(index: node.index + 1, end: Int(entry.next))
        case .null, .true, .false, .integer, .fraction, .string, .escapedString: return Cursor(index: 0, end: 0)
        }
    }

    public func nextMember(_ cursor: inout Cursor) -> Member? {
        guard cursor.index < cursor.end else { return nil }
        let name = entries[cursor.index]
        let member = Member(
            name: Int(name.start)..<Int(name.end), isEscaped: name.kind == .escapedString,
            value: Node(index: cursor.index + 1), nameIndex: cursor.index)
        cursor.index = Int(entries[cursor.index + 1].next)
        return member
    }

    public func nextElement(_ cursor: inout Cursor) -> Node? {
        guard cursor.index < cursor.end else { return nil }
        defer { cursor.index = Int(entries[cursor.index].next) }
        return Node(index: cursor.index)
    }

    /// A member's name with escapes resolved.
    public func name(_ member: Member) -> String { text(member.nameIndex) }

    /// How many entries the node's subtree has, itself included: an upper bound for what a reader must reserve.
    public func entryCount(_ node: Node) -> Int { Int(entries[node.index].next) - node.index }
}

extension JSONObject {
    /// For readers that know that no name comes twice, because the text was a tape or the names a declaration's.
    public init(distinctMembers members: [Member]) { self.init(distinct: members) }
}
