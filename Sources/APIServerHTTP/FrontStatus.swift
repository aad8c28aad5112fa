// Refusals that the front makes itself, as Status documents like the core's.
import APIServer
import JSON
import KubernetesModel

/// A refusal before (or after) the core was asked.
struct FrontStatus: Error, Sendable, Hashable {
    var code: Int
    /// `metav1.StatusReason`.
    var reason: String
    var message: String
    var retryAfterSeconds: Int?

    static let unauthorized = FrontStatus(code: 401, reason: "Unauthorized", message: "Unauthorized")

    static let shuttingDown = FrontStatus(
        code: 503, reason: "ServiceUnavailable", message: "the server is shutting down", retryAfterSeconds: 1)

    static func badRequest(_ message: String) -> FrontStatus {
        FrontStatus(code: 400, reason: "BadRequest", message: message)
    }

    static func forbidden(_ message: String) -> FrontStatus {
        FrontStatus(code: 403, reason: "Forbidden", message: message)
    }

    static func notFound(_ message: String) -> FrontStatus {
        FrontStatus(code: 404, reason: "NotFound", message: message)
    }

    static func methodNotAllowed(_ method: String) -> FrontStatus {
        FrontStatus(
            code: 405, reason: "MethodNotAllowed",
            message: "the server does not allow this method on the requested resource (\(method))")
    }

    static func tooLarge(limit: Int) -> FrontStatus {
        FrontStatus(
            code: 413, reason: "RequestEntityTooLarge", message: "Request entity too large: limit is \(limit) bytes")
    }

    static let targetTooLong = FrontStatus(
        code: 414, reason: "RequestURITooLong",
        message: "Request URI too long: limit is \(RequestTarget.maximumBytes) bytes")

    static func headersTooLarge(limit: Int) -> FrontStatus {
        FrontStatus(
            code: 431, reason: "RequestHeaderFieldsTooLarge", message: "Request header fields too large: limit is \(limit) bytes")
    }

    static let requestTimeout = FrontStatus(
        code: 408, reason: "Timeout", message: "the request's body did not arrive in time")

    /// Too many bodies are being received at once.
    static let busyReceiving = FrontStatus(
        code: 429, reason: "TooManyRequests", message: "the server is receiving too much at once", retryAfterSeconds: 1)

    /// Too many unknown tokens from one address.
    static func tooManyFailures(retryAfterSeconds seconds: Int) -> FrontStatus {
        FrontStatus(
            code: 429, reason: "TooManyRequests",
            message: "too many failed authentications from this address, please try again later",
            retryAfterSeconds: seconds)
    }

    /// A node could not be asked. Without Retry-After: client-go would repeat the request ten times before it told the user.
    static func unavailable(_ message: String) -> FrontStatus {
        FrontStatus(code: 503, reason: "ServiceUnavailable", message: message)
    }

    var document: APIDocument {
        let status = APIStatus(
            status: "Failure", message: message, reason: reason,
            details: retryAfterSeconds.map { APIStatusDetails(retryAfterSeconds: $0) }, code: code)
        let body = (try? JSON.encode(status)) ?? Array(#"{"kind":"Status","apiVersion":"v1","status":"Failure"}"#.utf8)
        return APIDocument(
            status: code, headers: retryAfterSeconds.map { [("Retry-After", String($0))] } ?? [], body: body)
    }
}
