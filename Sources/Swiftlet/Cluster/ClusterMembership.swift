// A node of any Kubernetes cluster: where it is and who we are there, out of a kubeconfig with a node's credentials
// (CN system:node:NAME, O system:nodes) or with a bootstrap token, for which the node asks for its own certificate.
import KubernetesClient
import KubernetesClientHTTP
import PKI

struct ClusterMembership: Sendable {
    enum Credentials: Sendable {
        case certificate(CertificateAndKey)
        case bootstrapToken(String)
    }

    static let userPrefix = "system:node:"
    static let nodesGroup = "system:nodes"

    let path: String
    let endpoint: APIServerEndpoint
    let credentials: Credentials
    /// The name that the certificate says; nil with a bootstrap token.
    let nodeName: String?

    init(kubeconfigPath: String) throws {
        path = FileText.absolute(kubeconfigPath)
        guard let text = FileText.read(path) else {
            throw CommandFailure("there is no kubeconfig \(path)", hint: "docs/JOIN.md says how to make a node's")
        }
        let given: ClientCredentials
        do {
            let connection = try Kubeconfig(parsing: text).connection(directory: FileText.directory(of: path))
            (endpoint, given) = try connection.loaded()
        } catch {
            throw CommandFailure("\(path): \(error)", hint: "docs/JOIN.md says how to make a node's kubeconfig")
        }
        if let certificate = given.certificatePEM, let key = given.privateKeyPEM {
            nodeName = try Self.nodeName(certificate, path)
            credentials = .certificate(CertificateAndKey(certificatePEM: certificate, privateKeyPEM: key))
        } else if let token = given.bearerToken {
            nodeName = nil
            credentials = .bootstrapToken(token)
        } else {
            throw CommandFailure(
                "\(path): its user has neither a client certificate nor a token",
                hint: "a node's certificate, or a bootstrap token (`kubeadm token create`)")
        }
    }

    private static func nodeName(_ certificate: String, _ path: String) throws -> String {
        let information: CertificateInfo
        do { information = try CertificateInfo(pem: certificate) } catch { throw CommandFailure("\(path): \(error)", hint: nil) }
        guard information.commonName.hasPrefix(userPrefix), information.organizations.contains(nodesGroup) else {
            throw CommandFailure(
                "\(path): its certificate is of CN=\(information.commonName), O=\(information.organizations.joined(separator: ","))",
                hint: "a node's has CN=system:node:NAME and O=system:nodes; docs/JOIN.md says how to make one")
        }
        return String(information.commonName.dropFirst(userPrefix.count))
    }
}
