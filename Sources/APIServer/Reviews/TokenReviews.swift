// Whose token is this? Asked by programs that are shown one. https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
import JSON
import KubernetesModel

extension APIHandler {
    func tokenReview(_ request: APIRequest) async throws(StatusError) -> APIDocument {
        var review = try reviewBody(request)
        let gvk = GroupVersionKind(group: "authentication.k8s.io", version: "v1", kind: "TokenReview")
        guard let token = review["spec"]?["token"]?.stringValue, !token.isEmpty else {
            throw .invalid(gvk, "", [.required("spec.token")])
        }
        let wanted = (review["spec"]?["audiences"]?.arrayValue ?? []).compactMap(\.stringValue)
        review["status"] = try await verdict(token, audiences: wanted)
        // Whoever asks knows the token; nobody else should read it in an answer that is passed on.
        review.set(["spec", "token"], to: nil)
        return answer(review, gvk)
    }

    private func verdict(_ token: String, audiences wanted: [String]) async throws(StatusError) -> JSONValue {
        if let tokens = security.tokens, SignedToken.isPlausible(token) {
            let accepted = wanted.isEmpty ? tokens.audiences : wanted
            do {
                let claims = try tokens.verify(token, audiences: accepted)
                return Self.authenticated(claims.user, claims.audiences.filter(accepted.contains))
            } catch let problem as TokenProblem {
                return ["authenticated": false, "error": .string(problem.rawValue)]
            } catch {
                throw .unavailable("the token cannot be checked: \(error)")
            }
        }
        // Other tokens are for this server alone.
        guard wanted.isEmpty || wanted.contains(where: security.tokens?.audiences.contains ?? { _ in false }) else {
            return ["authenticated": false, "error": .string(TokenProblem.otherAudience.rawValue)]
        }
        let user: UserInfo?
        do { user = try await security.authenticator?.authenticate(bearerToken: token) } catch {
            throw .unavailable("the token cannot be checked: \(error)")
        }
        return user.map { Self.authenticated($0, wanted) } ?? ["authenticated": false]
    }

    private static func authenticated(_ user: UserInfo, _ audiences: [String]) -> JSONValue {
        var user = user
        if !user.groups.contains(SystemGroup.authenticated) { user.groups.append(SystemGroup.authenticated) }
        var status: JSONValue = ["authenticated": true, "user": user.json]
        if !audiences.isEmpty { status["audiences"] = .array(audiences.map { .string($0) }) }
        return status
    }
}
