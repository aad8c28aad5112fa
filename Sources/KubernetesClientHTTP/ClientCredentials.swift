// Where an API server is and how we identify ourselves there, in the form that the HTTP client needs.
import FoundationEssentials
import KubernetesClient
import NIOSSL

/// An API server and how to trust it.
public struct APIServerEndpoint: Sendable, Hashable {
    /// "https://host:port", no path.
    public var server: String
    /// The authority (PEM) that its certificate must come from; nil: the system's.
    public var authorityPEM: String?
    public var insecureSkipTLSVerify = false

    public init(server: String, authorityPEM: String? = nil, insecureSkipTLSVerify: Bool = false) {
        self.server = server
        self.authorityPEM = authorityPEM
        self.insecureSkipTLSVerify = insecureSkipTLSVerify
    }
}

/// A client certificate, or a bearer token, or neither.
public struct ClientCredentials: Sendable, Hashable {
    public var certificatePEM: String?
    public var privateKeyPEM: String?
    public var bearerToken: String?

    public init(certificatePEM: String? = nil, privateKeyPEM: String? = nil, bearerToken: String? = nil) {
        self.certificatePEM = certificatePEM
        self.privateKeyPEM = privateKeyPEM
        self.bearerToken = bearerToken
    }

    public static let none = ClientCredentials()
}

/// Never shows key or token, whoever prints or dumps it.
extension ClientCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "ClientCredentials(private)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Kubeconfig.Connection {
    /// Reads the files and base64 data that a kubeconfig points to. Throws `KubeconfigError`. Blocking: call it at start.
    public func loaded() throws -> (endpoint: APIServerEndpoint, credentials: ClientCredentials) {
        let authority = try Self.text(
            "cluster: certificate-authority", data: cluster.certificateAuthorityData, file: cluster.certificateAuthority)
        var token = user.token
        if token == nil || token?.isEmpty == true {
            token = try Self.text("user: tokenFile", data: nil, file: user.tokenFile)
        }
        let credentials = ClientCredentials(
            certificatePEM: try Self.text(
                "user: client-certificate", data: user.clientCertificateData, file: user.clientCertificate),
            privateKeyPEM: try Self.text("user: client-key", data: user.clientKeyData, file: user.clientKey),
            bearerToken: token?.split(whereSeparator: \.isWhitespace).first.map(String.init))
        let endpoint = APIServerEndpoint(
            server: cluster.server, authorityPEM: authority, insecureSkipTLSVerify: cluster.insecureSkipTLSVerify ?? false)
        return (endpoint, credentials)
    }

    private static func text(_ what: String, data: String?, file: String?) throws -> String? {
        if let data, !data.isEmpty {
            guard let bytes = Data(base64Encoded: data), let text = String(validating: bytes, as: UTF8.self) else {
                throw KubeconfigError("\(what)-data: expected base64 of a PEM document")
            }
            return text
        }
        guard let file, !file.isEmpty else { return nil }
        do {
            return String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
        } catch {
            throw KubeconfigError("\(what): cannot read \(file)")
        }
    }
}

extension APIServerEndpoint {
    /// Throws `KubeconfigError` when a PEM cannot be read; never shows key material.
    func tlsConfiguration(_ credentials: ClientCredentials) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let authorityPEM {
            let authorities = try Self.reading("certificate-authority") {
                try NIOSSLCertificate.fromPEMBytes(Array(authorityPEM.utf8))
            }
            tls.trustRoots = .certificates(authorities)
        }
        if insecureSkipTLSVerify { tls.certificateVerification = .none }
        if let certificate = credentials.certificatePEM, let key = credentials.privateKeyPEM {
            tls.certificateChain = try Self.reading("client-certificate") {
                try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
            }
            tls.privateKey = .privateKey(
                try Self.reading("client-key") { try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem) })
        } else if credentials.certificatePEM != nil || credentials.privateKeyPEM != nil {
            throw KubeconfigError("client certificate and client key are needed together")
        }
        return tls
    }

    private static func reading<Value>(_ what: String, _ body: () throws -> Value) throws -> Value {
        do { return try body() } catch { throw KubeconfigError("\(what): expected PEM (\(type(of: error)))") }
    }
}
