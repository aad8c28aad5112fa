// `kubectl auth can-i` and `whoami`: reviews that are answered and never stored.
import JSON
import KubernetesModel

extension APIHandler {
    /// nil when the route is no review.
    func selfReview(_ request: APIRequest, _ route: ResourceRoute) throws(StatusError) -> APIDocument? {
        guard request.method == .post, route.name == nil else { return nil }
        switch (route.resource.group, route.resource.version, route.resource.resource) {
        case ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"):
            return APIDocument(status: 201, body: try accessReview(request).serialized())
        case ("authentication.k8s.io", "v1", "selfsubjectreviews"):
            return APIDocument(status: 201, body: identityReview(request.user).serialized())
        default: return nil
        }
    }

    private func accessReview(_ request: APIRequest) throws(StatusError) -> JSONValue {
        var review = try jsonBody(request)
        let resource = review["spec"]?["resourceAttributes"]
        let path = review["spec"]?["nonResourceAttributes"]
        func text(_ member: String) -> String { resource?[member]?.stringValue ?? "" }
        let namespace = text("namespace")
        let name = text("name")
        let attributes = AuthorizationAttributes(
            user: request.user, verb: (resource ?? path)?["verb"]?.stringValue ?? "",
            path: path?["path"]?.stringValue ?? "", group: text("group"), resource: text("resource"),
            subresource: text("subresource"), namespace: namespace.isEmpty ? nil : namespace, name: name.isEmpty ? nil : name)
        switch authorizer.authorize(attributes) {
        case .allow: review["status"] = ["allowed": true]
        case .deny(let why): review["status"] = ["allowed": false, "reason": .string(why)]
        }
        review["kind"] = "SelfSubjectAccessReview"
        review["apiVersion"] = "authorization.k8s.io/v1"
        return review
    }

    private func jsonBody(_ request: APIRequest) throws(StatusError) -> JSONValue {
        let type = APICall.mediaType(request.contentType)
        guard type.isEmpty || type == "application/json" else {
            throw .unsupportedMediaType(type, accepted: ["application/json"])
        }
        let body = try APICall.parse(request.body)
        guard case .object = body else { throw .badRequest("the request's body must be a JSON object") }
        return body
    }

    private func identityReview(_ user: UserInfo) -> JSONValue {
        [
            "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": ["creationTimestamp": .null],
            "status": [
                "userInfo": ["username": .string(user.name), "groups": .array(user.groups.map { .string($0) })]
            ],
        ]
    }
}
