// A domain's one-time deploy tokens on the master: who shows one may ask for a certificate; once it was given, the token
// is used.
import APIServer
import Crypto
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Logging

struct DeployTokens: Sendable {
    static let userPrefix = "kuscia:deploy-token:"
    static let group = "kuscia:deploy-tokens"

    private let api: any KubernetesAPI
    private let logger: Logger
    private let queue = WorkQueue<String>()
    /// Found by what an unused token hashes to: a stranger's guesses cost a look-up, not a walk over all domains.
    private let domains: Informer<Domain>
    private static let byToken = "token"

    init(api: any KubernetesAPI, logger: Logger) {
        self.api = api
        self.logger = logger
        domains = Informer<Domain>(
            api: api, indexes: [Self.byToken: { Self.unused($0).map { Self.uid(ofToken: $0.token) } }], logger: logger)
    }

    private static func unused(_ domain: Domain) -> [DeployTokenStatus] {
        domain.status.deployTokenStatuses.filter { $0.state == "unused" }
    }

    /// The user that an unused token stands for. Its uid names the token in the requests made with it, without telling it.
    func user(ofTokenSHA256 digest: [UInt8]) async throws -> UserInfo? {
        let wanted = Self.uid(ofDigest: digest)
        let candidates = domains.hasSynced ? domains.objects(in: Self.byToken, wanted) : try await api.listAll(Domain.self).items
        guard let domain = candidates.first(where: { Self.unused($0).contains { Self.uid(ofToken: $0.token) == wanted } }) else {
            return nil
        }
        let name = domain.metadata.name
        return UserInfo(name: Self.userPrefix + name, uid: wanted, groups: [Self.group, "kuscia:domain:\(name)"])
    }

    /// Watches certificate requests and marks the token of each signed one as used. A crash in between is made good at the
    /// next start, because the requests stay.
    func run() async {
        let requests = Informer<CertificateSigningRequest>(api: api, logger: logger)
        requests.onEvent { event in
            let request = event.object
            guard request.status.certificate != nil, request.spec.username?.hasPrefix(Self.userPrefix) == true else { return }
            queue.add(request.metadata.name)
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await domains.run() }
            group.addTask { await requests.run() }
            group.addTask {
                await queue.run(workers: 1) { name, error in
                    logger.warning(
                        "deploy token not marked as used; trying again", metadata: ["request": "\(name)", "error": "\(error)"])
                } work: { name in
                    guard let request = requests.get(name: name) else { return }
                    try await retire(request)
                }
            }
        }
    }

    private func retire(_ request: CertificateSigningRequest) async throws {
        guard let domainName = request.spec.username?.dropFirst(Self.userPrefix.count),
            let domain = try await api.find(Domain.self, name: String(domainName))
        else { return }
        var tokens = domain.status.deployTokenStatuses
        guard
            let index = tokens.firstIndex(where: { $0.state == "unused" && Self.uid(ofToken: $0.token) == request.spec.uid })
        else { return }
        tokens[index].state = "used"
        // The version guards against a controller that changes the list at the same time.
        let merge: JSONValue = [
            "metadata": ["resourceVersion": .string(domain.metadata.resourceVersion ?? "")],
            "status": ["deployTokenStatuses": try JSON.encodeToValue(tokens)],
        ]
        try await api.patchStatus(Domain.self, name: domain.metadata.name, merge: merge)
        logger.notice(
            "deploy token used", metadata: ["domain": "\(domain.metadata.name)", "request": "\(request.metadata.name)"])
    }

    /// 128 bits of the digest: enough to be unique, nothing from which the token follows.
    private static func uid(ofDigest digest: [UInt8]) -> String {
        digest.prefix(16).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }

    private static func uid(ofToken token: String) -> String { uid(ofDigest: Array(SHA256.hash(data: Array(token.utf8)))) }
}
