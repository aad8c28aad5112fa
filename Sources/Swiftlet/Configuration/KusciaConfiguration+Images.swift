// The part of kuscia.yaml about images: Kuscia's `image`, and what it does not know in `swiftlet.image`.
import ImageStore
import RegistryClient
import RuntimeInterface

extension KusciaConfiguration {
    struct Images: Sendable, Hashable {
        /// Kuscia's list: a registry by a name of the operator's choice.
        struct Registry: Sendable, Hashable {
            var name: String
            /// "[https://]host[:port][/path]"; "http://" for one without TLS.
            var endpoint: String
            var username: String?
            var password: String?
            var mirrors: [String] = []
            var authorityFile: String?
        }

        struct SignatureRule: Sendable, Hashable {
            var prefix: String
            /// "accept", "reject" or "signed".
            var require: String
            var keys: [String]
        }

        /// The name of a registry of the list, or a registry.
        var defaultRegistry: String?
        var httpProxy: String?
        var registries: [Registry] = []
        var noProxy: [String] = []
        /// Docker's config.json with the node's credentials.
        var dockerConfig: String?
        var signatureRules: [SignatureRule] = []
        /// Images that no rule names are refused.
        var refusesUnlisted = false
        var parallelLayers: Int?
        /// Pods have what the node has; registries are for `swiftlet image pull` only.
        var isLocal = false
        var deviceNodes = DeviceNodePolicy.refuse
    }

    private enum Requirement: String, CaseIterable { case accept, reject, signed }
    /// Kuscia's two words, and Kubernetes' for the same. "Always" is a pod's to say.
    private enum PullPolicy: String, CaseIterable {
        case local, remote
        case never = "Never"
        case ifNotPresent = "IfNotPresent"
    }

    /// `kuscia`: the mapping `image`; `own`: `swiftlet.image`.
    static func images(_ kuscia: ConfigurationReader, own: ConfigurationReader) -> Images {
        var images = Images(defaultRegistry: kuscia.string("defaultRegistry"), httpProxy: kuscia.string("httpProxy"))
        images.isLocal = [.local, .never].contains(kuscia.choice("pullPolicy", PullPolicy.self))
        for registry in kuscia.mappings("registries") {
            guard let endpoint = registry.string("endpoint") else {
                // The file that comes with Kuscia has one entry without anything in it.
                if let name = registry.string("name") {
                    registry.fail("endpoint", "missing; expected host[:port] of the registry \(name)")
                }
                registry.accept("name", "username", "password", "mirrors", "caFile")
                registry.finish()
                continue
            }
            images.registries.append(
                Images.Registry(
                    name: registry.string("name") ?? "", endpoint: endpoint, username: registry.string("username"),
                    password: registry.string("password"), mirrors: registry.strings("mirrors"),
                    authorityFile: registry.string("caFile")))
            registry.finish()
        }
        images.noProxy = own.strings("noProxy")
        images.dockerConfig = own.string("dockerConfig")
        images.parallelLayers = own.int("parallelLayers", in: 1...32)
        images.deviceNodes = own.choice("deviceNodes", DeviceNodePolicy.self) ?? .refuse
        let signatures = own.mapping("signatures")
        images.refusesUnlisted = signatures.bool("refuseUnlisted") ?? false
        for rule in signatures.mappings("rules") {
            let keys = rule.strings("keys")
            let require = rule.choice("require", Requirement.self)
            if require == nil, rule.string("require") == nil { rule.fail("require", "expected accept, reject or signed") }
            if require == .signed, keys.isEmpty { rule.fail("keys", "missing; expected PEM files of public keys") }
            images.signatureRules.append(
                Images.SignatureRule(prefix: rule.string("prefix") ?? "", require: require?.rawValue ?? "reject", keys: keys))
            rule.finish()
        }
        for reader in [kuscia, own, signatures] { reader.finish() }
        return images
    }
}

extension KusciaConfiguration.Images {
    var extractionPolicy: ExtractionPolicy {
        var policy = ExtractionPolicy()
        policy.devices = deviceNodes
        return policy
    }

    /// Reads Docker's config.json. Relative paths are the configuration's. Throws `CommandFailure`.
    func registrySettings(directory: String) throws -> RegistrySettings {
        var settings = RegistrySettings(proxy: httpProxy, noProxy: noProxy, userAgent: "swiftlet/\(SwiftletVersion.text)")
        if let parallelLayers { settings.limits.parallelLayers = parallelLayers }
        for registry in registries {
            let (scheme, host, path) = Self.parts(registry.endpoint)
            settings.hosts.append(
                RegistryHost(
                    registry: host, endpoint: scheme.map { "\($0)://\(host)" }, mirrors: registry.mirrors,
                    authorityFile: registry.authorityFile.map { FileText.absolute($0, relativeTo: directory) }))
            if let username = registry.username {
                settings.credentials.append(
                    RegistryCredential(server: host, username: username, password: registry.password ?? ""))
            }
            if defaultRegistry == registry.name { settings.defaultRegistry = host + path }
        }
        settings.defaultRegistry = settings.defaultRegistry ?? defaultRegistry
        if let dockerConfig {
            do {
                settings.credentials += try DockerConfig.credentials(file: FileText.absolute(dockerConfig, relativeTo: directory))
            } catch {
                throw CommandFailure("swiftlet.image.dockerConfig: \(error)")
            }
        }
        return settings
    }

    /// Reads the keys. Throws `CommandFailure`.
    func signaturePolicy(directory: String) throws -> SignaturePolicy {
        var policy = SignaturePolicy(refusesUnlisted: refusesUnlisted)
        for rule in signatureRules {
            let requirement: SignaturePolicy.Requirement
            switch rule.require {
            case "accept": requirement = .accept
            case "signed":
                do {
                    requirement = .keys(
                        try rule.keys.map { try SignatureKey(file: FileText.absolute($0, relativeTo: directory)) })
                } catch {
                    throw CommandFailure("swiftlet.image.signatures: \(error)")
                }
            default: requirement = .reject
            }
            policy.rules.append(SignaturePolicy.Rule(prefix: rule.prefix, requirement: requirement))
        }
        return policy
    }

    /// "https://host:5000/team" -> ("https", "host:5000", "/team").
    static func parts(_ endpoint: String) -> (scheme: String?, host: String, path: String) {
        var rest = Substring(endpoint)
        var scheme: String?
        for known in ["https", "http"] where rest.hasPrefix("\(known)://") {
            scheme = known
            rest = rest.dropFirst(known.count + 3)
        }
        while rest.hasSuffix("/") { rest = rest.dropLast() }
        let host = rest.prefix { $0 != "/" }
        return (scheme, String(host), String(rest.dropFirst(host.count)))
    }
}
