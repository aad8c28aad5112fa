// What the server says about itself: health, version, discovery in both forms, OpenAPI. Documents are made when they are
// asked for and not kept: clients keep them by their ETag, and an idle server stays small.
import JSON
import KubernetesModel

struct ServerDocuments: Sendable {
    static let gitVersion = "v1.33.0-swiftlet"

    private let registry: KindRegistry
    /// Everything here follows from the declarations, so that one version names all documents.
    let etag: String

    init(_ registry: KindRegistry) {
        self.registry = registry
        var hash = ContentHash()
        hash.add(Self.gitVersion.utf8)
        hash.add(TypeLibrary.shared.revision.utf8)
        for kind in registry.kinds { hash.add("\(kind.resource) \(kind.declaration.shortNames)".utf8) }
        etag = hash.text
    }

    /// By path segments; nil: no such document. Discovery and version.
    func plain(_ segments: [String]) -> JSONValue? {
        let discovery = Discovery(registry: registry)
        switch (segments.first, segments.count) {
        case (nil, _): return ["paths": .array(Self.paths(registry).map { .string($0) })]
        case ("version", 1): return Self.version
        case ("api", 1): return discovery.coreVersions
        case ("apis", 1): return discovery.groupList
        case ("api", 2): return groupVersion("", segments[1]).map(discovery.resourceList)
        case ("apis", 2):
            let isKnown = !segments[1].isEmpty && registry.groupVersions.contains { $0.group == segments[1] }
            return isKnown ? discovery.group(segments[1]) : nil
        case ("apis", 3): return groupVersion(segments[1], segments[2]).map(discovery.resourceList)
        case ("openapi", 2) where segments[1] == "v3": return openAPIIndex
        case ("openapi", 4) where segments[1...2] == ["v3", "api"]: return openAPI("", segments[3])
        case ("openapi", 5) where segments[1...2] == ["v3", "apis"]: return openAPI(segments[3], segments[4])
        default: return nil
        }
    }

    private func groupVersion(_ group: String, _ version: String) -> KindRegistry.GroupVersion? {
        registry.groupVersions.first { $0.group == group && $0.version == version }
    }

    private func openAPI(_ group: String, _ version: String) -> JSONValue? {
        groupVersion(group, version).map { OpenAPIDocument(registry: registry, groupVersion: $0).document }
    }

    private var openAPIIndex: JSONValue {
        let places = registry.groupVersions.map { groupVersion -> (String, JSONValue) in
            (groupVersion.path, ["serverRelativeURL": .string("/openapi/v3/\(groupVersion.path)?hash=\(etag)")])
        }
        return ["paths": .object(JSONObject(places))]
    }

    /// `version` is that of the document: "v2" or "v2beta1".
    func aggregated(core: Bool, _ version: String) -> JSONValue { Discovery(registry: registry).aggregated(core: core, version) }

    var openAPIv2: OpenAPIv2 { OpenAPIv2(registry: registry) }

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
        switch segments.first {
        case ".well-known", "openid": return try issuerDocument(segments.joined(separator: "/"))
        case "healthz", "livez", "readyz": return try health(segments, request)
        case "openapi" where segments == ["openapi", "v2"]:
            if request.accept?.contains("com.github.proto-openapi.spec.v2") ?? false {
                return answer(request, OpenAPIv2.protobufContentType, "v2-protobuf") { documents.openAPIv2.protobuf }
            }
            return answer(request, "application/json", "v2") { documents.openAPIv2.json.serialized() }
        case "api" where segments.count == 1, "apis" where segments.count == 1:
            guard let version = Self.aggregatedVersion(request.accept) else { break }
            let type = "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList"
            return answer(request, type, version) {
                documents.aggregated(core: segments[0] == "api", version).serialized()
            }
        default: break
        }
        guard let document = documents.plain(segments) else { throw .unknownPath }
        return answer(request, "application/json", "") { document.serialized() }
    }

    /// `form` tells the forms of a path's document apart. A client that has the document is told so without making it again.
    private func answer(
        _ request: APIRequest, _ contentType: String, _ form: String, make: () -> [UInt8]
    ) -> APIDocument {
        var place = ContentHash()
        place.add(request.path.utf8)
        place.add(form.utf8)
        let etag = "\(documents.etag)-\(place.text.prefix(8))"
        let headers = [
            (name: "ETag", value: "\"\(etag)\""), (name: "Vary", value: "Accept"), (name: "Cache-Control", value: "public"),
        ]
        if let known = request.ifNoneMatch, known.contains("\"\(etag)\"") || known == etag {
            return APIDocument(status: 304, contentType: contentType, headers: headers, body: [])
        }
        return APIDocument(status: 200, contentType: contentType, headers: headers, body: make())
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
