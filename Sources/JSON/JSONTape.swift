// A validated flat index over the raw bytes of a JSON text: the API server reads and splices objects through it
// without building a tree.

/// One strict pass makes one 16-byte entry per value and member name; everything else is random access.
/// Refused: invalid UTF-8, bad escapes and numbers, lone surrogates, duplicate member names, unescaped control
/// characters, text after the value, nesting deeper than ``maximumDepth``, more bytes than ``maximumBytes``.
public final class JSONTape: Sendable {
    /// Deep enough for every manifest, shallow enough for recursion on a 512 KiB stack.
    public static let maximumDepth = 512
    /// Fits the 32-bit offsets and any list that a server of ours sends; request bodies are bounded far lower.
    public static let maximumBytes = 256 << 20

    public enum Kind: Sendable, Hashable, CaseIterable { case null, bool, number, string, array, object }

    /// A place on the tape of one document; meaningless on another's.
    public struct Node: Hashable, Sendable {
        let index: Int
    }

    enum EntryKind: UInt8 { case null, `true`, `false`, integer, fraction, string, escapedString, array, object }

    struct Entry: Sendable {
        let start: UInt32
        var end: UInt32
        /// Index of the entry after this one and its children.
        var next: UInt32
        let kind: EntryKind

        init(kind: EntryKind, start: Int, end: Int, next: Int) {
            self.kind = kind
            self.start = UInt32(truncatingIfNeeded: start)
            self.end = UInt32(truncatingIfNeeded: end)
            self.next = UInt32(truncatingIfNeeded: next)
        }
    }

    public let bytes: [UInt8]
    let entries: [Entry]

    public convenience init(parsing bytes: [UInt8], maximumDepth: Int = JSONTape.maximumDepth) throws(JSONError) {
        try self.init(parsing: bytes, maximumDepth: maximumDepth, allowsDuplicateNames: false)
    }

    /// With `allowsDuplicateNames`, look-ups by name find the first of several members.
    init(parsing bytes: [UInt8], maximumDepth: Int, allowsDuplicateNames: Bool) throws(JSONError) {
        guard bytes.count <= Self.maximumBytes else {
            throw JSONError(offset: Self.maximumBytes, message: "text of \(bytes.count) bytes; at most \(Self.maximumBytes)")
        }
        if let offset = Self.firstInvalidUTF8(bytes) {
            throw JSONError(offset: offset, message: "invalid UTF-8", in: bytes)
        }
        do {
            entries = try bytes.withUnsafeBufferPointer { input throws(TapeParser.Failure) in
                var parser = TapeParser(input, maximumDepth: maximumDepth, allowsDuplicateNames: allowsDuplicateNames)
                try parser.parseDocument()
                return parser.entries
            }
        } catch {
            throw JSONError(offset: error.offset, message: error.message, in: bytes)
        }
        self.bytes = bytes
    }

    private static func firstInvalidUTF8(_ bytes: [UInt8]) -> Int? {
        do {
            _ = try UTF8Span(validating: bytes.span)
            return nil
        } catch {
            return error.byteOffsets.lowerBound
        }
    }

    // MARK: Navigation

    public var root: Node { Node(index: 0) }

    public func kind(_ node: Node) -> Kind {
        switch entries[node.index].kind {
        case .null: .null
        case .true, .false: .bool
        case .integer, .fraction: .number
        case .string, .escapedString: .string
        case .array: .array
        case .object: .object
        }
    }

    /// The value's bytes in ``bytes``, a string's quotes included.
    public func rawRange(_ node: Node) -> Range<Int> {
        let entry = entries[node.index]
        switch entry.kind {
        case .string, .escapedString: return Int(entry.start) - 1..<Int(entry.end) + 1
        case .null, .true, .false, .integer, .fraction, .array, .object: return Int(entry.start)..<Int(entry.end)
        }
    }

    public func rawBytes(_ node: Node) -> ArraySlice<UInt8> { bytes[rawRange(node)] }

    /// The member of an object; nil when absent or when the node is no object.
    public func member(of node: Node, _ key: String) -> Node? {
        guard entries[node.index].kind == .object else { return nil }
        return name(key, inObject: node.index).map { Node(index: $0 + 1) }
    }

    /// Follows members from the root.
    public func node(at path: String...) -> Node? {
        var current = root
        for key in path {
            guard let next = member(of: current, key) else { return nil }
            current = next
        }
        return current
    }

    /// Index of the entry of a member's name.
    func name(_ key: String, inObject object: Int) -> Int? {
        var key = key
        return key.withUTF8 { key in
            bytes.withUnsafeBufferPointer { bytes in
                let end = Int(entries[object].next)
                var name = object + 1
                while name < end {
                    if Self.isName(entries[name], key, in: bytes) { return name }
                    name = Int(entries[name + 1].next)
                }
                return nil
            }
        }
    }

    @inline(__always) private static func isName(
        _ entry: Entry, _ key: UnsafeBufferPointer<UInt8>, in bytes: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        let raw = Int(entry.start)..<Int(entry.end)
        if entry.kind == .escapedString { return JSONEscape.unescape(bytes[raw]).elementsEqual(key) }
        guard raw.count == key.count else { return false }
        for offset in 0..<key.count where bytes[raw.lowerBound &+ offset] != key[offset] { return false }
        return true
    }

    // MARK: Iteration

    /// The members of an object in order; none when the node is no object.
    public func members(of node: Node) -> some Sequence<(key: String, value: Node)> {
        children(of: node, kind: .object, stride: 2).lazy.map { name in
            (key: self.text(name), value: Node(index: name + 1))
        }
    }

    /// The elements of an array in order; none when the node is no array.
    public func elements(of node: Node) -> some Sequence<Node> {
        children(of: node, kind: .array, stride: 1).lazy.map { Node(index: $0) }
    }

    /// Indices of a container's children; with a stride of 2, of its names.
    func children(of node: Node, kind: EntryKind, stride: Int) -> some Sequence<Int> {
        let entry = entries[node.index]
        let end = entry.kind == kind ? Int(entry.next) : 0
        return sequence(state: node.index + 1) { index -> Int? in
            guard index < end else { return nil }
            defer { index = Int(self.entries[index + stride - 1].next) }
            return index
        }
    }
}
