// The credentials in a pod's imagePullSecrets.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import RuntimeInterface

struct PullSecrets: Sendable {
    let api: any KubernetesAPI

    /// `defects`: what could not be read, for people; a pull goes on without it, as a kubelet's does.
    func credentials(of pod: Pod) async -> (credentials: [RegistryCredential], defects: [String]) {
        var (credentials, defects): ([RegistryCredential], [String]) = ([], [])
        for reference in pod.spec.imagePullSecrets {
            do {
                guard let secret = try await api.find(Secret.self, namespace: pod.metadata.namespace ?? "", name: reference.name)
                else {
                    defects.append("secret \(reference.name) not found")
                    continue
                }
                credentials += try Self.credentials(in: try secret.files(), of: reference.name)
            } catch {
                defects.append("secret \(reference.name): \(error)")
            }
        }
        return (credentials, defects)
    }

    /// Of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg, by their keys.
    static func credentials(in files: [String: [UInt8]], of name: String) throws(StepFailure) -> [RegistryCredential] {
        if let bytes = files[".dockerconfigjson"] {
            return try entries(bytes, name, ".dockerconfigjson", { try JSON.decode(DockerConfig.self, from: $0).auths })
        }
        if let bytes = files[".dockercfg"] {
            return try entries(bytes, name, ".dockercfg", { try JSON.decode([String: DockerConfig.Entry].self, from: $0) })
        }
        throw .image("FailedToRetrieveImagePullSecret", "has neither .dockerconfigjson nor .dockercfg")
    }

    private static func entries(
        _ bytes: [UInt8], _ name: String, _ key: String, _ decode: ([UInt8]) throws -> [String: DockerConfig.Entry]
    ) throws(StepFailure) -> [RegistryCredential] {
        let entries: [String: DockerConfig.Entry]
        do { entries = try decode(bytes) } catch {
            // The error's own words could quote the secret.
            throw .image("FailedToRetrieveImagePullSecret", "\(key) is not a docker config.json")
        }
        var credentials: [RegistryCredential] = []
        for (server, entry) in entries.sorted(by: { $0.key < $1.key }) {
            guard let credential = entry.credential(server) else {
                throw .image(
                    "FailedToRetrieveImagePullSecret", "\(key): auths[\"\(server)\"].auth is not base64 of NAME:PASSWORD")
            }
            credentials.append(credential)
        }
        return credentials
    }
}

/// ~/.docker/config.json, as far as secrets of registries are in it.
private struct DockerConfig: Codable, Hashable {
    struct Entry: Codable, Hashable {
        @DefaultEmpty var username: String
        @DefaultEmpty var password: String
        @DefaultEmpty var auth: String
        @DefaultEmpty var identitytoken: String
        @DefaultEmpty var registrytoken: String

        /// nil: `auth` cannot be read.
        func credential(_ server: String) -> RegistryCredential? {
            var credential = RegistryCredential(
                server: server, username: username, password: password, identityToken: identitytoken, registryToken: registrytoken
            )
            guard username.isEmpty, !auth.isEmpty else { return credential }
            guard let bytes = Base64.decode(auth), let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            credential.username = String(decoding: bytes[..<colon], as: UTF8.self)
            // Some tools pad it with NULs.
            credential.password = String(decoding: bytes[(colon + 1)...].filter { $0 != 0 }, as: UTF8.self)
            return credential
        }
    }

    @DefaultEmpty var auths: [String: Entry]
}
