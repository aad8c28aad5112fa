// The OpenAPI v3 document of a group version, made from the kinds' schemas: enough for kubectl's validation and explain.
import JSON
import KubernetesModel

struct OpenAPIDocument {
    let registry: KindRegistry
    let groupVersion: KindRegistry.GroupVersion

    var document: JSONValue {
        var components = JSONObject()
        var paths = JSONObject()
        for kind in registry.kinds(of: groupVersion) {
            add(kind.declaration, kind.schema, to: &components)
            add(kind.declaration, to: &paths)
        }
        return [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": .string(ServerDocuments.gitVersion)],
            "paths": .object(paths), "components": ["schemas": .object(components)],
        ]
    }

    // MARK: Components

    private func add(_ kind: ResourceKind, _ schema: Schema, to components: inout JSONObject) {
        _ = reference(schema, "", &components)
        components[kind.openAPIName]?["x-kubernetes-group-version-kind"] = [gvk(kind.gvk)]
        let list = Schema.object(
            "\(kind.openAPIName)List", "A list of \(kind.kind).",
            [
                Field("apiVersion", .string), Field("kind", .string), Field("metadata", CommonSchemas.listMeta),
                Field("items", .array(schema), required: true),
            ])
        _ = reference(list, "", &components)
        var listKind = kind.gvk
        listKind.kind = kind.listKind
        components["\(kind.openAPIName)List"]?["x-kubernetes-group-version-kind"] = [gvk(listKind)]
    }

    /// The schema in place; objects with a name become components that are referred to.
    private func reference(_ schema: Schema, _ description: String, _ components: inout JSONObject) -> JSONValue {
        var result: JSONValue
        switch schema {
        case .string: result = ["type": "string"]
        case .enumeration(let words): result = ["type": "string", "enum": .array(words.map { .string($0) })]
        case .dateTime: result = ["type": "string", "format": "date-time"]
        case .bytes: result = ["type": "string", "format": "byte"]
        case .integer(let minimum, let maximum):
            result = ["type": "integer", "format": "int64"]
            if let minimum { result["minimum"] = .int(minimum) }
            if let maximum { result["maximum"] = .int(maximum) }
        case .number: result = ["type": "number"]
        case .boolean: result = ["type": "boolean"]
        case .quantity, .intOrString:
            result = [
                "oneOf": [["type": "string"], ["type": "integer"], ["type": "number"]], "x-kubernetes-int-or-string": true,
            ]
        case .any: result = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        case .array(let element, let mergeKey):
            result = ["type": "array", "items": reference(element, "", &components)]
            if let mergeKey {
                result["x-kubernetes-patch-strategy"] = "merge"
                if !mergeKey.isEmpty { result["x-kubernetes-patch-merge-key"] = .string(mergeKey) }
            }
        case .map(let element): result = ["type": "object", "additionalProperties": reference(element, "", &components)]
        case .object(let object):
            guard let name = object.name else {
                result = self.object(object, &components)
                break
            }
            if components[name] == nil {
                components[name] = [:]  // holds the place, so that the order is that of first use
                components[name] = self.object(object, &components)
            }
            result = ["allOf": [["$ref": .string("#/components/schemas/\(name)")]]]
        }
        if !description.isEmpty { result["description"] = .string(description) }
        return result
    }

    private func object(_ object: ObjectSchema, _ components: inout JSONObject) -> JSONValue {
        var properties = JSONObject()
        for field in object.fields { properties[field.name] = reference(field.schema, field.description, &components) }
        var result: JSONValue = ["type": "object", "properties": .object(properties)]
        if !object.description.isEmpty { result["description"] = .string(object.description) }
        let required = object.fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { result["required"] = .array(required) }
        return result
    }

    private func gvk(_ kind: GroupVersionKind) -> JSONValue {
        ["group": .string(kind.group), "version": .string(kind.version), "kind": .string(kind.kind)]
    }

    // MARK: Paths

    private func add(_ kind: ResourceKind, to paths: inout JSONObject) {
        let prefix = "/\(groupVersion.path)"
        let place = kind.namespaced ? "\(prefix)/namespaces/{namespace}" : prefix
        let collection = "\(place)/\(kind.resource.resource)"
        if kind.namespaced {
            paths["\(prefix)/\(kind.resource.resource)"] = ["get": operation(kind, "list", parameters: [])]
        }
        let scope = kind.namespaced ? [parameter("namespace", in: "path", required: true)] : []
        paths[collection] = [
            "parameters": .array(scope), "get": operation(kind, "list", parameters: []),
            "post": operation(kind, "post", parameters: writeParameters),
            "delete": operation(kind, "deletecollection", parameters: []),
        ]
        let named = scope + [parameter("name", in: "path", required: true)]
        paths["\(collection)/{name}"] = one(kind, named, deletes: true)
        if kind.hasStatus { paths["\(collection)/{name}/status"] = one(kind, named, deletes: false) }
    }

    private func one(_ kind: ResourceKind, _ parameters: [JSONValue], deletes: Bool) -> JSONValue {
        var item: JSONValue = [
            "parameters": .array(parameters), "get": operation(kind, "get", parameters: []),
            "put": operation(kind, "put", parameters: writeParameters),
            "patch": operation(kind, "patch", parameters: writeParameters + [parameter("force", type: "boolean")]),
        ]
        if deletes { item["delete"] = operation(kind, "delete", parameters: [parameter("dryRun")]) }
        return item
    }

    private var writeParameters: [JSONValue] {
        [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation"), parameter("pretty")]
    }

    private func parameter(
        _ name: String, in place: String = "query", required: Bool = false, type: String = "string"
    ) -> JSONValue {
        var result: JSONValue = [
            "name": .string(name), "in": .string(place), "schema": ["type": .string(type), "uniqueItems": true],
        ]
        if required { result["required"] = true }
        return result
    }

    private func operation(_ kind: ResourceKind, _ action: String, parameters: [JSONValue]) -> JSONValue {
        let schema = action == "list" ? "\(kind.openAPIName)List" : kind.openAPIName
        let content: JSONValue = ["application/json": ["schema": ["$ref": .string("#/components/schemas/\(schema)")]]]
        var result: JSONValue = [
            "tags": [.string(kind.kind)], "x-kubernetes-action": .string(action),
            "x-kubernetes-group-version-kind": gvk(kind.gvk), "parameters": .array(parameters),
            "responses": ["200": ["description": "OK", "content": content]],
        ]
        if ["post", "put", "patch"].contains(action) {
            let type = action == "patch" ? "application/merge-patch+json" : "application/json"
            let body: JSONValue = ["schema": ["type": "object"]]
            result["requestBody"] = ["required": true, "content": .object(JSONObject([(type, body)]))]
        }
        return result
    }
}

/// kubectl up to 1.28 asks for the v2 document, in protobuf only. It looks for built-in kinds in its own tables when the
/// document does not name them, so an empty document is enough.
enum OpenAPIv2 {
    static let protobufContentType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

    static let json: JSONValue = [
        "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(ServerDocuments.gitVersion)], "paths": [:],
        "definitions": [:],
    ]

    /// `openapi.v2.Document`: swagger = 1, info = 2 {title = 1, version = 2}, paths = 8, definitions = 9.
    static var protobuf: [UInt8] {
        let info = field(1, Array("Kubernetes".utf8)) + field(2, Array(ServerDocuments.gitVersion.utf8))
        return field(1, Array("2.0".utf8)) + field(2, info) + field(8, []) + field(9, [])
    }

    /// A length-delimited field; all of ours are shorter than 128 bytes.
    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(truncatingIfNeeded: bytes.count)] + bytes
    }
}
