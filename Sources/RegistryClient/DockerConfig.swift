// Docker's config.json: credentials as `docker login`, podman and Kubernetes secrets keep them.
import FoundationEssentials
import Glibc
import JSON
import RuntimeInterface

/// `{"auths":{"registry":{"auth":"base64(user:password)"}}}`.
public enum DockerConfig {
    public struct Unreadable: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    static let maximumBytes = 1 << 20

    private struct File: Decodable {
        var auths: [String: Entry]?
        var credHelpers: [String: String]?
        var credsStore: String?

        struct Entry: Decodable {
            var auth: String?
            var username: String?
            var password: String?
            var identitytoken: String?
            var registrytoken: String?
        }
    }

    /// Blocks on the disk. A missing file has no credentials.
    public static func credentials(file path: String) throws(Unreadable) -> [RegistryCredential] {
        guard access(path, F_OK) == 0 else { return [] }
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw Unreadable(description: "\(path): cannot be read")
        }
        return try credentials([UInt8](data), subject: path)
    }

    /// An error names the file and the registry, never what stands in an entry.
    public static func credentials(_ bytes: [UInt8], subject: String) throws(Unreadable) -> [RegistryCredential] {
        guard bytes.count <= maximumBytes else { throw Unreadable(description: "\(subject): larger than \(maximumBytes) bytes") }
        let file: File
        do {
            file = try JSON.decode(File.self, from: bytes)
        } catch {
            throw Unreadable(
                description:
                    "\(subject): expected Docker's config.json; \(error is JSONError ? JSON.describe(error) : "a member has another type")"
            )
        }
        let helpers = (file.credHelpers ?? [:]).map { "\($0.value) for \($0.key)" }.sorted() + [file.credsStore].compactMap { $0 }
        guard helpers.isEmpty || file.auths?.isEmpty == false else {
            throw Unreadable(
                description:
                    "\(subject): credential helpers are not run (\(helpers.prefix(3).joined(separator: ", "))); put the registry's auth into \"auths\""
            )
        }
        var result: [RegistryCredential] = []
        for (server, entry) in (file.auths ?? [:]).sorted(by: { $0.key < $1.key }) {
            result.append(try credential(server, entry, helper: file.credHelpers?[server] ?? file.credsStore, subject))
        }
        return result.filter { !$0.username.isEmpty || !$0.identityToken.isEmpty || !$0.registryToken.isEmpty }
    }

    private static func credential(
        _ server: String, _ entry: File.Entry, helper: String?, _ subject: String
    ) throws(Unreadable) -> RegistryCredential {
        var result = RegistryCredential(
            server: server, username: entry.username ?? "", password: entry.password ?? "",
            identityToken: entry.identitytoken ?? "",
            registryToken: entry.registrytoken ?? "")
        if let auth = entry.auth, !auth.isEmpty {
            guard let data = Data(base64Encoded: auth), let text = String(validating: data, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else { throw Unreadable(description: "\(subject): auths[\"\(server)\"].auth: expected base64 of user:password") }
            result.username = String(text[..<colon])
            // Docker's own files may end with NUL bytes there.
            result.password = String(text[text.index(after: colon)...].filter { $0 != "\0" })
        } else if let helper, result.username.isEmpty, result.identityToken.isEmpty, result.registryToken.isEmpty {
            throw Unreadable(
                description:
                    "\(subject): auths[\"\(server)\"]: its secret is with the credential helper \"\(helper)\", which is not run; put it into \"auth\""
            )
        }
        return result
    }
}
