// Shows registries who we are: basic, or a token of their token server, remembered while it lasts.
import FoundationEssentials
import JSON
import RuntimeInterface

/// Authorization headers of the registries of one client.
actor RegistryAuthorizer {
    struct Place: Sendable, Hashable {
        /// "https://host:port"
        var origin: String
        var repository: String
    }

    private struct Held {
        var header: String
        var until: ContinuousClock.Instant
    }

    /// A pull touches one repository on a few hosts.
    private static let maximumHeld = 256
    private let transport: RegistryTransport
    private var held: [Place: [RegistryCredential?: Held]] = [:]

    init(transport: RegistryTransport) { self.transport = transport }

    /// What was granted there to this identity (nil: nobody's); nil: nothing yet, or no longer.
    func known(_ place: Place, _ credential: RegistryCredential?) -> String? {
        guard let entry = held[place]?[credential], entry.until > .now else { return nil }
        return entry.header
    }

    func forget(_ place: Place, _ credential: RegistryCredential?) { held[place]?[credential] = nil }

    /// The header that answers a challenge. nil: this identity has no answer to it. Throws `ImagePullError`.
    func answer(
        _ challenge: AuthenticationChallenge, at registry: RegistryURL, repository: String, as credential: RegistryCredential?
    ) async throws -> String? {
        let header: String?
        var seconds = 300
        switch challenge {
        case .basic: header = credential.flatMap(Self.basic)
        case .bearer(let realm, let service):
            if let credential, !credential.registryToken.isEmpty {
                header = "Bearer \(credential.registryToken)"
            } else {
                let token = try await token(realm, service, registry, repository, credential)
                header = token.map { "Bearer \($0.text)" }
                seconds = token?.seconds ?? seconds
            }
        }
        if let header {
            if held.count >= Self.maximumHeld { held = [:] }
            held[Place(origin: registry.origin, repository: repository), default: [:]][credential] =
                Held(header: header, until: .now + .seconds(seconds))
        }
        return header
    }

    private static func basic(_ credential: RegistryCredential) -> String? {
        guard !credential.username.isEmpty else { return nil }
        return "Basic " + Data("\(credential.username):\(credential.password)".utf8).base64EncodedString()
    }

    private struct TokenAnswer: Decodable {
        var token: String?
        var access_token: String?
        var expires_in: Int?
    }

    /// nil: the token server knows no such user.
    private func token(
        _ realm: String, _ service: String?, _ registry: RegistryURL, _ repository: String, _ credential: RegistryCredential?
    ) async throws -> (text: String, seconds: Int)? {
        guard let server = RegistryURL(realm) else {
            throw ImagePullError(
                .registryUnavailable, "\(registry.origin): its token server's address cannot be used: \"\(realm.prefix(200))\"")
        }
        // A password must not leave the protection that the registry's own name promised.
        guard server.isSecure || !registry.isSecure else {
            throw ImagePullError(
                .registryUnavailable, "\(registry.origin): sends to the token server \(server.origin) without TLS; refused")
        }
        let call = Self.tokenCall(server, service, repository, credential)
        let response = try await transport.send(call)
        if [400, 401, 403].contains(response.status.code) {
            try await transport.discard(response, server)
            return nil
        }
        guard response.status.code == 200 else {
            throw ImagePullError(.registryUnavailable, "\(server.shown): token server answered \(response.status)")
        }
        let bytes = try await transport.collect(response, server, maximumBytes: transport.limits.tokenBytes)
        guard let answer = try? JSON.decode(TokenAnswer.self, from: bytes), let text = answer.token ?? answer.access_token,
            Self.isToken(text)
        else {
            throw ImagePullError(.registryUnavailable, "\(server.shown): expected {\"token\": ...} from the token server")
        }
        // A token that is about to end may end on the way.
        return (text, min(max(answer.expires_in ?? 60, 11), 3_610) - 10)
    }

    /// We say which scope it is: pulling this repository and nothing more, whatever the registry's challenge asks for.
    private static func tokenCall(
        _ server: RegistryURL, _ service: String?, _ repository: String, _ credential: RegistryCredential?
    ) -> RegistryTransport.Call {
        var fields = [("scope", "repository:\(repository):pull")]
        if let service { fields.append(("service", service)) }
        if let credential, !credential.identityToken.isEmpty {
            fields += [("grant_type", "refresh_token"), ("client_id", "swiftlet"), ("refresh_token", credential.identityToken)]
            return RegistryTransport.Call(url: server, method: .POST, form: encoded(fields))
        }
        let separator = server.target.contains("?") ? "&" : "?"
        var call = RegistryTransport.Call(url: server.with(target: server.target + separator + encoded(fields)))
        call.authorization = credential.flatMap(basic)
        return call
    }

    private static func encoded(_ fields: [(String, String)]) -> String {
        fields.map { "\($0.0)=\(RegistryURL.escaped($0.1))" }.joined(separator: "&")
    }

    /// Fit for a header: nothing that could end it.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 << 10 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }
}
