// Credentials that run out while a client works: read again where they are renewed, and the call done with the new ones.
import APIServer
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import PKI
import Synchronization
import Testing

@testable import APIServerHTTP

@Suite("Renewed credentials", .timeLimit(.minutes(3)))
struct CredentialRenewalTests {
    /// Knows one token at a time.
    private final class Tokens: TokenAuthenticator {
        private let valid = Mutex("first")
        func change(to token: String) { valid.withLock { $0 = token } }
        func authenticate(bearerToken: String) async throws -> UserInfo? {
            valid.withLock { $0 == bearerToken } ? UserInfo(name: "kubernetes-admin", groups: ["system:masters"]) : nil
        }
    }

    /// Where the newest credentials lie, and how often they were read.
    private final class Place: Sendable {
        private let state = Mutex((credentials: ClientCredentials.none, readings: 0))
        func put(_ credentials: ClientCredentials) { state.withLock { $0.credentials = credentials } }
        var readings: Int { state.withLock(\.readings) }
        func read() -> ClientCredentials {
            state.withLock { state in
                state.readings += 1
                return state.credentials
            }
        }
    }

    private func perform(_ body: @escaping @Sendable (FrontLaboratory, HTTPKubernetesAPI, Tokens, Place) async throws -> Void)
        async throws
    {
        try await FrontLaboratory.run { laboratory async throws in
            let (tokens, place) = (Tokens(), Place())
            laboratory.lateTokens.install(tokens)
            let api = try HTTPKubernetesAPI(
                endpoint: laboratory.endpoint, credentials: ClientCredentials(bearerToken: "first"),
                credentialSource: { place.read() })
            do { try await body(laboratory, api, tokens, place) } catch {
                await api.shutdown()
                throw error
            }
            await api.shutdown()
        }
    }

    @Test("a token that ran out is read again, and the call that met it is done once, with the new one")
    func token() async throws {
        try await perform { _, api, tokens, place in
            _ = try await api.create(
                configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("a"))
            #expect(place.readings == 0)
            place.put(ClientCredentials(bearerToken: "second"))
            tokens.change(to: "second")
            _ = try await api.create(
                configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("b"))
            _ = try await api.get(configMaps, namespace: "alice", name: "b", subresource: nil)
            #expect(place.readings == 1, "the second call knows it already")
            let watch = try await api.watch(configMaps, namespace: "alice", options: ListOptions())
            watch.cancel()
        }
    }

    @Test("with nothing newer the refusal stays one")
    func nothingNewer() async throws {
        try await perform { _, api, tokens, place in
            place.put(ClientCredentials(bearerToken: "first"))
            tokens.change(to: "second")
            let error = try await refusal { _ = try await api.get(configMaps, namespace: "alice", name: "b", subresource: nil) }
            #expect(error.code == 401 && place.readings == 1)
        }
    }

    @Test("a certificate is replaced by the one that lies in its place")
    func certificate() async throws {
        try await perform { laboratory, api, tokens, place in
            let renewed = try laboratory.admin
            place.put(renewed)
            tokens.change(to: "nobody's")
            _ = try await api.create(
                configMaps, namespace: "alice", name: nil, subresource: nil, body: FrontLaboratory.configMap("c"))
            #expect(place.readings == 1)
        }
    }

    @Test("a stream into a pod is opened with the new token too")
    func stream() async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let (tokens, place) = (Tokens(), Place())
            laboratory.lateTokens.install(tokens)
            try await laboratory.bindPod("web", to: "n1")
            let answer: FakeNode.Answer = { request, tunnel in
                try await tunnel.respond(to: request.id, status: 200, contentType: "application/octet-stream") { body in
                    try await body.write(
                        ChannelFrame(ChannelFrame.status, Array(#"{"metadata":{},"status":"Success"}"#.utf8)).encoded)
                }
            }
            try await FakeNode.serve("n1", laboratory, answer: answer) {
                let api = try HTTPKubernetesAPI(
                    endpoint: laboratory.endpoint, credentials: ClientCredentials(bearerToken: "first"),
                    credentialSource: { place.read() })
                place.put(ClientCredentials(bearerToken: "second"))
                tokens.change(to: "second")
                let channels = try await api.open(
                    PodCommand(verb: .exec, container: "main", command: ["true"]), namespace: "alice", pod: "web")
                #expect(place.readings == 1)
                var last: ChannelFrame?
                while let frame = try await bounded("the command's end", { try await channels.receive() }) { last = frame }
                #expect(last?.channel == ChannelFrame.status)
                await channels.close()
                await api.shutdown()
            }
        }
    }
}
