// The keys that sign service accounts' tokens (ES256), on disk as sa.key; retired ones (sa-NAME.key or sa-NAME.pub beside it)
// are still accepted, so that keys can be replaced without a moment in which no token holds.
import Crypto
import Glibc

/// One signing key and every key whose signatures are accepted.
public struct TokenKeys: Sendable {
    private let signing: P256.Signing.PrivateKey
    /// By key id; the signing key's first.
    private let accepted: [(id: String, key: P256.Signing.PublicKey)]

    public let keyID: String

    /// Private keys in PEM, the signing one first; `publicPEMs` are accepted only.
    public init(privateKeyPEM: String, retiredPEMs: [String] = []) throws {
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: privateKeyPEM) else {
            throw PKIError.malformed(what: "token key", why: "expected a P-256 private key in PEM")
        }
        signing = key
        keyID = Self.id(key.publicKey)
        let retired = try retiredPEMs.map { pem -> P256.Signing.PublicKey in
            if let key = try? P256.Signing.PublicKey(pemRepresentation: pem) { return key }
            if let key = try? P256.Signing.PrivateKey(pemRepresentation: pem) { return key.publicKey }
            throw PKIError.malformed(what: "retired token key", why: "expected a P-256 key in PEM")
        }
        accepted = ([key.publicKey] + retired).map { (Self.id($0), $0) }
    }

    public static func makePEM() -> String { P256.Signing.PrivateKey().pemRepresentation + "\n" }

    /// r and s, 32 bytes each (RFC 7518, section 3.4).
    public func signature(for message: [UInt8]) throws -> [UInt8] { Array(try signing.signature(for: message).rawRepresentation) }

    /// nil: no key of this id is accepted.
    public func isValid(_ signature: [UInt8], for message: [UInt8], keyID: String) -> Bool? {
        guard let key = accepted.first(where: { $0.id == keyID })?.key else { return nil }
        guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
        return key.isValidSignature(signature, for: message)
    }

    /// Id and the point's coordinates, 32 bytes each.
    public var publicKeys: [(id: String, x: [UInt8], y: [UInt8])] {
        accepted.map { id, key in
            let point = Array(key.rawRepresentation)
            return (id, Array(point[..<32]), Array(point[32...]))
        }
    }

    /// SHA-256 of the key's DER, in base64url: as Kubernetes names its keys.
    private static func id(_ key: P256.Signing.PublicKey) -> String {
        let digest = Array(SHA256.hash(data: key.derRepresentation))
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: digest.count, by: 3) {
            let group = digest[start..<min(start + 3, digest.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
            for place in 0...group.count { text.append(alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)]) }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension CertificateFiles {
    private static let tokenKey = "sa"

    /// The keys of this directory; a signing key is made when there is none.
    public func loadOrCreateTokenKeys() throws -> TokenKeys {
        let path = keyPath(Self.tokenKey)
        if try Self.read(path) == nil { try Self.write(TokenKeys.makePEM(), to: path, mode: 0o600) }
        return try TokenKeys(privateKeyPEM: SecretFile.read(path), retiredPEMs: retiredTokenKeys())
    }

    private func retiredTokenKeys() throws -> [String] {
        guard let stream = opendir(directory) else { throw PKIError.file(stage: "opendir", path: directory, errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasPrefix("\(Self.tokenKey)-"), name.hasSuffix(".key") || name.hasSuffix(".pub") { names.append(name) }
        }
        return try names.sorted().compactMap { try Self.read("\(directory)/\($0)") }
    }
}
