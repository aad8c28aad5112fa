// A whole server on a loopback port: authority, certificates, tokens, core over a memory store, HTTPS front, tunnels.
import APIServer
import Glibc
import JSON
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import Logging
import PKI
import ResourceStore
import ServiceLifecycle
import Synchronization
import Testing

@testable import APIServerHTTP

let pods = GroupVersionResource(resource: "pods")
let configMaps = GroupVersionResource(resource: "configmaps")

struct FrontLaboratory: Sendable {
    static let adminToken = "admin-token-of-the-test"
    static let deployToken = "deploy-token-of-alice"

    let authority: CertificateAuthority
    let handler: APIHandler
    let store: JournaledStore
    /// Takes authenticators that are made after the server.
    let lateTokens: LateTokens
    let service: APIServerService
    let tunnels: NodeTunnelHub
    let group: ServiceGroup
    let port: Int

    var server: String { "https://127.0.0.1:\(port)" }
    var endpoint: APIServerEndpoint { APIServerEndpoint(server: server, authorityPEM: authority.certificatePEM) }

    /// Runs `body` against a fresh server, which is shut down in order afterwards.
    static func run<Value: Sendable>(
        configure: @Sendable (inout APIServerConfiguration) -> Void = { _ in },
        _ body: @Sendable (FrontLaboratory) async throws -> Value
    ) async throws -> Value {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        let store = try JournaledStore.inMemory()
        let lateTokens = LateTokens()
        let handler = APIHandler(
            store: store, now: { Int64(time(nil)) },
            certificateSigner: AuthorityCertificateSigner(authority))
        let tunnels = NodeTunnelHub()
        let certificate = try authority.issueServer(
            commonName: "swiftlet-master", names: ServerNames(dnsNames: ["localhost"], ipAddresses: ["127.0.0.1"]))
        var log = Logger(label: "test")
        log.logLevel = .critical
        var configuration = APIServerConfiguration(
            host: "127.0.0.1", port: 0, serverCertificate: certificate, clientAuthorityPEM: authority.certificatePEM)
        configure(&configuration)
        let service = try APIServerService(
            configuration: configuration,
            handler: handler, tokens: TokenAuthenticatorChain([tokens, lateTokens]), tunnels: tunnels, log: log)
        let group = ServiceGroup(services: [service], logger: log)
        return try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let laboratory = FrontLaboratory(
                authority: authority, handler: handler, store: store, lateTokens: lateTokens, service: service, tunnels: tunnels,
                group: group,
                port: try await service.port())
            let result: Result<Value, any Error>
            do {
                let master = LocalKubernetesAPI(handler: handler)
                for name in ["alice", "bob"] {
                    _ = try await master.create(
                        GroupVersionResource(resource: "namespaces"), namespace: nil, name: nil, subresource: nil,
                        body: Array(#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"\#(name)"}}"#.utf8))
                }
                result = .success(try await body(laboratory))
            } catch {
                result = .failure(error)
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return try result.get()
        }
    }

    private static var tokens: TokenAuthenticatorChain {
        TokenAuthenticatorChain([
            StaticTokenAuthenticator([(adminToken, UserInfo(name: "kubernetes-admin", groups: ["system:masters"]))]),
            StaticTokenAuthenticator([
                (
                    deployToken,
                    UserInfo(
                        name: "kuscia:deploy-token:alice", groups: ["kuscia:deploy-tokens", "kuscia:domain:alice"])
                )
            ]),
        ])
    }

    // MARK: Callers

    /// A client with these credentials, shut down after `body`.
    func client<Value: Sendable>(
        _ credentials: ClientCredentials, _ body: @Sendable (HTTPKubernetesAPI) async throws -> Value
    ) async throws -> Value {
        let api = try HTTPKubernetesAPI(endpoint: endpoint, credentials: credentials)
        let result: Result<Value, any Error>
        do { result = .success(try await body(api)) } catch { result = .failure(error) }
        await api.shutdown()
        return try result.get()
    }

    func certificate(_ name: String, _ organizations: [String]) throws -> ClientCredentials {
        let pair = try authority.issueClient(commonName: name, organizations: organizations)
        return ClientCredentials(certificatePEM: pair.certificatePEM, privateKeyPEM: pair.privateKeyPEM)
    }

    var admin: ClientCredentials {
        get throws { try certificate("kubernetes-admin", ["system:masters"]) }
    }

    func node(_ name: String, domain: String = "alice") throws -> ClientCredentials {
        try certificate("system:node:\(name)", ["system:nodes", "kuscia:domain:\(domain)"])
    }

    // MARK: Objects

    static func configMap(_ name: String, _ value: String = "v") -> [UInt8] {
        Array(#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\#(name)"},"data":{"key":"\#(value)"}}"#.utf8)
    }

    /// A pod that is bound to `node`.
    func bindPod(_ name: String, to node: String, in namespace: String = "alice", account: String = "default") async throws {
        let master = LocalKubernetesAPI(handler: handler)
        let body = #"""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\#(name)"},
             "spec":{"nodeName":"\#(node)","serviceAccountName":"\#(account)","containers":[{"name":"main","image":"psi:0.9.5"}]}}
            """#
        _ = try await master.create(pods, namespace: namespace, name: nil, subresource: nil, body: Array(body.utf8))
    }
}

/// Waits until `condition` holds; fails the test after `limit`.
func eventually(
    _ what: String, within limit: Duration = .seconds(60), _ condition: @Sendable () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        await Task.yield()
        try await Task.sleep(for: .milliseconds(2))  // between two looks at a condition that has a deadline
    }
    Issue.record("did not happen within \(limit): \(what)")
}

/// The error that `body` throws, as a KubernetesAPIError.
func refusal(_ body: () async throws -> Void) async throws -> KubernetesAPIError {
    do {
        try await body()
    } catch let error as KubernetesAPIError {
        return error
    }
    throw Unexpected.success
}

enum Unexpected: Error { case success }

/// An authenticator that is known later than the server.
final class LateTokens: TokenAuthenticator {
    private let known = Mutex<(any TokenAuthenticator)?>(nil)

    func install(_ authenticator: any TokenAuthenticator) { known.withLock { $0 = authenticator } }

    func authenticate(bearerToken: String) async throws -> UserInfo? {
        try await known.withLock { $0 }?.authenticate(bearerToken: bearerToken)
    }
}
