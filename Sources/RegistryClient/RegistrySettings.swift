// Which registries there are and how to speak to them: what kuscia.yaml's `image` section and the command line say.
import RuntimeInterface

/// How one registry is reached. What is not listed is spoken to over HTTPS with the system's authorities.
public struct RegistryHost: Sendable, Hashable {
    /// "registry.example:5000", as in image names.
    public var registry: String
    /// Where it really is when that differs from its name: "https://host[:port]" or, for one without TLS, "http://host[:port]".
    public var endpoint: String?
    /// Asked first, in this order: "https://mirror.example".
    public var mirrors: [String]
    /// PEM file of authorities that are trusted beside the system's.
    public var authorityFile: String?

    public init(registry: String, endpoint: String? = nil, mirrors: [String] = [], authorityFile: String? = nil) {
        self.registry = registry
        self.endpoint = endpoint
        self.mirrors = mirrors
        self.authorityFile = authorityFile
    }
}

public struct RegistrySettings: Sendable {
    /// Put before image names without a registry; nil: docker.io.
    public var defaultRegistry: String?
    public var hosts: [RegistryHost]
    /// The node's own.
    public var credentials: [RegistryCredential]
    /// "http://[user:password@]host:port".
    public var proxy: String?
    /// Hosts and ".suffixes" that are reached without the proxy; loopback always is.
    public var noProxy: [String]
    public var userAgent: String
    public var limits: RegistryLimits

    public init(
        defaultRegistry: String? = nil, hosts: [RegistryHost] = [], credentials: [RegistryCredential] = [], proxy: String? = nil,
        noProxy: [String] = [], userAgent: String = "swiftlet", limits: RegistryLimits = RegistryLimits()
    ) {
        self.defaultRegistry = defaultRegistry
        self.hosts = hosts
        self.credentials = credentials
        self.proxy = proxy
        self.noProxy = noProxy
        self.userAgent = userAgent
        self.limits = limits
    }

    func host(_ registry: String) -> RegistryHost { hosts.first { $0.registry == registry } ?? RegistryHost(registry: registry) }
}

/// What no registry may exceed, however it behaves.
public struct RegistryLimits: Sendable, Hashable {
    /// Seconds until a connection stands.
    public var connectSeconds = 10
    /// Seconds until an answer begins, and that it may be silent while it comes.
    public var silenceSeconds = 30
    /// A layer that brings fewer bytes than this in `silenceSeconds` is given up, even though it is never silent.
    public var minimumProgressBytes = 16 << 10
    /// Tries of one layer in a row that bring nothing new.
    public var attempts = 5
    /// Milliseconds before the second try; doubled from then on, at most 8 s.
    public var retryMilliseconds = 500
    public var redirects = 5
    /// Seconds for a whole pull, as Kuscia's.
    public var pullSeconds = 3_600
    /// One layer, as it is sent.
    public var layerBytes: Int64 = 64 << 30
    /// All of an image's layers.
    public var imageBytes: Int64 = 256 << 30
    /// Layers that come at once.
    public var parallelLayers = 3
    /// Kept free on the store's file system.
    public var reservedDiskBytes: Int64 = 64 << 20
    /// A token server's answer.
    public var tokenBytes = 1 << 20

    public init() {}
}
