// Request bodies in Kubernetes' protobuf, turned into JSON: kubectl from 1.32 on sends the few kinds below so, and does not
// fall back to JSON. Everything else it sends as JSON, and answers may always be JSON.
// Field numbers: generated.proto of k8s.io/api and k8s.io/apimachinery; the envelope is runtime.Unknown behind "k8s\0".
import FoundationEssentials
import JSON

enum ProtobufBody {
    static let contentType = "application/vnd.kubernetes.protobuf"

    /// The body as JSON. Throws a 415 for a kind that is not known here, a 400 for broken bytes.
    static func json(_ body: [UInt8]) throws -> [UInt8] {
        guard body.starts(with: Array("k8s\0".utf8)) else { throw malformed }
        let envelope = try Message(envelopeFields).object(body[4...])
        let apiVersion = envelope["typeMeta"]?["apiVersion"]?.stringValue ?? ""
        let kind = envelope["typeMeta"]?["kind"]?.stringValue ?? ""
        guard let fields = kinds["\(apiVersion)/\(kind)"] else {
            throw FrontStatus(
                code: 415, reason: "UnsupportedMediaType",
                message: "\(apiVersion) \(kind) is not understood as \(contentType) - accepted media types include: application/json")
        }
        guard let raw = envelope["raw"]?.stringValue.flatMap({ Data(base64Encoded: $0) }) else { throw malformed }
        var object: JSONValue = ["apiVersion": .string(apiVersion), "kind": .string(kind)]
        for (key, value) in try Message(fields).object(Array(raw)[...]).objectValue ?? [:] { object[key] = value }
        return object.serialized()
    }

    static let malformed = FrontStatus.badRequest("the body is not valid \(contentType)")

    /// What a field holds. Fields that are not listed are left out.
    indirect enum Field {
        case string(String)
        case bool(String)
        /// Shown as base64, as JSON has it.
        case bytes(String)
        case strings(String)
        case stringMap(String)
        case bytesMap(String)
        case message(String, [Int: Field])
    }

    private static let envelopeFields: [Int: Field] = [
        1: .message("typeMeta", [1: .string("apiVersion"), 2: .string("kind")]), 2: .bytes("raw"),
    ]
    private static let metadata = Field.message(
        "metadata",
        [
            1: .string("name"), 2: .string("generateName"), 3: .string("namespace"), 11: .stringMap("labels"),
            12: .stringMap("annotations"), 14: .strings("finalizers"),
        ])
    private static let accessReview: [Int: Field] = [
        1: metadata,
        2: .message(
            "spec",
            [
                1: .message(
                    "resourceAttributes",
                    [
                        1: .string("namespace"), 2: .string("verb"), 3: .string("group"), 4: .string("version"),
                        5: .string("resource"), 6: .string("subresource"), 7: .string("name"),
                    ]),
                2: .message("nonResourceAttributes", [1: .string("path"), 2: .string("verb")]),
            ]),
    ]

    private static let kinds: [String: [Int: Field]] = [
        "v1/Namespace": [1: metadata, 2: .message("spec", [1: .strings("finalizers")])],
        "v1/ConfigMap": [1: metadata, 2: .stringMap("data"), 3: .bytesMap("binaryData"), 4: .bool("immutable")],
        "v1/Secret": [
            1: metadata, 2: .bytesMap("data"), 3: .string("type"), 4: .stringMap("stringData"), 5: .bool("immutable"),
        ],
        "v1/ServiceAccount": [1: metadata],
        "authorization.k8s.io/v1/SelfSubjectAccessReview": accessReview,
        "authentication.k8s.io/v1/SelfSubjectReview": [1: metadata],
    ]
}

/// Reads one message by its table of fields.
private struct Message {
    let fields: [Int: ProtobufBody.Field]

    init(_ fields: [Int: ProtobufBody.Field]) { self.fields = fields }

    func object(_ bytes: ArraySlice<UInt8>) throws -> JSONValue {
        var result = JSONObject()
        var rest = bytes
        while !rest.isEmpty {
            let tag = try Self.varint(&rest)
            let field = fields[Int(truncatingIfNeeded: tag >> 3)]
            switch tag & 7 {
            case 0:
                let value = try Self.varint(&rest)
                if case .bool(let name)? = field { result[name] = .bool(value != 0) }
            case 1: _ = try Self.take(8, &rest)
            case 2:
                let content = try Self.take(Int(exactly: try Self.varint(&rest)) ?? .max, &rest)
                if let field { try Self.add(content, as: field, to: &result) }
            case 5: _ = try Self.take(4, &rest)
            default: throw ProtobufBody.malformed
            }
        }
        return .object(result)
    }

    private static func add(_ content: ArraySlice<UInt8>, as field: ProtobufBody.Field, to result: inout JSONObject) throws {
        switch field {
        case .string(let name):
            // An empty string is a field that was not set.
            if !content.isEmpty { result[name] = .string(try text(content)) }
        case .bytes(let name): result[name] = .string(base64(content))
        case .bool: throw ProtobufBody.malformed
        case .strings(let name):
            result[name] = .array((result[name]?.arrayValue ?? []) + [.string(try text(content))])
        case .stringMap(let name):
            let entry = try Message([1: .string("key"), 2: .string("value")]).object(content)
            insert(entry, value: entry["value"] ?? "", into: name, of: &result)
        case .bytesMap(let name):
            let entry = try Message([1: .string("key"), 2: .bytes("value")]).object(content)
            insert(entry, value: entry["value"] ?? "", into: name, of: &result)
        case .message(let name, let fields):
            result[name] = try Message(fields).object(content)
        }
    }

    private static func insert(_ entry: JSONValue, value: JSONValue, into name: String, of result: inout JSONObject) {
        var map = result[name]?.objectValue ?? [:]
        map[entry["key"]?.stringValue ?? ""] = value
        result[name] = .object(map)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw ProtobufBody.malformed }
        return text
    }

    private static func base64(_ bytes: ArraySlice<UInt8>) -> String { Data(bytes).base64EncodedString() }

    private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw ProtobufBody.malformed }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { throw ProtobufBody.malformed }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte & 0x80 == 0 { return value }
        }
        throw ProtobufBody.malformed
    }
}
