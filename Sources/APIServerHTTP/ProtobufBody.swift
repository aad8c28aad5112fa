// Request bodies in Kubernetes' protobuf, as the front refuses them: the decoding itself is the core's (ProtobufObject).
import APIServer

enum ProtobufBody {
    static let contentType = ProtobufObject.contentType

    /// The body as JSON. Throws a 415 for a kind that is not declared, a 400 for broken bytes.
    static func json(_ body: [UInt8]) throws -> [UInt8] {
        do throws(ProtobufObject.Failure) { return try ProtobufObject.json(body) } catch {
            switch error {
            case .malformed: throw FrontStatus.badRequest("the body is not valid \(contentType)")
            case .unknownKind(let apiVersion, let kind):
                throw FrontStatus(
                    code: 415, reason: "UnsupportedMediaType",
                    message:
                        "\(apiVersion) \(kind) is not understood as \(contentType) - accepted media types include: application/json"
                )
            }
        }
    }
}
