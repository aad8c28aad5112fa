// Files that hold secrets: read only when nobody but their owner could have read or changed them.
import Glibc

public enum SecretFile {
    /// The file's text. Throws when it is missing, no ordinary file, somebody else's, or open to group or others.
    public static func read(_ path: String) throws -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { throw PKIError.file(stage: "stat", path: path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw PKIError.malformed(what: path, why: "expected an ordinary file") }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw PKIError.malformed(what: path, why: "it belongs to user \(status.st_uid); expected user \(geteuid()) or root")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw PKIError.malformed(what: path, why: "its mode is \(mode); expected 600: `chmod 600 \(path)`")
        }
        guard let text = try CertificateFiles.read(path) else { throw PKIError.file(stage: "open", path: path, errno: ENOENT) }
        return text
    }
}
