// The Registry v2 API as a pull needs it: manifests by name, blobs by digest, from mirrors first and then from the registry itself.
import AsyncHTTPClient
import ImageStore
import Logging
import NIOCore
import RuntimeInterface

/// Call `shutdown()` when done. For any number of pulls at once.
public final class RegistryClient: Sendable {
    /// One place where an image's repository may be.
    struct Source: Sendable, Hashable {
        var url: RegistryURL
        var isMirror: Bool
    }

    public let settings: RegistrySettings
    let transport: RegistryTransport
    let authorizer: RegistryAuthorizer
    let log: Logger

    /// Reads certificates: blocks on the disk. Throws `ImagePullError` for settings that cannot be used.
    public init(_ settings: RegistrySettings, log: Logger = Logger(label: "registry")) throws(ImagePullError) {
        self.settings = settings
        self.log = log
        transport = try RegistryTransport(settings, log: log)
        authorizer = RegistryAuthorizer(transport: transport)
    }

    public func shutdown() async { await transport.shutdown() }

    /// Mirrors in their order, then the registry. Throws for an address that is none.
    func sources(_ reference: ImageReference) throws(ImagePullError) -> [Source] {
        let host = settings.host(reference.registry)
        let own =
            host.endpoint
            ?? (reference.registry == ImageReference.dockerHub ? "https://registry-1.docker.io" : "https://\(reference.registry)")
        var result: [Source] = []
        for (address, isMirror) in host.mirrors.map({ ($0, true) }) + [(own, false)] {
            guard let url = RegistryURL(address.contains("://") ? address : "https://\(address)") else {
                throw ImagePullError(
                    .internal, "registry \(reference.registry): expected https://host[:port], found \"\(address.prefix(200))\"")
            }
            result.append(Source(url: url, isMirror: isMirror))
        }
        return result
    }

    /// Who we may say we are there, one after the other; nobody comes last.
    func identities(_ reference: ImageReference, _ source: Source, _ given: [RegistryCredential]) -> [RegistryCredential?] {
        let name = source.isMirror ? source.url.authority : reference.registry
        // A secret for "whatever registry the image's name leads to" is not meant for a mirror.
        let own = (given + []).filter { !source.isMirror || !$0.server.isEmpty }
        let pod = RegistryCredential.matching(own, registry: name, repository: reference.repository)
        let node = RegistryCredential.matching(
            settings.credentials.filter { !$0.server.isEmpty || !source.isMirror }, registry: name,
            repository: reference.repository)
        return (pod + node).map(Optional.some) + [nil]
    }

    // MARK: - Calls

    /// A GET below the repository, as each identity in turn until one is let in. Throws `unauthorized` when none is.
    func get(
        _ reference: ImageReference, _ source: Source, path: String, headers: [(name: String, value: String)] = [],
        credentials: [RegistryCredential]
    ) async throws -> HTTPClientResponse {
        let prefix = source.url.target == "/" ? "" : source.url.target
        var call = RegistryTransport.Call(
            url: source.url.with(target: "\(prefix)/v2/\(reference.repository)/\(path)"), headers: headers)
        let place = RegistryAuthorizer.Place(origin: source.url.origin, repository: reference.repository)
        for identity in identities(reference, source, credentials) {
            call.authorization = await authorizer.known(place, identity)
            var response = try await transport.send(call)
            if response.status.code == 401 {
                await authorizer.forget(place, identity)
                let challenge = AuthenticationChallenge.best(of: response.headers["WWW-Authenticate"])
                try await transport.discard(response, call.url)
                guard let challenge,
                    let header = try await authorizer.answer(
                        challenge, at: source.url, repository: reference.repository, as: identity)
                else { continue }
                call.authorization = header
                response = try await transport.send(call)
            }
            switch response.status.code {
            case 401, 403:
                await authorizer.forget(place, identity)
                try await transport.discard(response, call.url)
            default: return response
            }
        }
        throw ImagePullError(
            .unauthorized,
            "\(source.url.origin): not permitted to pull \(reference.repository); no credential is accepted, or the repository does not exist"
        )
    }

    /// A manifest's text and what it is, digest checked when one was asked for. Throws `ImagePullError`.
    func manifest(
        _ reference: ImageReference, _ source: Source, name: String, credentials: [RegistryCredential]
    ) async throws -> (bytes: [UInt8], mediaType: String) {
        let accept = MediaType.manifests.map { (name: "Accept", value: $0) }
        let response = try await get(reference, source, path: "manifests/\(name)", headers: accept, credentials: credentials)
        let subject = "\(reference.name):\(name)"
        switch response.status.code {
        case 200: break
        case 404:
            try await transport.discard(response, source.url)
            throw ImagePullError(.notFound, "\(subject): \(source.url.origin) has no such image")
        default: throw Self.refusal(response, source, subject)
        }
        let bytes = try await transport.collect(response, source.url, maximumBytes: ImageManifest.maximumBytes)
        if let expected = ContentDigest(name) {
            var running = RunningDigest(expected.algorithm)
            running.update(bytes)
            let found = running.finish()
            guard found == expected else {
                throw ImageStoreError.digestMismatch(subject: subject, expected: expected, found: found)
            }
        }
        let type = response.headers.first(name: "Content-Type") ?? ""
        return (bytes, String(type.prefix { $0 != ";" }))
    }

    static func refusal(_ response: HTTPClientResponse, _ source: Source, _ subject: String) -> ImagePullError {
        ImagePullError(.registryUnavailable, "\(subject): \(source.url.origin) answered \(response.status)")
    }
}
