// Any JSON value as a Swift tree, for the places where a document's shape is not known in advance.

public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// A number written without fraction and exponent that fits 64 bits.
    case int(Int64)
    /// Any other number. Never infinite or NaN when it comes from a text.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// Parses a whole text strictly (see ``JSONTape``).
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        let tape = try JSONTape(parsing: bytes)
        self = tape.value(tape.root)
    }

    public init(parsing bytes: some Sequence<UInt8>) throws(JSONError) { try self.init(parsing: Array(bytes)) }

    public init(parsing text: String) throws(JSONError) { try self.init(parsing: Array(text.utf8)) }

    /// The value as UTF-8 text; `pretty` indents by two spaces. A non-finite number is written as null.
    public func serialized(pretty: Bool = false) -> [UInt8] {
        var writer = JSONWriter()
        if pretty { writer.prettyValue(self, depth: 0) } else { writer.value(self) }
        return writer.bytes
    }

    /// The text with the place of its resourceVersion, so that whoever stores it need not read it again. No place: this is no
    /// object, its metadata is none, or it is nested deeper than the parser reads. `capacity`: bytes that it may have.
    public func serializedObject(capacity: Int = 4096) -> (bytes: [UInt8], resourceVersion: ResourceVersionSplice?) {
        var writer = JSONWriter(capacity: capacity)
        let place = writer.object(self)
        return (writer.bytes, place)
    }

    public func serializedString(pretty: Bool = false) -> String {
        String(decoding: serialized(pretty: pretty), as: UTF8.self)
    }
}

extension JSONValue: CustomStringConvertible {
    public var description: String { serializedString() }
}

// MARK: - Access

extension JSONValue {
    /// The member of an object; nil when absent or when this is no object. Setting nil removes the member; setting on
    /// null makes an object; setting on any other kind does nothing, so that a typing error cannot erase a scalar.
    public subscript(_ key: String) -> JSONValue? {
        get { objectValue?[key] }
        set {
            switch self {
            case .object(var members):
                self = .null  // gives up this reference, so that the members are changed in place
                members[key] = newValue
                self = .object(members)
            case .null:
                if let newValue { self = .object(JSONObject(distinct: [JSONObject.Member(key, newValue)])) }
            case .bool, .int, .double, .string, .array:
                return
            }
        }
    }

    /// The value reached by following members from here; nil as soon as one is missing.
    public subscript(path path: String...) -> JSONValue? { value(at: path) }

    public func value(at path: [String]) -> JSONValue? {
        var current = self
        for key in path {
            guard let next = current[key] else { return nil }
            current = next
        }
        return current
    }

    /// Sets the value reached by following members, making objects on the way; nil removes it.
    public mutating func set(_ path: [String], to value: JSONValue?) { set(path[...], to: value) }

    private mutating func set(_ path: ArraySlice<String>, to value: JSONValue?) {
        guard let first = path.first else {
            if let value { self = value }
            return
        }
        let rest = path.dropFirst()
        switch self {
        case _ where rest.isEmpty: self[first] = value
        case .object(var members):
            self = .null  // gives up this reference, so that the members are changed in place
            let isThere = members.changeValue(forKey: first) { $0.set(rest, to: value) }
            if !isThere { members[first] = Self.object(rest, value) }
            self = .object(members)
        case .null: self[first] = Self.object(rest, value)
        case .bool, .int, .double, .string, .array: return
        }
    }

    /// nil when there is no value to be put in.
    private static func object(_ path: ArraySlice<String>, _ value: JSONValue?) -> JSONValue? {
        if value == nil { return nil }
        var object = JSONValue.null
        object.set(path, to: value)
        return object
    }

    /// The element of an array; nil when out of range or when this is no array.
    public subscript(_ index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    public var isNull: Bool {
        if case .null = self { return true }
        return false
    }

    public var stringValue: String? {
        guard case .string(let string) = self else { return nil }
        return string
    }

    /// The number if it is integral and fits 64 bits.
    public var intValue: Int64? {
        switch self {
        case .int(let integer): integer
        case .double(let double): Int64(exactly: double)
        case .null, .bool, .string, .array, .object: nil
        }
    }

    public var doubleValue: Double? {
        switch self {
        case .int(let integer): Double(integer)
        case .double(let double): double
        case .null, .bool, .string, .array, .object: nil
        }
    }

    public var boolValue: Bool? {
        guard case .bool(let bool) = self else { return nil }
        return bool
    }

    public var arrayValue: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    public var objectValue: JSONObject? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}

// MARK: - Literals

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByStringInterpolation
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .int(value) }
    public init(floatLiteral value: Double) { self = .double(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}
