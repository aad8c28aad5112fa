// How the client wants to see objects: as they are, as rows of a Table, or their metadata only.
import JSON
import KubernetesModel
import ResourceStore

enum Representation: Sendable, Hashable {
    case json
    case table(IncludeObject)
    case partialMetadata

    enum IncludeObject: String, Sendable {
        case none = "None"
        case metadata = "Metadata"
        case object = "Object"
    }

    static let accepted = ["application/json", "application/json;as=Table;v=v1;g=meta.k8s.io"]
    static let maximumAcceptBytes = 4096

    /// The first media range of the Accept header that this server can make. None: 406.
    init(accept: String?, includeObject: String?) throws(StatusError) {
        // What most clients send needs no reading.
        guard let accept, !accept.isEmpty, accept != "application/json", accept != "*/*" else {
            self = .json
            return
        }
        for range in accept.prefix(Self.maximumAcceptBytes).split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " } }
            guard let type = parts.first, ["application/json", "application/*", "*/*"].contains(type) else { continue }
            var parameters: [String: String] = [:]
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
                if pair.count == 2 { parameters[pair[0]] = pair[1] }
            }
            guard let form = parameters["as"] else {
                self = .json
                return
            }
            guard parameters["g"] == "meta.k8s.io", parameters["v"] == "v1" else { continue }
            if form == "Table" {
                self = .table(includeObject.flatMap(IncludeObject.init) ?? .metadata)
                return
            }
            if form == "PartialObjectMetadata" || form == "PartialObjectMetadataList" {
                self = .partialMetadata
                return
            }
        }
        throw .notAcceptable(Self.accepted)
    }
}

/// Writes stored objects in a representation. Plain JSON copies bytes; the others read them through a tape.
struct ObjectWriter: Sendable {
    let kind: ServedKind
    let representation: Representation
    /// Seconds since 1970, for ages.
    let now: Int64

    func object(_ object: StoredObject) -> [UInt8] {
        switch representation {
        case .json: kind.shown(object.bytes)
        case .partialMetadata: partial(object)
        case .table:
            table(
                metadata: ["resourceVersion": .string(String(object.revision))], [object], withColumns: true)
        }
    }

    /// The whole list document.
    func list(_ objects: [StoredObject], metadata: JSONValue) -> [UInt8] {
        switch representation {
        case .json:
            Self.list(
                kind: kind.declaration.listKind, apiVersion: kind.resource.apiVersion, metadata,
                objects.map { kind.shown($0.bytes) })
        case .partialMetadata:
            Self.list(kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, objects.map(partial))
        case .table: table(metadata: metadata, objects, withColumns: true)
        }
    }

    private static func list(kind: String, apiVersion: String, _ metadata: JSONValue, _ items: [[UInt8]]) -> [UInt8] {
        var result = Array("{\"kind\":\"\(kind)\",\"apiVersion\":\"\(apiVersion)\",\"metadata\":".utf8)
        let head = metadata.serialized()
        result.reserveCapacity(result.count + head.count + items.reduce(16) { $0 + $1.count + 1 })
        result.append(contentsOf: head)
        result.append(contentsOf: #","items":["#.utf8)
        var isFirst = true
        for item in items {
            if !isFirst { result.append(UInt8(ascii: ",")) }
            isFirst = false
            result.append(contentsOf: item)
        }
        result.append(contentsOf: "]}".utf8)
        return result
    }

    private func partial(_ object: StoredObject) -> [UInt8] {
        guard let tape = try? JSONTape(parsing: object.bytes) else { return object.bytes }
        return Self.partial(tape)
    }

    private static func partial(_ tape: JSONTape) -> [UInt8] {
        var result = Array(#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#.utf8)
        if let metadata = tape.node(at: "metadata") {
            result.append(contentsOf: tape.rawBytes(metadata))
        } else {
            result.append(contentsOf: "{}".utf8)
        }
        result.append(UInt8(ascii: "}"))
        return result
    }

    // MARK: Table

    func table(metadata: JSONValue, _ objects: [StoredObject], withColumns: Bool) -> [UInt8] {
        var result = Array(#"{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":"#.utf8)
        result.append(contentsOf: metadata.serialized())
        result.append(contentsOf: #","columnDefinitions":"#.utf8)
        result.append(contentsOf: (withColumns ? columnDefinitions : .array([])).serialized())
        result.append(contentsOf: #","rows":["#.utf8)
        var isFirst = true
        for object in objects {
            guard let row = row(object) else { continue }
            if !isFirst { result.append(UInt8(ascii: ",")) }
            isFirst = false
            result.append(contentsOf: row)
        }
        result.append(contentsOf: "]}".utf8)
        return result
    }

    private var columns: [PrinterColumn] { kind.declaration.columns.isEmpty ? [.name, .age] : kind.declaration.columns }

    private var columnDefinitions: JSONValue {
        .array(
            columns.map { column in
                [
                    "name": .string(column.name), "type": .string(column.type), "format": .string(column.format),
                    "description": .string(column.description), "priority": .int(Int64(column.priority)),
                ]
            })
    }

    private func row(_ object: StoredObject) -> [UInt8]? {
        guard let tape = try? JSONTape(parsing: object.bytes) else { return nil }
        var result = Array(#"{"cells":"#.utf8)
        result.append(contentsOf: JSONValue.array(columns.map { $0.value(tape, now) }).serialized())
        switch representation {
        case .table(.none): break
        case .table(.object):
            result.append(contentsOf: #","object":"#.utf8)
            result.append(contentsOf: kind.shown(object.bytes))
        case .table(.metadata), .json, .partialMetadata:
            result.append(contentsOf: #","object":"#.utf8)
            result.append(contentsOf: Self.partial(tape))
        }
        result.append(UInt8(ascii: "}"))
        return result
    }
}
