// nodes/NAME/proxy/...: a request for a node's own HTTP API (/metrics, /stats/summary, /healthz, /pods).
import KubernetesModel

public struct NodeProxyTarget: Sendable, Hashable {
    public var node: String
    /// Percent-encoded, from its slash on: "/stats/summary".
    public var path: String
}

extension APIHandler {
    private static let nodes = GroupVersionResource(resource: "nodes")

    /// nil: another path. Reads alone: what changes a node goes by its objects.
    func nodeProxy(_ request: APIRequest, _ route: ResourceRoute) throws(StatusError) -> NodeProxyTarget? {
        guard route.resource == Self.nodes, let name = route.name, let subresource = route.subresource,
            subresource == "proxy" || subresource.hasPrefix("proxy/")
        else { return nil }
        let verb = try Verb(request, route)
        try authorize(
            AuthorizationAttributes(
                user: request.user, verb: verb.rawValue, group: "", resource: "nodes", subresource: "proxy", namespace: nil,
                name: name,
                nodeSelector: nil))
        guard request.method == .get || request.method == .head else { throw .methodNotAllowed }
        guard let kind = kinds[route.resource] else { throw .unknownPath }
        _ = try stored(kind, kind.key(namespace: nil, name: name))
        // The raw path: "/api/v1/nodes/NAME/proxy" and what follows.
        let segments = request.path.split(separator: "/", omittingEmptySubsequences: true)
        return NodeProxyTarget(node: name, path: "/" + segments.dropFirst(5).joined(separator: "/"))
    }
}
