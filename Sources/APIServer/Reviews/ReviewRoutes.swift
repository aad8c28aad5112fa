// Requests that are answered and never stored: which review a route means.
import JSON
import KubernetesModel

extension APIHandler {
    /// nil when the route is no review.
    func review(_ request: APIRequest, _ route: ResourceRoute) async throws(StatusError) -> APIDocument? {
        guard route.name == nil, route.subresource == nil, route.resource.version == "v1" else { return nil }
        let isReview =
            route.resource.group == Self.authorizationGroup || route.resource.group == "authentication.k8s.io"
        guard isReview else { return nil }
        let isLocal = route.resource.resource == "localsubjectaccessreviews"
        guard (route.namespace != nil) == isLocal else { return nil }
        if request.method != .post { throw .methodNotAllowed }
        switch (route.resource.group, route.resource.resource) {
        case (Self.authorizationGroup, "selfsubjectaccessreviews"):
            return try accessReview(request, kind: "SelfSubjectAccessReview")
        case (Self.authorizationGroup, "subjectaccessreviews"): return try accessReview(request, kind: "SubjectAccessReview")
        case (Self.authorizationGroup, "localsubjectaccessreviews"):
            return try accessReview(request, kind: "LocalSubjectAccessReview", namespace: route.namespace)
        case (Self.authorizationGroup, "selfsubjectrulesreviews"): return try rulesReview(request)
        case ("authentication.k8s.io", "selfsubjectreviews"): return identityReview(request.user)
        case ("authentication.k8s.io", "tokenreviews"): return try await tokenReview(request)
        default: return nil
        }
    }
}
