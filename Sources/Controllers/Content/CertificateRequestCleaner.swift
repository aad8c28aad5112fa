// Removes certificate requests that nobody needs any more: never decided, or decided an hour ago. Which those are is the
// signer's rule and given.
import JSON
import KubernetesClient
import KubernetesModel
import Logging

final class CertificateRequestCleaner: Sendable {
    /// Whether a request (as stored) is of no use any more; `now` in seconds since 1970.
    typealias Rule = @Sendable (_ request: JSONValue, _ now: Int64) -> Bool

    static let period = Duration.seconds(300)

    private let api: any KubernetesAPI
    private let isStale: Rule
    private let now: @Sendable () -> Timestamp
    private let logger: Logger

    init(api: any KubernetesAPI, isStale: @escaping Rule, now: @escaping @Sendable () -> Timestamp, logger: Logger) {
        self.api = api
        self.isStale = isStale
        self.now = now
        self.logger = logger
    }

    func run() async throws {
        while !Task.isCancelled {
            do {
                try await clean()
            } catch {
                logger.debug("certificate requests not cleaned; trying again", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: Self.period)
        }
    }

    /// One round over all requests: they are few.
    func clean() async throws {
        let resource = CertificateSigningRequest.resource
        let list = try JSONValue(parsing: try await api.list(resource, namespace: nil, options: .init()))
        for request in list["items"]?.arrayValue ?? [] where isStale(request, now().unixSeconds) {
            guard let name = request["metadata"]?["name"]?.stringValue else { continue }
            try await api.deleteIfPresent(
                CertificateSigningRequest.self, name: name, options: DeleteOptions(uid: request["metadata"]?["uid"]?.stringValue))
        }
    }
}
