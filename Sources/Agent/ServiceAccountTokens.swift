// Tokens of a pod's service account: asked for with the pod as their owner (TokenRequest), kept in memory, renewed in time.
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel

struct ServiceAccountTokens: Sendable {
    /// What was asked for, and what came.
    struct Kept: Codable, Sendable {
        var token: String
        var life: ServiceAccountTokenLife
    }

    static let defaultSeconds: Int64 = 3600

    let api: any KubernetesAPI
    /// In memory, for one pod: a restart of the agent asks for no token anew.
    let file: String
    let clock: any AgentClock

    /// The token for this source, from the file while it is young enough. When no new one can be had, an old one that is still
    /// good is.
    func token(_ source: ServiceAccountTokenProjection, of pod: Pod) async throws(StepFailure) -> String {
        let key = "\(source.audience ?? "")|\(source.expirationSeconds ?? Self.defaultSeconds)|\(source.path)"
        let file = file
        var kept = await DiskFiles.perform { Self.read(file) }
        let now = clock.now() / .nanosecondsPerSecond
        if let found = kept[key], now < found.life.refreshAt(seed: StableHash.of("\(pod.metadata.uid ?? "")\(key)")) {
            return found.token
        }
        do {
            let fresh = try await request(source, pod)
            kept[key] = fresh
            let bytes = try JSON.encode(kept)
            try await DiskFiles.perform { try DiskFiles.replace(file, with: bytes, durable: false) }
            return fresh.token
        } catch {
            if let found = kept[key], now < found.life.expiresAt { return found.token }
            throw .mount("token of service account \(Self.account(pod)): \(error)", retriable: true)
        }
    }

    /// A damaged file costs a request.
    private static func read(_ file: String) -> [String: Kept] {
        guard let bytes = try? DiskFiles.read(file) else { return [:] }
        return (try? JSON.decode([String: Kept].self, from: bytes)) ?? [:]
    }

    private static func account(_ pod: Pod) -> String { pod.spec.serviceAccountName ?? "default" }

    private func request(_ source: ServiceAccountTokenProjection, _ pod: Pod) async throws -> Kept {
        var spec: JSONValue = [
            "expirationSeconds": .int(source.expirationSeconds ?? Self.defaultSeconds),
            "boundObjectRef": [
                "apiVersion": "v1", "kind": "Pod", "name": .string(pod.metadata.name), "uid": .string(pod.metadata.uid ?? ""),
            ],
        ]
        if let audience = source.audience, !audience.isEmpty { spec.set(["audiences"], to: [.string(audience)]) }
        let body: JSONValue = ["apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec]
        let answer = try JSONValue(
            parsing: try await api.create(
                ServiceAccount.resource, namespace: pod.metadata.namespace, name: Self.account(pod), subresource: "token",
                body: body.serialized()))
        guard let token = answer["status"]?["token"]?.stringValue, !token.isEmpty,
            let expires = (answer["status"]?["expirationTimestamp"]?.stringValue).flatMap({ Timestamp($0) })
        else { throw KubernetesAPIError.transport("TokenRequest: the answer holds no token") }
        let now = clock.now() / .nanosecondsPerSecond
        return Kept(token: token, life: ServiceAccountTokenLife(issuedAt: now, expiresAt: expires.unixSeconds))
    }
}
