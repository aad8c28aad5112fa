// What the server says about itself: health, version, discovery in both forms, OpenAPI. Made once, served with an ETag.
import JSON
import KubernetesModel

/// Documents that do not change while the process lives.
struct ServerDocuments: Sendable {
    struct Document: Sendable {
        var contentType: String
        var body: [UInt8]
        var etag: String

        init(contentType: String = "application/json", body: [UInt8]) {
            self.contentType = contentType
            self.body = body
            etag = ContentHash.text(body)
        }
    }

    static let gitVersion = "v1.33.0-swiftlet"

    /// By path without its leading slash.
    let plain: [String: Document]
    /// Aggregated discovery of "api" and "apis", by version.
    let aggregated: [String: [String: Document]]
    let openAPIv2: Document
    let openAPIv2Protobuf: Document

    init(_ registry: KindRegistry) {
        let discovery = Discovery(registry: registry)
        var plain: [String: Document] = [
            "": Document(body: JSONValue.object(["paths": .array(Self.paths(registry).map { .string($0) })]).serialized()),
            "version": Document(body: Self.version.serialized()),
            "api": Document(body: discovery.coreVersions.serialized()),
            "apis": Document(body: discovery.groupList.serialized()),
        ]
        for groupVersion in registry.groupVersions {
            plain[groupVersion.path] = Document(body: discovery.resourceList(groupVersion).serialized())
            if !groupVersion.group.isEmpty {
                plain["apis/\(groupVersion.group)"] = Document(body: discovery.group(groupVersion.group).serialized())
            }
        }
        var index = JSONObject()
        for groupVersion in registry.groupVersions {
            let body = OpenAPIDocument(registry: registry, groupVersion: groupVersion).document.serialized()
            let document = Document(body: body)
            plain["openapi/v3/\(groupVersion.path)"] = document
            index[groupVersion.path] = [
                "serverRelativeURL": .string("/openapi/v3/\(groupVersion.path)?hash=\(document.etag)")
            ]
        }
        plain["openapi/v3"] = Document(body: JSONValue.object(["paths": .object(index)]).serialized())
        self.plain = plain
        aggregated = Dictionary(
            uniqueKeysWithValues: ["v2", "v2beta1"].map { version in
                let type = "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
                return (
                    version,
                    [
                        "api": Document(contentType: type, body: discovery.aggregated(core: true, version).serialized()),
                        "apis": Document(contentType: type, body: discovery.aggregated(core: false, version).serialized()),
                    ]
                )
            })
        openAPIv2 = Document(body: OpenAPIv2.json.serialized())
        openAPIv2Protobuf = Document(contentType: OpenAPIv2.protobufContentType, body: OpenAPIv2.protobuf)
    }

    private static func paths(_ registry: KindRegistry) -> [String] {
        (["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            + registry.groupVersions.map { "/" + $0.path }).sorted()
    }

    private static let version: JSONValue = [
        "major": "1", "minor": "33", "gitVersion": .string(gitVersion), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "", "goVersion": "", "compiler": "swiftc", "platform": "linux/amd64",
    ]
}

extension APIHandler {
    func document(_ segments: [String], _ request: APIRequest) async throws(StatusError) -> APIDocument {
        let path = segments.joined(separator: "/")
        switch segments.first {
        case ".well-known", "openid": return try issuerDocument(path)
        case "healthz", "livez", "readyz": return try await health(segments)
        case "openapi" where path == "openapi/v2":
            let wantsProtobuf = request.accept?.contains("com.github.proto-openapi.spec.v2") ?? false
            return answer(wantsProtobuf ? documents.openAPIv2Protobuf : documents.openAPIv2, request)
        case "api" where segments.count == 1, "apis" where segments.count == 1:
            if let version = Self.aggregatedVersion(request.accept), let document = documents.aggregated[version]?[path] {
                return answer(document, request)
            }
        default: break
        }
        guard let document = documents.plain[path] else { throw .unknownPath }
        return answer(document, request)
    }

    /// The store answers, or the server is not ready.
    private func health(_ segments: [String]) async throws(StatusError) -> APIDocument {
        if segments[0] == "readyz", let kind = kinds[GroupVersionResource(resource: "namespaces")] {
            _ = try find(kind.key(namespace: nil, name: "default"))
        }
        return APIDocument(status: 200, contentType: "text/plain; charset=utf-8", body: Array("ok".utf8))
    }

    private func answer(_ document: ServerDocuments.Document, _ request: APIRequest) -> APIDocument {
        let headers = [
            (name: "ETag", value: "\"\(document.etag)\""), (name: "Vary", value: "Accept"),
            (name: "Cache-Control", value: "public"),
        ]
        if let known = request.ifNoneMatch, known.contains(document.etag) {
            return APIDocument(status: 304, contentType: document.contentType, headers: headers, body: [])
        }
        return APIDocument(status: 200, contentType: document.contentType, headers: headers, body: document.body)
    }

    /// "v2" or "v2beta1", whichever the client prefers.
    private static func aggregatedVersion(_ accept: String?) -> String? {
        for range in (accept ?? "").prefix(Representation.maximumAcceptBytes).split(separator: ",") {
            let parameters = range.split(separator: ";").map { $0.filter { $0 != " " } }
            guard parameters.contains("as=APIGroupDiscoveryList"), parameters.contains("g=apidiscovery.k8s.io") else {
                if parameters.first == "application/json", parameters.count == 1 { return nil }
                continue
            }
            if parameters.contains("v=v2") { return "v2" }
            if parameters.contains("v=v2beta1") { return "v2beta1" }
        }
        return nil
    }
}

/// FNV-1a, 128 bits as two lanes: names a version of a document, no protection against forgery.
enum ContentHash {
    static func text(_ bytes: [UInt8]) -> String {
        var first: UInt64 = 0xCBF2_9CE4_8422_2325
        var second: UInt64 = 0x8422_2325_CBF2_9CE4
        for byte in bytes {
            first = (first ^ UInt64(byte)) &* 0x100_0000_01B3
            second = (second &+ UInt64(byte)) &* 0x100_0000_01B3 ^ (second >> 29)
        }
        return (hex(first) + hex(second)).uppercased()
    }

    private static func hex(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
