// A Lite's ways to its master: with the deploy token before it has a certificate, with the certificate afterwards.
import KubernetesClientHTTP

struct MasterConnection {
    private let endpoint: APIServerEndpoint

    /// Reads the authority's certificate.
    init(_ settings: LiteSettings) throws {
        if let membership = settings.membership {
            endpoint = membership.endpoint
            return
        }
        var authority: String?
        if let file = settings.masterCAFile {
            guard let text = FileText.read(file) else {
                throw CommandFailure("cannot read swiftlet.masterCAFile \(file)", hint: "copy the master's pki/ca.crt there")
            }
            authority = text
        }
        endpoint = APIServerEndpoint(server: settings.masterURL, authorityPEM: authority)
    }

    func api(_ identity: LiteIdentity) throws -> HTTPKubernetesAPI {
        let pair = identity.pair
        let credentials = ClientCredentials(certificatePEM: pair.certificatePEM, privateKeyPEM: pair.privateKeyPEM)
        return try HTTPKubernetesAPI(endpoint: endpoint, credentials: credentials)
    }

    func api(token: String) throws -> HTTPKubernetesAPI {
        try HTTPKubernetesAPI(endpoint: endpoint, credentials: ClientCredentials(bearerToken: token))
    }
}
