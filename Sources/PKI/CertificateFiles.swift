// Certificates and keys on disk: NAME.crt (0644) and NAME.key (0600), each replaced atomically. The key is written first,
// so that a certificate found on disk always has its key.
import Glibc

public struct CertificateFiles: Sendable {
    public let directory: String

    public init(directory: String) { self.directory = directory }

    public func certificatePath(_ name: String) -> String { "\(directory)/\(name).crt" }
    public func keyPath(_ name: String) -> String { "\(directory)/\(name).key" }

    /// nil when there is no certificate of this name. Throws when the key beside it is another's: whoever showed the certificate could
    /// prove nothing with it, and be told so by the other side's broken handshake only.
    public func load(_ name: String) throws -> CertificateAndKey? {
        guard let certificate = try Self.read(certificatePath(name)) else { return nil }
        guard let key = try Self.read(keyPath(name)) else {
            throw PKIError.file(stage: "read", path: keyPath(name), errno: ENOENT)
        }
        let pair = CertificateAndKey(certificatePEM: certificate, privateKeyPEM: key)
        // What cannot be read is for whoever wants to use it.
        if (try? pair.belongTogether) == false {
            throw PKIError.malformed(what: keyPath(name), why: "it is not the key of \(certificatePath(name))")
        }
        return pair
    }

    public func store(_ pair: CertificateAndKey, name: String) throws {
        try Self.makeDirectory(directory)
        try Self.write(pair.privateKeyPEM, to: keyPath(name), mode: 0o600)
        try Self.write(pair.certificatePEM, to: certificatePath(name), mode: 0o644)
    }

    /// The authority of this directory (ca.crt, ca.key), made when there is none.
    public func loadOrCreateAuthority(commonName: String = "swiftlet-ca") throws -> CertificateAuthority {
        if let pair = try load("ca") { return try CertificateAuthority(pair) }
        let pair = try CertificateAuthority.makeNew(commonName: commonName)
        try store(pair, name: "ca")
        return try CertificateAuthority(pair)
    }

    /// The server certificate `name`, issued anew when there is none, when it lacks one of the names, when it is not the
    /// authority's, or when its renewal is due.
    public func loadOrIssueServer(
        _ name: String, authority: CertificateAuthority, commonName: String, names: ServerNames
    ) throws -> CertificateAndKey {
        if let pair = try load(name), let info = try? CertificateInfo(pem: pair.certificatePEM),
            !info.isRenewalDue(), info.names.covers(names), authority.hasIssued(pair.certificatePEM)
        {
            return pair
        }
        let pair = try authority.issueServer(commonName: commonName, names: names)
        try store(pair, name: name)
        return pair
    }

    /// The client certificate `name`, issued anew on the same grounds.
    public func loadOrIssueClient(
        _ name: String, authority: CertificateAuthority, commonName: String, organizations: [String]
    ) throws -> CertificateAndKey {
        if let pair = try load(name), let info = try? CertificateInfo(pem: pair.certificatePEM), !info.isRenewalDue(),
            info.commonName == commonName, info.organizations == organizations, authority.hasIssued(pair.certificatePEM)
        {
            return pair
        }
        let pair = try authority.issueClient(commonName: commonName, organizations: organizations)
        try store(pair, name: name)
        return pair
    }

    // MARK: - Files

    /// Certificates and keys are a few kilobytes; whatever is larger is none.
    private static let maximumBytes = 1 << 20

    static func read(_ path: String) throws -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw PKIError.file(stage: "open", path: path, errno: errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw PKIError.file(stage: "read", path: path, errno: errno)
            }
            bytes += chunk[..<count]
            guard bytes.count <= maximumBytes else { throw PKIError.file(stage: "read", path: path, errno: EFBIG) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Writes beside the target, makes it durable, then renames: readers see the old or the new file, whole.
    public static func write(_ text: String, to path: String, mode: mode_t) throws {
        let temporary = "\(path).\(getpid()).tmp"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw PKIError.file(stage: "create", path: temporary, errno: errno) }
        var failure: PKIError?
        let bytes = Array(text.utf8)
        var offset = 0
        while offset < bytes.count, failure == nil {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                offset += count
            } else if errno != EINTR {
                failure = .file(stage: "write", path: temporary, errno: errno)
            }
        }
        if failure == nil, fsync(descriptor) != 0 { failure = .file(stage: "fsync", path: temporary, errno: errno) }
        close(descriptor)
        if failure == nil, rename(temporary, path) != 0 { failure = .file(stage: "rename", path: path, errno: errno) }
        if let failure {
            unlink(temporary)
            throw failure
        }
    }

    private static func makeDirectory(_ path: String) throws {
        var prefix = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            prefix += "/" + part
            if mkdir(prefix, 0o755) != 0, errno != EEXIST { throw PKIError.file(stage: "mkdir", path: prefix, errno: errno) }
        }
    }
}
