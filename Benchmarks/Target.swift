// Where the load goes: a kubeconfig's server, authority and identity as what NIO needs to dial it.
import Glibc
import KubernetesClient
import KubernetesClientHTTP
import NIOCore
import NIOSSL

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}

struct Target: Sendable {
    let host: String
    let port: Int
    /// nil: plain TCP.
    let tls: NIOSSLContext?
    /// "Authorization: Bearer ...\r\n", or nothing.
    let authorization: String

    static func etcd(_ endpoint: String) throws -> Target {
        let (host, port) = try split(endpoint, scheme: "http://")
        return Target(host: host, port: port, tls: nil, authorization: "")
    }

    static func kubeconfig(_ path: String) throws -> Target {
        let loaded = try connection(path).loaded()
        let (host, port) = try split(loaded.endpoint.server, scheme: "https://")
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.applicationProtocols = ["http/1.1"]
        // Certificates of a loopback server may carry any name; the authority is checked.
        tls.certificateVerification = loaded.endpoint.insecureSkipTLSVerify ? .none : .noHostnameVerification
        if let authority = loaded.endpoint.authorityPEM {
            tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authority.utf8)))
        }
        if let certificate = loaded.credentials.certificatePEM, let key = loaded.credentials.privateKeyPEM {
            tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8)).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
        }
        let token = loaded.credentials.bearerToken.map { "authorization: Bearer \($0)\r\n" } ?? ""
        return Target(host: host, port: port, tls: try NIOSSLContext(configuration: tls), authorization: token)
    }

    static func connection(_ path: String) throws -> Kubeconfig.Connection {
        let slash = path.lastIndex(of: "/")
        return try Kubeconfig(parsing: try text(of: path)).connection(directory: slash.map { String(path[..<$0]) } ?? ".")
    }

    private static func text(of path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw BenchError("\(path): cannot be read (errno \(errno))") }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func split(_ url: String, scheme: String) throws -> (String, Int) {
        guard url.hasPrefix(scheme) else { throw BenchError("\(url): expected \(scheme)HOST:PORT") }
        let rest = url.dropFirst(scheme.count).prefix { $0 != "/" }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]) else {
            throw BenchError("\(url): expected a port")
        }
        return (String(rest[..<colon]), port)
    }
}
