// What follows from a cluster that did not take a pod: try again, tell the user what it waits for, or give the pod up. Pure.
// Status codes and reasons: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
import KubernetesClient

enum CreationFailure: Sendable, Hashable {
    /// Nothing was decided: too busy, away, not understood. Tried again without a word.
    case retry
    /// May change without us: tried again, and said meanwhile.
    case wait(reason: String, message: String)
    /// The same request will be refused for ever.
    case refuse(ClusterRefusal)
    /// Something of that name is there.
    case present

    init(_ error: any Error, namespace: String) {
        guard case .status(let status)? = error as? KubernetesAPIError else {
            self = .retry
            return
        }
        let message = status.message ?? status.reason ?? "HTTP \(status.code ?? 0)"
        switch status.code ?? 0 {
        case 409 where status.reason == "AlreadyExists": self = .present
        case 403 where message.contains("exceeded quota"): self = .wait(reason: "QuotaExceeded", message: message)
        case 403 where status.details?.causes.contains { $0.reason == "NamespaceTerminating" } == true:
            self = .wait(reason: "NamespaceTerminating", message: message)
        case 404: self = .wait(reason: "NamespaceNotFound", message: "namespace \(namespace) of the cluster: \(message)")
        // An admission webhook or policy: it says so in these words.
        case 400..<500
        where message.contains("denied the request") || message.contains("denied request")
            || message.contains("violates PodSecurity"):
            self = .refuse(ClusterRefusal(reason: "AdmissionDenied", message: message))
        case 400, 413, 422: self = .refuse(ClusterRefusal(reason: status.reason ?? "Invalid", message: message))
        // Ours to repair: the role lacks a verb, the token has expired.
        case 401, 403: self = .wait(reason: status.reason ?? "Forbidden", message: message)
        default: self = .retry
        }
    }
}

/// The pod cannot go to the cluster yet; what it waits for is told, and it is tried again.
struct CreationWait: Error, Sendable, CustomStringConvertible {
    var reason: String
    var message: String
    var description: String { "\(reason): \(message)" }
}
