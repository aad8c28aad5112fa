// Schemas in the words of OpenAPI, version 2 and 3: what kubectl validates, explains and merges by.
import JSON
import KubernetesModel

/// Gathers the definitions that a document needs, each type once.
struct OpenAPISchemas {
    enum Version { case v2, v3 }

    private let version: Version
    private(set) var definitions = JSONObject()
    private var known: Set<String> = []

    init(_ version: Version) { self.version = version }

    private var prefix: String { version == .v2 ? "#/definitions/" : "#/components/schemas/" }

    /// Adds a kind and its list, or a subresource's document.
    mutating func add(_ type: String, as kind: GroupVersionKind, list: Bool) {
        guard let object = TypeLibrary.shared.object(type) else { return }
        add(object, kind)
        guard list else { return }
        var listKind = kind
        listKind.kind += "List"
        let fields = [
            Field(name: "apiVersion", schema: .string, description: "Group and version of this document's form."),
            Field(name: "kind", schema: .string, description: "What this document is."),
            Field(
                name: "metadata", schema: TypeLibrary.shared.schema(Self.listMeta) ?? .any, description: "The list's metadata."),
            Field(name: "items", schema: .array(.object(object), mergeKey: nil), isRequired: true, description: "The objects."),
        ]
        add(ObjectSchema(name: type + "List", description: "A list of \(kind.kind).", fields: fields), listKind)
    }

    private static let listMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"

    private mutating func add(_ object: ObjectSchema, _ kind: GroupVersionKind) {
        _ = reference(.object(object))
        definitions[object.name]?["x-kubernetes-group-version-kind"] = [Self.gvk(kind)]
    }

    static func gvk(_ kind: GroupVersionKind) -> JSONValue {
        ["group": .string(kind.group), "version": .string(kind.version), "kind": .string(kind.kind)]
    }

    /// The schema in place; objects become definitions that are referred to.
    private mutating func reference(_ schema: Schema) -> JSONValue {
        switch schema {
        case .string: return ["type": "string"]
        case .enumeration(let words): return ["type": "string", "enum": .array(words.map { .string($0) })]
        case .dateTime: return ["type": "string", "format": "date-time"]
        case .bytes: return ["type": "string", "format": "byte"]
        case .integer(let minimum, let maximum): return Self.integer(minimum, maximum)
        case .number: return ["type": "number", "format": "double"]
        case .boolean: return ["type": "boolean"]
        case .quantity: return scalarUnion("A quantity, such as 500m or 1.5Gi.", ["string", "number"])
        case .intOrString: return scalarUnion("", ["string", "integer"])
        case .any: return ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        case .array(let element, _): return ["type": "array", "items": reference(element)]
        case .map(let element): return ["type": "object", "additionalProperties": reference(element)]
        case .object(let object):
            if known.insert(object.name).inserted {
                definitions[object.name] = [:]  // holds the place, so that the order is that of first use
                definitions[object.name] = self.object(object)
            }
            return ["$ref": .string(prefix + object.name)]
        }
    }

    private static func integer(_ minimum: Int64?, _ maximum: Int64?) -> JSONValue {
        let is32 = maximum.map { $0 <= Int64(Int32.max) } ?? false
        var result: JSONValue = ["type": "integer", "format": is32 ? "int32" : "int64"]
        // The type's own range goes without saying.
        if let minimum, minimum > Int64(Int32.min) { result["minimum"] = .int(minimum) }
        if let maximum, maximum != Int64(Int32.max) { result["maximum"] = .int(maximum) }
        return result
    }

    private func scalarUnion(_ description: String, _ types: [String]) -> JSONValue {
        var result: JSONValue =
            version == .v2
            ? ["type": "string", "format": "int-or-string"]
            : ["oneOf": .array(types.map { ["type": .string($0)] })]
        if types.contains("integer"), version == .v3 { result["format"] = "int-or-string" }
        if !description.isEmpty { result["description"] = .string(description) }
        return result
    }

    private mutating func object(_ object: ObjectSchema) -> JSONValue {
        var properties = JSONObject()
        for field in object.fields { properties[field.name] = property(field) }
        var result: JSONValue = ["type": "object", "properties": .object(properties)]
        if !object.description.isEmpty { result["description"] = .string(String(object.description)) }
        let required = object.fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { result["required"] = .array(required) }
        return result
    }

    private mutating func property(_ field: Field) -> JSONValue {
        var result = reference(field.schema)
        // In version 3 nothing may stand beside a reference.
        if version == .v3, result["$ref"] != nil { result = ["allOf": [result]] }
        if !field.description.isEmpty { result["description"] = .string(String(field.description)) }
        if let value = field.defaultValue, version == .v3 { result["default"] = value }
        guard case .array(_, let mergeKey) = field.schema else { return result }
        var keys = field.list.mapKeys
        if let mergeKey {
            result["x-kubernetes-patch-strategy"] = field.list.retainsKeys ? "merge,retainKeys" : "merge"
            if !mergeKey.isEmpty {
                result["x-kubernetes-patch-merge-key"] = .string(mergeKey)
                if keys.isEmpty { keys = [mergeKey] }
            }
        }
        if !keys.isEmpty {
            result["x-kubernetes-list-type"] = "map"
            result["x-kubernetes-list-map-keys"] = .array(keys.map { .string($0) })
        } else if field.list.isSet {
            result["x-kubernetes-list-type"] = "set"
        }
        return result
    }
}
