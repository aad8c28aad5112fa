// The OpenAPI v2 document, as JSON and in the protobuf that kubectl up to 1.28 asks for. Definitions only: paths are in v3.
// Field numbers: openapiv2/OpenAPIv2.proto of google/gnostic-models.
import JSON
import KubernetesModel

struct OpenAPIv2 {
    static let protobufContentType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

    let registry: KindRegistry

    private var definitions: JSONObject {
        var schemas = OpenAPISchemas(.v2)
        for kind in registry.kinds {
            let declaration = kind.declaration
            schemas.add(declaration.openAPIName, as: declaration.gvk, list: !declaration.isReview)
            for subresource in declaration.subresources {
                schemas.add(subresource.openAPIName, as: subresource.kind, list: false)
            }
        }
        return schemas.definitions
    }

    var json: JSONValue {
        [
            "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(ServerDocuments.gitVersion)], "paths": [:],
            "definitions": .object(definitions),
        ]
    }

    /// `openapi.v2.Document`.
    var protobuf: [UInt8] {
        var info = ProtobufWriter()
        info.string(1, "Kubernetes")
        info.string(2, ServerDocuments.gitVersion)
        var document = ProtobufWriter()
        document.string(1, "2.0")
        document.message(2, info)
        document.message(8, ProtobufWriter())
        document.message(9, Self.named(definitions))
        return document.bytes
    }

    /// `Definitions` and `Properties`: repeated NamedSchema.
    private static func named(_ schemas: JSONObject) -> ProtobufWriter {
        var result = ProtobufWriter()
        for (name, schema) in schemas {
            var entry = ProtobufWriter()
            entry.string(1, name)
            entry.message(2, self.schema(schema))
            result.message(1, entry)
        }
        return result
    }

    /// `Schema`, from its JSON.
    private static func schema(_ json: JSONValue) -> ProtobufWriter {
        var result = ProtobufWriter()
        if let text = json["$ref"]?.stringValue { result.string(1, text) }
        if let text = json["format"]?.stringValue { result.string(2, text) }
        if let text = json["description"]?.stringValue { result.string(4, text) }
        if let number = json["maximum"]?.doubleValue { result.double(7, number) }
        if let number = json["minimum"]?.doubleValue { result.double(9, number) }
        for name in json["required"]?.arrayValue ?? [] { result.string(19, name.stringValue ?? "") }
        for word in json["enum"]?.arrayValue ?? [] { result.message(20, yaml(word)) }
        if let element = json["additionalProperties"] {
            var item = ProtobufWriter()
            item.message(1, schema(element))
            result.message(21, item)
        }
        if let type = json["type"]?.stringValue {
            var item = ProtobufWriter()
            item.string(1, type)
            result.message(22, item)
        }
        if let element = json["items"] {
            var item = ProtobufWriter()
            item.message(1, schema(element))
            result.message(23, item)
        }
        if let properties = json["properties"]?.objectValue { result.message(25, named(properties)) }
        for (key, value) in json.objectValue ?? [:] where key.hasPrefix("x-") {
            var extension_ = ProtobufWriter()
            extension_.string(1, key)
            extension_.message(2, yaml(value))
            result.message(31, extension_)
        }
        return result
    }

    /// `Any`: its text is YAML, of which JSON is a part.
    private static func yaml(_ value: JSONValue) -> ProtobufWriter {
        var result = ProtobufWriter()
        result.string(2, value.serializedString() + "\n")
        return result
    }
}

/// Protobuf's wire format, as far as the documents need it.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func string(_ number: Int, _ text: String) { field(number, Array(text.utf8)) }

    mutating func message(_ number: Int, _ message: ProtobufWriter) { field(number, message.bytes) }

    mutating func double(_ number: Int, _ value: Double) {
        varint(UInt64(number) << 3 | 1)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func field(_ number: Int, _ content: [UInt8]) {
        varint(UInt64(number) << 3 | 2)
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
