// Takes a URL path apart: which resource is meant, or which document about the server itself.
import KubernetesModel

/// A request for objects, before it is known whether the resource exists.
struct ResourceRoute: Sendable, Hashable {
    var resource: GroupVersionResource
    var namespace: String?
    var name: String?
    var subresource: String?
}

enum RequestRoute: Sendable, Hashable {
    case resource(ResourceRoute)
    /// Everything else, as path segments: discovery, health, version, OpenAPI.
    case document([String])

    /// nil when the path is no valid percent-encoding, or has empty or dot segments.
    init?(path: String) {
        guard path.utf8.first == UInt8(ascii: "/"), path.utf8.count <= Self.maximumPathBytes else { return nil }
        var segments: [String] = []
        segments.reserveCapacity(8)
        // By bytes: this is done for every request.
        for raw in path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = Self.decoded(Substring(raw)) else { return nil }
            segments.append(segment)
        }
        // One trailing slash is forgiven, as Kubernetes forgives it; `hasTrailingSlash` tells where it must not be.
        if segments.last == "" { segments.removeLast() }
        if segments.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." || $0.utf8.contains(UInt8(ascii: "/")) }) {
            return nil
        }
        switch segments.first {
        case "api" where segments.count >= 3:
            self = Self.resource(group: "", version: segments[1], rest: segments[2...])
        case "apis" where segments.count >= 4:
            self = Self.resource(group: segments[1], version: segments[2], rest: segments[3...])
        default:
            self = .document(segments)
        }
    }

    static let maximumPathBytes = 4096

    /// Where a client has put a name together with its path, and the name was empty.
    static func hasTrailingSlash(_ path: String) -> Bool { path.utf8.last == UInt8(ascii: "/") }

    private static func resource(group: String, version: String, rest: ArraySlice<String>) -> RequestRoute {
        var rest = rest
        var namespace: String?
        // `namespaces/N` and `namespaces/N/status` are the Namespace itself; more is something inside it.
        if rest.first == "namespaces", rest.count >= 3, !(rest.count == 3 && Self.namespaceSubresources.contains(rest.last ?? ""))
        {
            namespace = rest[rest.startIndex + 1]
            rest = rest.dropFirst(2)
        }
        let parts = Array(rest)
        return .resource(
            ResourceRoute(
                resource: GroupVersionResource(group: group, version: version, resource: parts[0]), namespace: namespace,
                name: parts.count > 1 ? parts[1] : nil,
                subresource: parts.count > 2 ? parts[2...].joined(separator: "/") : nil))
    }

    private static let namespaceSubresources: Set<String> = ["status", "finalize"]

    static func decoded(_ raw: Substring) -> String? {
        if !raw.utf8.contains(UInt8(ascii: "%")) { return String(raw) }
        var bytes: [UInt8] = []
        var rest = Array(raw.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap({ Character(UnicodeScalar($0)).hexDigitValue }),
                let low = rest.popFirst().flatMap({ Character(UnicodeScalar($0)).hexDigitValue })
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
