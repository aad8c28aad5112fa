// The kubeconfig file: where a cluster is and who we are there (client-go's clientcmd/api/v1). Read from YAML or JSON;
// fields that we do not use are dropped.

/// Why a kubeconfig cannot be used; names the file's part and what was expected.
public struct KubeconfigError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String

    public init(_ message: String) { self.message = message }

    public var description: String { "kubeconfig: \(message)" }
}

public struct Kubeconfig: Sendable, Hashable {
    public struct Cluster: Sendable, Hashable, Codable {
        /// "https://host:port".
        public var server: String
        /// Path of a PEM file; relative to the kubeconfig's directory.
        public var certificateAuthority: String?
        /// Base64 of the PEM; goes before the file.
        public var certificateAuthorityData: String?
        public var insecureSkipTLSVerify: Bool?
        public var tlsServerName: String?

        enum CodingKeys: String, CodingKey {
            case server
            case certificateAuthority = "certificate-authority"
            case certificateAuthorityData = "certificate-authority-data"
            case insecureSkipTLSVerify = "insecure-skip-tls-verify"
            case tlsServerName = "tls-server-name"
        }

        public init(
            server: String, certificateAuthority: String? = nil, certificateAuthorityData: String? = nil,
            insecureSkipTLSVerify: Bool? = nil, tlsServerName: String? = nil
        ) {
            self.server = server
            self.certificateAuthority = certificateAuthority
            self.certificateAuthorityData = certificateAuthorityData
            self.insecureSkipTLSVerify = insecureSkipTLSVerify
            self.tlsServerName = tlsServerName
        }
    }

    public struct User: Sendable, Hashable, Codable {
        public var clientCertificate: String?
        public var clientCertificateData: String?
        public var clientKey: String?
        public var clientKeyData: String?
        public var token: String?
        /// Read again now and then by the client, because tokens are rotated.
        public var tokenFile: String?

        enum CodingKeys: String, CodingKey {
            case clientCertificate = "client-certificate"
            case clientCertificateData = "client-certificate-data"
            case clientKey = "client-key"
            case clientKeyData = "client-key-data"
            case token, tokenFile
        }

        public init(
            clientCertificate: String? = nil, clientCertificateData: String? = nil, clientKey: String? = nil,
            clientKeyData: String? = nil, token: String? = nil, tokenFile: String? = nil
        ) {
            self.clientCertificate = clientCertificate
            self.clientCertificateData = clientCertificateData
            self.clientKey = clientKey
            self.clientKeyData = clientKeyData
            self.token = token
            self.tokenFile = tokenFile
        }
    }

    public struct Context: Sendable, Hashable, Codable {
        public var cluster: String
        public var user: String
        public var namespace: String?

        public init(cluster: String, user: String, namespace: String? = nil) {
            self.cluster = cluster
            self.user = user
            self.namespace = namespace
        }
    }

    /// A cluster with the identity to use there.
    public struct Connection: Sendable, Hashable {
        public var cluster: Cluster
        public var user: User
        public var namespace: String?
    }

    public var clusters: [String: Cluster]
    public var users: [String: User]
    public var contexts: [String: Context]
    public var currentContext: String

    public init(
        clusters: [String: Cluster] = [:], users: [String: User] = [:], contexts: [String: Context] = [:],
        currentContext: String = ""
    ) {
        self.clusters = clusters
        self.users = users
        self.contexts = contexts
        self.currentContext = currentContext
    }

    /// One cluster, one user, one context, all of one name.
    public init(name: String, cluster: Cluster, user: User, namespace: String? = nil) {
        self.init(
            clusters: [name: cluster], users: [name: user],
            contexts: [name: Context(cluster: name, user: name, namespace: namespace)], currentContext: name)
    }

    /// The named context, or the current one. Paths become absolute when `directory` (the kubeconfig's) is given.
    public func connection(context name: String? = nil, directory: String? = nil) throws(KubeconfigError) -> Connection {
        let name = name ?? currentContext
        guard !name.isEmpty else { throw KubeconfigError("current-context is not set and no context was asked for") }
        guard let context = contexts[name] else { throw unknown("context", name, contexts.keys) }
        guard var cluster = clusters[context.cluster] else {
            throw unknown("cluster (of context \"\(name)\")", context.cluster, clusters.keys)
        }
        guard var user = users[context.user] else {
            throw unknown("user (of context \"\(name)\")", context.user, users.keys)
        }
        guard cluster.server.hasPrefix("https://") || cluster.server.hasPrefix("http://") else {
            throw KubeconfigError(
                "cluster \"\(context.cluster)\": server: expected https://HOST:PORT, found \"\(cluster.server)\"")
        }
        func absolute(_ path: String?) -> String? {
            guard let path, !path.isEmpty else { return nil }
            guard let directory, !path.hasPrefix("/") else { return path }
            return "\(directory)/\(path)"
        }
        cluster.certificateAuthority = absolute(cluster.certificateAuthority)
        user.clientCertificate = absolute(user.clientCertificate)
        user.clientKey = absolute(user.clientKey)
        user.tokenFile = absolute(user.tokenFile)
        return Connection(cluster: cluster, user: user, namespace: context.namespace)
    }

    private func unknown(_ what: String, _ name: String, _ known: some Sequence<String>) -> KubeconfigError {
        let list = known.sorted().joined(separator: ", ")
        return KubeconfigError("unknown \(what) \"\(name)\"; it has: \(list.isEmpty ? "none" : list)")
    }
}
