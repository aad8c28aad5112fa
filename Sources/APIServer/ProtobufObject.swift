// Bodies in Kubernetes' protobuf, turned into JSON by the declarations: kubectl from 1.32 on sends simple kinds so, and the
// kubelet and the scheduler send everything so unless they are told otherwise.
// The envelope is runtime.Unknown behind "k8s\0"; field numbers stand in the declared types.
import JSON
import KubernetesModel

public enum ProtobufObject {
    public static let contentType = "application/vnd.kubernetes.protobuf"

    public enum Failure: Error, Sendable, Hashable {
        case malformed
        /// Well formed, but of a kind that this server does not declare.
        case unknownKind(apiVersion: String, kind: String)
    }

    private static let magic = Array("k8s\0".utf8)
    /// Deeper than any declared type nests.
    private static let maximumDepth = 32

    /// The body as JSON text.
    public static func json(_ body: [UInt8]) throws(Failure) -> [UInt8] {
        guard body.starts(with: magic) else { throw .malformed }
        var apiVersion = ""
        var kind = ""
        var raw: ArraySlice<UInt8> = []
        var envelope = ProtobufReader(body[magic.count...])
        while let field = try envelope.next() {
            switch (field.number, field.content) {
            case (1, .bytes(let content)):
                var typeMeta = ProtobufReader(content)
                while let part = try typeMeta.next() {
                    guard case .bytes(let text) = part.content else { continue }
                    if part.number == 1 { apiVersion = try Self.text(text) }
                    if part.number == 2 { kind = try Self.text(text) }
                }
            case (2, .bytes(let content)): raw = content
            default: continue
            }
        }
        guard let schema = declared(apiVersion, kind) else { throw .unknownKind(apiVersion: apiVersion, kind: kind) }
        var object = try members(raw, schema, depth: 0)
        object["apiVersion"] = .string(apiVersion)
        object["kind"] = .string(kind)
        return JSONValue.object(object).serialized()
    }

    private static func declared(_ apiVersion: String, _ kind: String) -> ObjectSchema? {
        // Options travel under the version of whatever they are about.
        if kind == "DeleteOptions" {
            return TypeLibrary.shared.object(
                ResourceKind.openAPIName(GroupVersionKind(group: "meta.k8s.io", version: "v1", kind: kind)))
        }
        let parts = apiVersion.split(separator: "/", maxSplits: 1).map(String.init)
        guard let version = parts.last else { return nil }
        let found = TypeLibrary.shared.object(
            ResourceKind.openAPIName(GroupVersionKind(group: parts.count == 2 ? parts[0] : "", version: version, kind: kind)))
        // Only documents of their own, not every type that happens to have such a name.
        return found?["apiVersion"] == nil ? nil : found
    }

    private static func members(
        _ bytes: ArraySlice<UInt8>, _ schema: ObjectSchema, depth: Int
    ) throws(Failure) -> JSONObject {
        guard depth < maximumDepth else { throw .malformed }
        var result = JSONObject()
        var repeated = Repeated()
        var reader = ProtobufReader(bytes)
        while let part = try reader.next() {
            if let inlined = schema.inlined[part.number] {
                guard case .bytes(let content) = part.content else { throw .malformed }
                for (key, value) in try members(content, inlined, depth: depth + 1) { result[key] = value }
            } else if let field = schema.fields.first(where: { $0.number == part.number && !$0.isInlined && part.number > 0 }) {
                try add(part.content, field, &result, &repeated, depth)
            }
        }
        for field in schema.fields {
            if let elements = repeated.arrays[field.name] { result[field.name] = .array(elements) }
            if let entries = repeated.maps[field.name] { result[field.name] = .object(JSONObject(distinctMembers: entries.members)) }
        }
        return result
    }

    /// Lists and maps come element by element, a million in one body: in the result itself each would be looked for and copied again.
    private struct Repeated {
        struct Entries {
            private(set) var members: [JSONObject.Member] = []
            private var position: [String: Int] = [:]

            mutating func set(_ key: String, _ value: JSONValue) {
                if let known = position[key] {
                    members[known].value = value
                } else {
                    position[key] = members.count
                    members.append(JSONObject.Member(key, value))
                }
            }
        }

        var arrays: [String: [JSONValue]] = [:]
        var maps: [String: Entries] = [:]
    }

    private static func add(
        _ content: ProtobufReader.Content, _ field: Field, _ result: inout JSONObject, _ repeated: inout Repeated, _ depth: Int
    ) throws(Failure) {
        switch field.schema {
        case .array(let element, _):
            guard let value = try value(content, element, field, depth) else { return }
            repeated.arrays[field.name, default: []].append(value)
        case .map(let element):
            guard case .bytes(let entry) = content else { throw .malformed }
            var key = ""
            var value: JSONValue?
            var reader = ProtobufReader(entry)
            while let part = try reader.next() {
                if part.number == 1, case .bytes(let text) = part.content { key = try Self.text(text) }
                if part.number == 2 { value = try self.value(part.content, element, field, depth) }
            }
            repeated.maps[field.name, default: .init()].set(key, value ?? Self.empty(element))
        case .string, .enumeration, .dateTime, .bytes, .integer, .number, .boolean, .quantity, .intOrString, .any, .object:
            guard let value = try value(content, field.schema, field, depth) else { return }
            // Go writes zero values of plain fields; only a pointer to one says something.
            if !field.isPointer, value == "" || value == 0 || value == false { return }
            result[field.name] = value
        }
    }

    private static func empty(_ schema: Schema) -> JSONValue {
        switch schema {
        case .array: []
        case .object, .map, .any: [:]
        case .integer, .number: 0
        case .boolean: false
        case .string, .enumeration, .dateTime, .bytes, .quantity, .intOrString: ""
        }
    }

    /// nil: an empty time, which is none.
    private static func value(
        _ content: ProtobufReader.Content, _ schema: Schema, _ field: Field, _ depth: Int
    ) throws(Failure) -> JSONValue? {
        switch (schema, content) {
        case (.string, .bytes(let bytes)), (.enumeration, .bytes(let bytes)): return .string(try text(bytes))
        case (.bytes, .bytes(let bytes)): return .string(Base64.encode(Array(bytes)))
        case (.integer, .varint(let number)): return .int(Int64(bitPattern: number))
        case (.boolean, .varint(let number)): return .bool(number != 0)
        case (.number, .fixed64(let bits)): return .double(Double(bitPattern: bits))
        case (.object(let object), .bytes(let bytes)): return .object(try members(bytes, object, depth: depth + 1))
        case (.quantity, .bytes(let bytes)): return .string(try text(part(1, of: bytes) ?? [0x30]))
        case (.dateTime, .bytes(let bytes)): return try time(bytes, isMicro: field.isMicroTime)
        case (.intOrString, .bytes(let bytes)): return try intOrString(bytes)
        // A repeated string inside a map: `ExtraValue`.
        case (.array(let element, _), .bytes(let bytes)):
            var elements: [JSONValue] = []
            var reader = ProtobufReader(bytes)
            while let item = try reader.next() {
                guard item.number == 1 else { continue }
                if let value = try value(item.content, element, field, depth + 1) { elements.append(value) }
            }
            return .array(elements)
        case (.any, .bytes): return nil
        default: throw .malformed
        }
    }

    private static func part(_ number: Int, of bytes: ArraySlice<UInt8>) throws(Failure) -> ArraySlice<UInt8>? {
        var reader = ProtobufReader(bytes)
        while let part = try reader.next() {
            if part.number == number, case .bytes(let content) = part.content { return content }
        }
        return nil
    }

    /// `Time` and `MicroTime`: seconds = 1, nanos = 2.
    private static func time(_ bytes: ArraySlice<UInt8>, isMicro: Bool) throws(Failure) -> JSONValue? {
        var seconds: Int64 = 0
        var nanos: Int64 = 0
        var reader = ProtobufReader(bytes)
        while let part = try reader.next() {
            guard case .varint(let number) = part.content else { continue }
            if part.number == 1 { seconds = Int64(bitPattern: number) }
            if part.number == 2 { nanos = Int64(bitPattern: number) }
        }
        // Go's zero time is far before 1970, and an empty message.
        guard !bytes.isEmpty, (-62_135_596_799...253_402_300_799).contains(seconds), (0..<1_000_000_000).contains(nanos) else {
            return nil
        }
        if isMicro {
            return .string(MicroTimestamp(unixMicroseconds: seconds * 1_000_000 + nanos / 1000).description)
        }
        return .string(Timestamp(unixSeconds: seconds).description)
    }

    /// type = 1 (0: number), intVal = 2, strVal = 3.
    private static func intOrString(_ bytes: ArraySlice<UInt8>) throws(Failure) -> JSONValue {
        var isText = false
        var number: Int64 = 0
        var words = ""
        var reader = ProtobufReader(bytes)
        while let part = try reader.next() {
            switch (part.number, part.content) {
            case (1, .varint(let type)): isText = type == 1
            case (2, .varint(let value)): number = Int64(bitPattern: value)
            case (3, .bytes(let content)): words = try text(content)
            default: continue
            }
        }
        return isText ? .string(words) : .int(number)
    }

    private static func text(_ bytes: ArraySlice<UInt8>) throws(Failure) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .malformed }
        return text
    }
}

/// Protobuf's wire format: one field after the other.
struct ProtobufReader {
    enum Content {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func next() throws(ProtobufObject.Failure) -> (number: Int, content: Content)? {
        if rest.isEmpty { return nil }
        let tag = try varint()
        let number = Int(truncatingIfNeeded: tag >> 3)
        switch tag & 7 {
        case 0: return (number, .varint(try varint()))
        case 1:
            var bits: UInt64 = 0
            for byte in try take(8).reversed() { bits = bits << 8 | UInt64(byte) }
            return (number, .fixed64(bits))
        case 2: return (number, .bytes(try take(Int(exactly: try varint()) ?? .max)))
        case 5:
            _ = try take(4)
            return (number, .fixed32)
        default: throw .malformed
        }
    }

    private mutating func take(_ count: Int) throws(ProtobufObject.Failure) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw .malformed }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private mutating func varint() throws(ProtobufObject.Failure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { throw .malformed }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte & 0x80 == 0 { return value }
        }
        throw .malformed
    }
}
