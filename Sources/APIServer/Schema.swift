// How a kind's fields are known: the one description from which decoding, pruning, defaults, strategic merge, protobuf
// bodies and the OpenAPI documents are made. `TypeLibrary` makes these from the declarations' text.
import JSON

/// The shape of one value.
indirect enum Schema: Sendable {
    case string
    /// One of these words.
    case enumeration([String])
    /// RFC 3339, as metav1.Time and MicroTime.
    case dateTime
    /// Base64 text (a Go []byte).
    case bytes
    case integer(minimum: Int64?, maximum: Int64?)
    case number
    case boolean
    /// A resource quantity: "500m", "1Gi", 2.
    case quantity
    case intOrString
    /// Anything; kept as it is.
    case any
    /// `mergeKey`: the member by which a strategic merge recognises an element; empty for a list of scalars that merges.
    case array(Schema, mergeKey: String?)
    /// An object with free names.
    case map(Schema)
    case object(ObjectSchema)

    static let integer = Schema.integer(minimum: nil, maximum: nil)
    static let int32 = Schema.integer(minimum: Int64(Int32.min), maximum: Int64(Int32.max))

    static func array(_ element: Schema) -> Schema { .array(element, mergeKey: nil) }

    /// A shape written in code.
    static func object(_ name: String? = nil, _ description: Substring = "", _ fields: [Field]) -> Schema {
        .object(ObjectSchema(name: name ?? "", description: description, fields: fields))
    }
}

/// A member of an object.
struct Field: Sendable {
    /// Marks of a list in the OpenAPI documents.
    struct ListTraits: Sendable {
        /// The members that identify an element (`x-kubernetes-list-map-keys`); empty: the merge key does.
        var mapKeys: [String] = []
        var isSet = false
        /// The strategic merge patch of a union: members that the patch does not name go.
        var retainsKeys = false
    }

    let name: String
    let schema: Schema
    /// Must be there, and not be empty.
    var isRequired = false
    /// A zero value (0, false, "") is a value; without this it means the same as none.
    var isPointer = false
    /// Filled in when it is absent, wherever the object around it is there.
    var defaultValue: JSONValue?
    /// In Kubernetes' protobuf; 0 when it has none.
    var number = 0
    /// A point in time with microseconds.
    var isMicroTime = false
    /// Stands in the object on behalf of an inlined type, which has the field's number.
    var isInlined = false
    var list = ListTraits()
    var description: Substring = ""
}

/// The part of a field that decoding needs.
struct FieldShape: Sendable {
    let name: String
    let schema: Schema
    /// An empty text means the same as none.
    let isUnsetByEmptyText: Bool
    /// A zero means the same as none.
    let isUnsetByZero: Bool

    /// As Go's types cannot tell a zero value from none where something must be, or where a default stands for it.
    init(_ field: Field) {
        name = field.name
        schema = field.schema
        isUnsetByEmptyText = !field.isPointer && (field.isRequired || field.defaultValue != nil)
        isUnsetByZero = !field.isPointer && field.defaultValue != nil
    }

    func isUnset(_ value: JSONValue) -> Bool {
        switch value {
        case .string(let text): isUnsetByEmptyText && text.isEmpty
        case .int(let number): isUnsetByZero && number == 0
        case .null, .bool, .double, .array, .object: false
        }
    }
}

extension Field {
    init(_ name: String, _ schema: Schema, required: Bool = false, _ description: Substring = "") {
        self.init(name: name, schema: schema, isRequired: required, description: description)
    }
}

/// Shared by reference: pod specs occur in several kinds.
final class ObjectSchema: Sendable {
    /// "io.k8s.api.core.v1.Pod".
    let name: String
    let description: Substring
    /// As JSON has them: the members of inlined types among the own ones.
    let fields: [Field]
    /// Inlined types by the number under which protobuf nests them.
    let inlined: [Int: ObjectSchema]
    /// Positions of fields that a decoder must look at when they are absent.
    let expected: [Int]
    /// By position, what a decoder asks of every member: a whole `Field` holds so many references that copying it costs more than
    /// reading a scalar.
    let shapes: [FieldShape]
    private let names: FieldNameTable

    /// At most as many as there are bits in `SeenFields`.
    static let maximumFields = SeenFields.capacity

    init(name: String, description: Substring = "", fields: [Field], inlined: [Int: ObjectSchema] = [:]) {
        precondition(fields.count <= Self.maximumFields, "\(name): a declaration has too many fields")
        self.name = name
        self.description = description
        self.fields = fields
        self.inlined = inlined
        expected = fields.indices.filter { fields[$0].isRequired || fields[$0].defaultValue != nil }
        shapes = fields.map(FieldShape.init)
        names = FieldNameTable(fields.map(\.name))
    }

    subscript(name: String) -> Field? {
        var name = name
        return name.withUTF8 { names.position(of: $0).map { fields[$0] } }
    }

    func position(of name: UnsafeBufferPointer<UInt8>) -> Int? { names.position(of: name) }
}

/// Which fields of an object were there.
struct SeenFields {
    static let capacity = 128

    private var low: UInt64 = 0
    private var high: UInt64 = 0

    mutating func insert(_ position: Int) {
        if position < 64 { low |= 1 << UInt64(position) } else { high |= 1 << UInt64(position - 64) }
    }

    func contains(_ position: Int) -> Bool {
        position < 64 ? low & 1 << UInt64(position) != 0 : high & 1 << UInt64(position - 64) != 0
    }
}

/// Field names by their bytes: open addressing over a power of two, at most half full.
private struct FieldNameTable: Sendable {
    private static let free = UInt8.max

    private let slots: [UInt8]
    private let bytes: [UInt8]
    private let starts: [UInt16]

    init(_ names: [String]) {
        var size = 4
        while size < names.count * 2 { size *= 2 }
        var slots = [UInt8](repeating: Self.free, count: size)
        var bytes: [UInt8] = []
        var starts: [UInt16] = [0]
        for (position, name) in names.enumerated() {
            let encoded = Array(name.utf8)
            var slot = encoded.withUnsafeBufferPointer(Self.hash) & (size - 1)
            while slots[slot] != Self.free { slot = (slot + 1) & (size - 1) }
            slots[slot] = UInt8(position)
            bytes += encoded
            starts.append(UInt16(bytes.count))
        }
        self.slots = slots
        self.bytes = bytes
        self.starts = starts
    }

    private static func hash(_ name: UnsafeBufferPointer<UInt8>) -> Int {
        guard let first = name.first, let last = name.last else { return 0 }
        return Int(first) &* 7 ^ Int(last) &* 29 ^ Int(name[name.count / 2]) &* 61 ^ name.count
    }

    func position(of name: UnsafeBufferPointer<UInt8>) -> Int? {
        var slot = Self.hash(name) & (slots.count - 1)
        while slots[slot] != Self.free {
            let position = Int(slots[slot])
            let start = Int(starts[position])
            if Int(starts[position + 1]) - start == name.count, isEqual(start, name) { return position }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    @inline(__always) private func isEqual(_ start: Int, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        for offset in 0..<name.count where bytes[start &+ offset] != name[offset] { return false }
        return true
    }
}
