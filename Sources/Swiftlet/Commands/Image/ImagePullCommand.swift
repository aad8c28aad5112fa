// `swiftlet image pull`: from registries, with a bar for each layer on a terminal.
import ArgumentParser
import Glibc
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface

struct ImagePullCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Bring images from their registries.",
        discussion: """
            Credentials: --creds, then Docker's config.json ($DOCKER_CONFIG, or ~/.docker), then the node's configuration. An interrupted \
            pull goes on where it stopped.
            """)

    @OptionGroup var node: ImageStoreOptions
    @Argument(help: "[registry/]repository[:tag][@digest]") var images: [String]
    @Option(help: "user:password for these images' registry; $SWIFTLET_REGISTRY_CREDS keeps it out of the process list.")
    var creds: String?
    @Option(help: "Docker's config.json.", completion: .file()) var authFile: String?
    @Option(help: "os/architecture[/variant].") var platform: String?
    @Flag(help: "Do not unpack the layers yet.") var noUnpack = false
    @Flag(name: [.short, .long], help: "Print nothing but errors.") var quiet = false
    @Option(name: [.short, .long], help: "table (for people) or json.") var output = ImageOutput.table

    func run() async throws {
        let opened = try node.open(makes: true)
        let platform = try chosenPlatform()
        let settings = opened.settings
        let (given, docker) = try (commandCredentials(), dockerCredentials())
        let client = try RegistryClient(settings)
        let progress = PullProgressDisplay(isQuiet: quiet || output == .json)
        let unpack: ImagePull.Unpack = { contents, layers, subject in
            try await BlockingCall.run { Result { try opened.store.unpack(contents, layers: layers, subject: subject) } }.get()
        }
        var results: [JSONValue] = []
        do {
            for name in images {
                let pull = ImagePull(
                    client: client, store: opened.store, platform: platform, signatures: opened.signatures,
                    credentials: Self.meant(given, for: name, settings.defaultRegistry) + docker,
                    report: { progress.take($0) }, unpack: noUnpack || !platform.runs(.current) ? nil : unpack)
                let stored = try await pull.run(name)
                progress.finish()
                results.append(stored.shown(size: try opened.store.contents(of: stored).size))
                if output != .json, !quiet { Terminal.output.line("\(stored.reference.familiar): \(stored.repositoryDigest)") }
            }
        } catch {
            progress.finish()
            await client.shutdown()
            throw CommandFailure("\(error)", hint: Self.hint(error))
        }
        await client.shutdown()
        if output == .json { Terminal.output.line(JSONValue.array(results).serializedString(pretty: true)) }
    }

    private func chosenPlatform() throws -> ImagePlatform {
        guard let platform else { return .current }
        guard let parsed = ImagePlatform(platform) else {
            throw ValidationError("--platform: expected os/architecture, found \(platform)")
        }
        return parsed
    }

    /// For the image by its whole name, so that nothing that Docker's file has for its registry is more specific.
    static func meant(_ given: [RegistryCredential], for image: String, _ defaultRegistry: String?) -> [RegistryCredential] {
        guard let reference = try? ImageReference(image, defaultRegistry: defaultRegistry) else { return given }  // the pull says why not
        return given.map { credential in
            var own = credential
            own.server = "\(reference.registry)/\(reference.repository)"
            return own
        }
    }

    private func commandCredentials() throws -> [RegistryCredential] {
        guard let text = creds ?? getenv("SWIFTLET_REGISTRY_CREDS").map({ String(cString: $0) }) else { return [] }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw ValidationError("--creds: expected user:password") }
        return [RegistryCredential(username: parts[0], password: parts[1])]
    }

    private func dockerCredentials() throws -> [RegistryCredential] {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        let file =
            authFile ?? variable("DOCKER_CONFIG").map { "\($0)/config.json" }
            ?? variable("HOME").map { "\($0)/.docker/config.json" }
        guard let file else { return [] }
        if let authFile, !FileText.exists(authFile) { throw CommandFailure("--auth-file \(authFile): there is no such file") }
        do {
            return try DockerConfig.credentials(file: file)
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    private static func hint(_ error: any Error) -> String? {
        guard let error = error as? ImagePullError else { return nil }
        switch error.kind {
        case .unauthorized:
            return "--creds user:password, or `auths` in Docker's config.json; the repository's name may be wrong as well"
        case .registryUnavailable:
            return
                "a registry with its own authority or without TLS is named under image.registries in kuscia.yaml (caFile, endpoint: http://...)"
        case .notFound: return "`skopeo list-tags docker://REPOSITORY` lists what a repository has"
        case .invalidContent: return "nothing of it was kept; the registry or something before it is not to be trusted"
        case .signatureInvalid: return "swiftlet.image.signatures in kuscia.yaml says which images must be signed by whom"
        case .noSpace: return "`swiftlet image prune` removes what nothing uses"
        case .invalidName, .unsupported, .internal: return nil
        }
    }
}
