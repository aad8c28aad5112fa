// Who may come to a master, and with what: the administrators' token file, service accounts' tokens, deploy tokens; the roles
// that a cluster begins with; its certificate while it runs.
import APIServer
import APIServerHTTP
import Glibc
import PKI
import ResourceStore

struct MasterSecurity: Sendable {
    /// Everybody who shows a bearer token.
    let authenticator: TokenAuthenticatorChain
    private let handler: APIHandler

    /// Administrators' tokens, in Kubernetes' format (token,user,uid,"groups"), mode 0600; read at the start.
    static func tokenFile(_ state: MasterState) -> String { "\(state.path)/tokens.csv" }

    /// Makes the token key at the first start. Throws when a file of secrets is open to others.
    init(_ state: MasterState, store: any ResourceStore, handler: APIHandler, deployTokens: DeployTokens) throws {
        self.handler = handler
        let keys = try CertificateFiles(directory: state.pki).loadOrCreateTokenKeys()
        let serviceAccounts = ServiceAccountTokens(store: store, keys: TokenKeySigner(keys), now: { Int64(time(nil)) })
        var members: [any TokenAuthenticator] = []
        if access(Self.tokenFile(state), F_OK) == 0 { members.append(try StaticTokenAuthenticator(file: Self.tokenFile(state))) }
        members += [serviceAccounts, LookupTokenAuthenticator { try await deployTokens.user(ofTokenSHA256: $0) }]
        authenticator = TokenAuthenticatorChain(members)
        handler.security.install(tokens: serviceAccounts)
        handler.security.install(authenticator: authenticator)
    }

    /// Before the first request is answered.
    func installPolicy() async throws { try await handler.installBootstrapPolicy() }
}
