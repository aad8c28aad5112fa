// Paths and queries of the Kubernetes API.
import KubernetesClient
import KubernetesModel

enum RequestURL {
    /// "/api/v1/namespaces/NS/pods/NAME/SUBRESOURCE". Throws for a name that would make it another path: without its name a call about
    /// one object is one about all of them.
    static func path(
        _ resource: GroupVersionResource, namespace: String?, name: String? = nil, subresource: String? = nil
    ) throws(KubernetesAPIError) -> String {
        var path = resource.pathPrefix
        if let namespace { path += "/namespaces/" + (try segment(namespace, "namespace", resource)) }
        path += "/" + resource.resource
        if let name { path += "/" + (try segment(name, "resource name", resource)) }
        if let subresource { path += "/" + (try segment(subresource, "subresource", resource)) }
        return path
    }

    /// In client-go's words (rest.Request, IsValidPathSegmentName). A server may decode "%2F" before it takes a path apart.
    private static func segment(
        _ text: String, _ what: String, _ resource: GroupVersionResource
    ) throws(KubernetesAPIError) -> String {
        let reason: String? =
            switch text {
            case "": "may not be empty"
            case ".", "..": "may not be '\(text)'"
            case _ where text.contains("/"): "may not contain '/', found \"\(text)\""
            case _ where text.contains("%"): "may not contain '%', found \"\(text)\""
            default: nil
            }
        guard let reason else { return escaped(text) }
        throw .status(
            APIStatus(status: "Failure", message: "\(resource): \(what) \(reason)", reason: "BadRequest", code: 400))
    }

    /// "?a=b&c=d", or nothing. Pairs without a value are left out.
    static func query(_ pairs: [(String, String?)]) -> String {
        let present = pairs.compactMap { name, value in value.map { "\(escaped(name))=\(escaped($0))" } }
        return present.isEmpty ? "" : "?" + present.joined(separator: "&")
    }

    static func query(_ options: ListOptions) -> [(String, String?)] {
        [
            ("labelSelector", options.labelSelector), ("fieldSelector", options.fieldSelector),
            ("limit", options.limit.map(String.init)), ("continue", options.continueToken),
            ("resourceVersion", options.resourceVersion),
        ]
    }

    /// Percent-encodes all but RFC 3986's unreserved characters.
    static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
