// Errors of the network and of the store in the agent's words for a failed pull.
import AsyncHTTPClient
import Glibc
import ImageStore
import NIOCore
import NIOSSL
import RuntimeInterface

enum PullFailure {
    /// `subject`: image or address, for the message.
    static func describing(_ error: any Error, _ subject: String) -> ImagePullError {
        if let error = error as? ImagePullError { return error }
        if let error = error as? ImageStoreError { return store(error, subject) }
        if let error = error as? ImageReference.Malformed { return ImagePullError(.invalidName, error.description) }
        if let error = error as? DockerConfig.Unreadable { return ImagePullError(.unauthorized, error.description) }
        if error is CancellationError { return ImagePullError(.internal, "\(subject): pull was cancelled") }
        return ImagePullError(.registryUnavailable, "\(subject): \(network(error))")
    }

    private static func store(_ error: ImageStoreError, _ subject: String) -> ImagePullError {
        let message = "\(subject): \(error)"
        switch error {
        case .inputOutput(_, _, let code):
            return ImagePullError(code == ENOSPC || code == EDQUOT ? .noSpace : .internal, message)
        case .invalid, .digestMismatch, .sizeMismatch, .tooLarge, .unsupported: return ImagePullError(.invalidContent, message)
        case .notFound: return ImagePullError(.notFound, message)
        case .busy: return ImagePullError(.internal, message)
        }
    }

    private static func network(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: error.shortDescription
        case let error as NIOSSLError: "TLS: \(error); for a registry with its own authority name its caFile"
        case let error as NIOSSLExtraError: "TLS: \(error)"
        case let error as IOError: "\(error.description)"
        default: "\(error)"
        }
    }

    /// Worth another try: the network's or the server's moment, not what was sent.
    static func isTransient(_ error: any Error) -> Bool {
        if let error = error as? ImagePullError { return error.kind == .registryUnavailable }
        return !(error is ImageStoreError || error is CancellationError || error is ImageReference.Malformed)
    }
}
