// The members of a JSON object in the order in which they were written.

/// An ordered map from member name to value. Look-up is linear: objects in manifests have few members.
/// Two objects are equal when they have the same members in any order (RFC 8259 gives order no meaning).
public struct JSONObject: Sendable, ExpressibleByDictionaryLiteral, Sequence {
    public typealias Element = (key: String, value: JSONValue)

    /// As an object keeps it. A structure and no tuple: the run time destroys an array of tuples element by element through
    /// tables, which took a tenth of the API server's time.
    public struct Member: Sendable {
        public var key: String
        public var value: JSONValue

        public init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// Above this many members, comparisons build a hash index rather than search linearly.
    static let linearSearchLimit = 16

    private var members: [Member]

    public init() { members = [] }

    /// A later pair replaces an earlier one of the same name.
    public init(_ pairs: some Sequence<(String, JSONValue)>) {
        self.init(merging: pairs.map { Member($0.0, $0.1) })
    }

    public init(_ dictionary: [String: JSONValue]) {
        members = dictionary.map { Member($0.key, $0.value) }.sorted { $0.key < $1.key }
    }

    public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }

    /// For callers that know the names to be distinct, as the tape does.
    init(distinct members: [Member]) { self.members = members }

    private init(merging pairs: [Member]) {
        if pairs.count <= Self.linearSearchLimit {
            members = []
            members.reserveCapacity(pairs.count)
            for pair in pairs { self[pair.key] = pair.value }
            return
        }
        var position: [String: Int] = [:]
        members = []
        members.reserveCapacity(pairs.count)
        for pair in pairs {
            if let known = position[pair.key] {
                members[known].value = pair.value
            } else {
                position[pair.key] = members.count
                members.append(pair)
            }
        }
    }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var keys: [String] { members.map(\.key) }
    public var values: [JSONValue] { members.map(\.value) }

    public struct Iterator: IteratorProtocol {
        fileprivate let members: [Member]
        fileprivate var index = 0

        public mutating func next() -> Element? {
            guard index < members.count else { return nil }
            defer { index += 1 }
            return (key: members[index].key, value: members[index].value)
        }
    }

    public func makeIterator() -> Iterator { Iterator(members: members) }
    public var underestimatedCount: Int { members.count }

    public func contains(key: String) -> Bool { index(of: key) != nil }

    /// Setting keeps the place of an existing member and appends a new one; setting nil removes.
    public subscript(key: String) -> JSONValue? {
        get { index(of: key).map { members[$0].value } }
        set {
            guard let newValue else {
                removeValue(forKey: key)
                return
            }
            if let index = index(of: key) {
                members[index].value = newValue
            } else {
                members.append(Member(key, newValue))
            }
        }
    }

    @discardableResult
    public mutating func removeValue(forKey key: String) -> JSONValue? {
        guard let index = index(of: key) else { return nil }
        return members.remove(at: index).value
    }

    /// Changes a member's value in place, without a second reference to it; false when there is none. A value that becomes null
    /// stays as null.
    @discardableResult
    public mutating func changeValue(forKey key: String, _ change: (inout JSONValue) -> Void) -> Bool {
        guard let index = index(of: key) else { return false }
        change(&members[index].value)
        return true
    }

    /// As a `for` loop, without a copy of each member.
    @inline(__always) func visit(_ body: (String, JSONValue) -> Void) {
        members.withUnsafeBufferPointer { members in
            for index in members.indices { body(members[index].key, members[index].value) }
        }
    }

    /// Names are the same when their bytes are: lengths are compared first, because most names differ in them.
    private func index(of key: String) -> Int? {
        let length = key.utf8.count
        return members.withUnsafeBufferPointer { members in
            for index in members.indices where members[index].key.utf8.count == length && members[index].key == key {
                return index
            }
            return nil
        }
    }
}

extension JSONObject: Hashable {
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        guard left.count == right.count else { return false }
        if left.sharesMembers(with: right) { return true }
        if left.count > linearSearchLimit {
            let index = Dictionary(right.members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
            return left.members.allSatisfy { index[$0.key] == $0.value }
        }
        // Most equal objects have their members in the same order.
        for index in left.members.indices {
            let member = left.members[index]
            let isEqual =
                member.key == right.members[index].key
                ? member.value == right.members[index].value : right[member.key] == member.value
            if !isEqual { return false }
        }
        return true
    }

    /// One is a copy of the other.
    private func sharesMembers(with other: JSONObject) -> Bool {
        members.withUnsafeBufferPointer { one in other.members.withUnsafeBufferPointer { one.baseAddress == $0.baseAddress } }
    }

    public func hash(into hasher: inout Hasher) {
        // Order must not matter, so the members' hashes are combined by a commutative operation.
        var combined = 0
        for member in members {
            var one = Hasher()
            one.combine(member.key)
            one.combine(member.value)
            combined ^= one.finalize()
        }
        hasher.combine(combined)
    }
}

extension JSONObject: CustomStringConvertible {
    public var description: String { JSONValue.object(self).serializedString() }
}
