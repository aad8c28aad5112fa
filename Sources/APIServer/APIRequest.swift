// What the API server's core and a front (HTTP, or a caller in the same process) say to each other: no HTTP types here.
import KubernetesModel

/// Who asks, as established by the front (client certificate, bearer token) or given by the process itself.
public struct UserInfo: Sendable, Hashable {
    public var name: String
    public var uid: String?
    public var groups: [String]
    /// What the credential says besides, e.g. the pod that a service account's token is bound to.
    public var extra: [String: [String]]

    public init(name: String, uid: String? = nil, groups: [String] = [], extra: [String: [String]] = [:]) {
        self.name = name
        self.uid = uid
        self.groups = groups
        self.extra = extra
    }

    /// The master's own controllers, in the same process.
    public static let master = UserInfo(name: "system:swiftlet-master", groups: ["system:masters", "system:authenticated"])
}

public enum HTTPMethodName: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
}

/// One request. `path` is raw (percent-encoded) and without query; `query` pairs are decoded.
public struct APIRequest: Sendable {
    public var method: HTTPMethodName
    public var path: String
    public var query: [(name: String, value: String)]
    public var contentType: String?
    public var accept: String?
    public var ifNoneMatch: String?
    public var body: [UInt8]
    public var user: UserInfo

    public init(
        method: HTTPMethodName, path: String, query: [(name: String, value: String)] = [], contentType: String? = nil,
        accept: String? = nil, ifNoneMatch: String? = nil, body: [UInt8] = [], user: UserInfo
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.accept = accept
        self.ifNoneMatch = ifNoneMatch
        self.body = body
        self.user = user
    }

    /// The first value of a query parameter; nil when absent.
    public func query(_ name: String) -> String? { query.first { $0.name == name }?.value }
    /// Of a parameter that may come several times, in order.
    public func queryValues(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    /// Whether a boolean parameter is set; absent ones are not.
    public func flag(_ name: String) -> Bool { query(name).map(Self.isTrue) ?? false }

    /// As apimachinery reads a boolean of a query: "false" in any case and "0" are false, all else is true, also nothing.
    /// Python's clients write False and True.
    public static func isTrue(_ value: some StringProtocol) -> Bool { value != "0" && value.lowercased() != "false" }
}

/// A complete answer.
public struct APIDocument: Sendable {
    public var status: Int
    public var contentType: String
    /// Further headers, e.g. ETag, Warning, Retry-After.
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    public init(
        status: Int, contentType: String = "application/json", headers: [(name: String, value: String)] = [], body: [UInt8]
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }
}

/// A pod's log, authorised: the front asks the node through its tunnel (kubelet path `/containerLogs/NS/POD/CONTAINER`).
public struct PodLogTarget: Sendable, Hashable {
    public var namespace: String
    public var pod: String
    public var podUID: String
    /// The node that the pod is bound to.
    public var node: String
    public var container: String
    /// The request's query for the node, without `container`: "follow=true&tailLines=5".
    public var rawQuery: String
    public var follow: Bool

    public init(
        namespace: String, pod: String, podUID: String, node: String, container: String, rawQuery: String, follow: Bool
    ) {
        self.namespace = namespace
        self.pod = pod
        self.podUID = podUID
        self.node = node
        self.container = container
        self.rawQuery = rawQuery
        self.follow = follow
    }
}

public enum APIResponse: Sendable {
    case document(APIDocument)
    /// A stream of watch events, status 200.
    case watch(APIWatch)
    case podLog(PodLogTarget)
    case podStream(PodStreamTarget)
    /// A request for the node's own HTTP API, authorised: through its tunnel.
    case nodeProxy(NodeProxyTarget)
}
