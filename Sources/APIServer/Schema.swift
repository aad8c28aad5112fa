// How a kind's fields are declared: the one description from which validation, pruning, strategic merge and the OpenAPI
// documents are made.

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
    /// `mergeKey`: the member by which a strategic merge recognises an element.
    case array(Schema, mergeKey: String?)
    /// An object with free names.
    case map(Schema)
    case object(ObjectSchema)

    static let integer = Schema.integer(minimum: nil, maximum: nil)
    /// Go's int32, not negative.
    static let count = Schema.integer(minimum: 0, maximum: Int64(Int32.max))
    static let port = Schema.integer(minimum: 1, maximum: 65535)
    static let stringMap = Schema.map(.string)
    static let quantityMap = Schema.map(.quantity)

    static func array(_ element: Schema) -> Schema { .array(element, mergeKey: nil) }

    /// An object with the given OpenAPI component name ("io.k8s.api.core.v1.Container"); without a name it is inlined.
    static func object(_ name: String? = nil, _ description: String = "", _ fields: [Field]) -> Schema {
        .object(ObjectSchema(name: name, description: description, fields: fields))
    }
}

/// A member of an object.
struct Field: Sendable {
    let name: String
    let schema: Schema
    let isRequired: Bool
    let description: String

    init(_ name: String, _ schema: Schema, required: Bool = false, _ description: String = "") {
        self.name = name
        self.schema = schema
        isRequired = required
        self.description = description
    }
}

/// Shared by reference: pod specs occur in several kinds.
final class ObjectSchema: Sendable {
    let name: String?
    let description: String
    let fields: [Field]
    private let positions: [String: Int]

    init(name: String?, description: String, fields: [Field]) {
        self.name = name
        self.description = description
        self.fields = fields
        positions = Dictionary(fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    subscript(name: String) -> Field? { positions[name].map { fields[$0] } }
}
