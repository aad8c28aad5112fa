// What the issuer of service accounts' tokens says about itself, so that others can check them (OpenID Connect discovery 1.0).
import JSON

extension APIHandler {
    /// `path` without its leading slash. 404 while no tokens are issued.
    func issuerDocument(_ path: String) throws(StatusError) -> APIDocument {
        guard let tokens = security.tokens else { throw .unknownPath }
        switch "/" + path {
        case ServiceAccountTokens.configurationPath: return APIDocument(status: 200, body: tokens.configuration.serialized())
        case ServiceAccountTokens.keysPath:
            return APIDocument(status: 200, contentType: "application/jwk-set+json", body: tokens.keySet.serialized())
        default: throw .unknownPath
        }
    }
}
