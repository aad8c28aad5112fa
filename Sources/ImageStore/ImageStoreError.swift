// Why the image store refused: each case names the object and what was found.
import Glibc

public enum ImageStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A field of a file (or of a manifest, named by its digest) that cannot be used.
    case invalid(file: String, field: String, reason: String)
    case inputOutput(file: String, operation: String, errno: Int32)
    /// No such image, reference or blob here.
    case notFound(String)
    /// Content that is not what its name says.
    case digestMismatch(subject: String, expected: ContentDigest, found: ContentDigest)
    case sizeMismatch(subject: String, expected: Int64, found: Int64)
    /// More than a bound allows: bytes, entries, layers.
    case tooLarge(subject: String, limit: String)
    /// Well-formed, but of a kind that is not taken.
    case unsupported(subject: String, reason: String)
    /// Somebody else holds what this needs for himself.
    case busy(String)

    public var description: String {
        switch self {
        case .invalid(let file, let field, let reason): "\(file): \(field): \(reason)"
        case .inputOutput(let file, let operation, let code): "\(file): \(operation): \(String(cString: strerror(code)))"
        case .notFound(let subject): "\(subject): not found"
        case .digestMismatch(let subject, let expected, let found):
            "\(subject): its content has digest \(found), expected \(expected)"
        case .sizeMismatch(let subject, let expected, let found): "\(subject): it has \(found) bytes, expected \(expected)"
        case .tooLarge(let subject, let limit): "\(subject): more than \(limit)"
        case .unsupported(let subject, let reason): "\(subject): \(reason)"
        case .busy(let subject): "\(subject): in use by another process"
        }
    }
}
