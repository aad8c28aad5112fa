// A Lite's ways to its master: with the deploy token before it has a certificate, with the certificate afterwards.
import KubernetesClientHTTP
import PKI

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
            let bytes: [UInt8]
            do throws(FileText.Unreadable) { bytes = try FileText.contents(file) } catch {
                throw CommandFailure(
                    "cannot read swiftlet.masterCAFile \(file): \(error.reason)", hint: "copy the master's pki/ca.crt there")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            do { _ = try CertificateInfo(pem: text) } catch {
                throw CommandFailure(
                    "swiftlet.masterCAFile: expected a certificate (PEM) in \(file): \(error)",
                    hint: "copy the master's pki/ca.crt there again")
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

    /// To see whether it is there.
    func anonymous() throws -> HTTPKubernetesAPI { try HTTPKubernetesAPI(endpoint: endpoint, credentials: .none) }

    func api(token: String) throws -> HTTPKubernetesAPI {
        try HTTPKubernetesAPI(endpoint: endpoint, credentials: ClientCredentials(bearerToken: token))
    }
}
