// Where a master keeps what must outlive it.
import KubernetesClient
import PKI

struct MasterState: Sendable {
    let path: String

    init(_ path: String) { self.path = path }

    /// Of a master with this configuration, which was read from the file at `configurationPath`.
    init(_ configuration: KusciaConfiguration, configurationPath: String) {
        let base = FileText.directory(of: FileText.absolute(configurationPath))
        self.init(FileText.absolute(configuration.extensions.stateDirectory ?? "master", relativeTo: base))
    }

    /// Of the master whose configuration lies at this path.
    static func load(configurationPath: String) throws -> MasterState {
        let (configuration, _) = try KusciaConfiguration.load(path: configurationPath, mode: .master)
        guard configuration.mode == .master else {
            throw CommandFailure(
                "\(configurationPath): mode: expected master, found \(configuration.mode.rawValue)",
                hint: "give the master's configuration with --config")
        }
        return MasterState(configuration, configurationPath: configurationPath)
    }

    var pki: String { "\(path)/pki" }
    var store: String { "\(path)/store.sqlite" }
    /// What secrets are encrypted with in the store.
    var encryptionKeys: String { "\(path)/encryption.keys" }
    /// The administrator's, with a client certificate of group system:masters.
    var kubeconfig: String { "\(path)/admin.kubeconfig" }
    var authority: String { "\(pki)/ca.crt" }

    func make() throws {
        try FileText.makeDirectory(path, mode: 0o700)
        try FileText.makeDirectory(pki, mode: 0o700)
    }
}

/// What a master shows and hands out, made at the first start and renewed when due.
struct MasterIdentity: Sendable {
    let authority: CertificateAuthority
    let server: CertificateAndKey

    /// `names` are the addresses and host names under which clients reach the master.
    init(_ state: MasterState, names: [String]) throws {
        do { try self.init(files: CertificateFiles(directory: state.pki), names: names) } catch let error as PKIError {
            throw CommandFailure(
                "\(error)",
                hint:
                    "bring back what was in \(state.pki): to a master with another ca.key all nodes and kubeconfigs are strangers. "
                    + "server.* and admin.* may be removed: they are made anew")
        }
    }

    private init(files: CertificateFiles, names: [String]) throws {
        authority = try files.loadOrCreateAuthority()
        var all = ServerNames(dnsNames: ["localhost", "kubernetes"], ipAddresses: ["127.0.0.1"])
        for name in names where !all.dnsNames.contains(name) && !all.ipAddresses.contains(name) {
            if IPAddressText.isAddress(name) { all.ipAddresses.append(name) } else { all.dnsNames.append(name) }
        }
        server = try files.loadOrIssueServer("server", authority: authority, commonName: "swiftlet-master", names: all)
        admin = try files.loadOrIssueClient(
            "admin", authority: authority, commonName: "kubernetes-admin", organizations: ["system:masters"])
    }

    private let admin: CertificateAndKey

    func writeKubeconfig(_ state: MasterState, server url: String) throws {
        let kubeconfig = Kubeconfig(
            name: "swiftlet", cluster: .init(server: url, certificateAuthorityData: base64(authority.certificatePEM)),
            user: .init(
                clientCertificateData: base64(admin.certificatePEM), clientKeyData: base64(admin.privateKeyPEM)))
        try FileText.write(kubeconfig.yaml(), to: state.kubeconfig, mode: 0o600)
    }

    private func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }
}
