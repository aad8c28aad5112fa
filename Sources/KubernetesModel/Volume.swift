// Volume: a directory that the pod's containers may mount, and where its content comes from (core/v1).

/// Exactly one source is set.
public struct Volume: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    public var emptyDir: EmptyDirVolumeSource?
    public var hostPath: HostPathVolumeSource?
    public var configMap: ConfigMapVolumeSource?
    public var secret: SecretVolumeSource?
    public var persistentVolumeClaim: PersistentVolumeClaimVolumeSource?
    public var downwardAPI: DownwardAPIVolumeSource?
    public var projected: ProjectedVolumeSource?

    public init(
        name: String = "", emptyDir: EmptyDirVolumeSource? = nil, hostPath: HostPathVolumeSource? = nil,
        configMap: ConfigMapVolumeSource? = nil, secret: SecretVolumeSource? = nil,
        persistentVolumeClaim: PersistentVolumeClaimVolumeSource? = nil, downwardAPI: DownwardAPIVolumeSource? = nil,
        projected: ProjectedVolumeSource? = nil
    ) {
        self.name = name
        self.emptyDir = emptyDir
        self.hostPath = hostPath
        self.configMap = configMap
        self.secret = secret
        self.persistentVolumeClaim = persistentVolumeClaim
        self.downwardAPI = downwardAPI
        self.projected = projected
    }
}

public struct EmptyDirVolumeSource: DefaultInitializable, Sendable {
    /// "" for the node's disk, "Memory" for tmpfs.
    public var medium: String?
    public var sizeLimit: Quantity?

    public init() {}

    public init(medium: String? = nil, sizeLimit: Quantity? = nil) {
        self.medium = medium
        self.sizeLimit = sizeLimit
    }
}

public struct HostPathVolumeSource: Sendable, Hashable, Codable {
    @WrittenEmpty public var path: String = ""
    public var type: String?

    public init(path: String = "", type: String? = nil) {
        self.path = path
        self.type = type
    }
}

/// A key of a ConfigMap or Secret as a file.
public struct KeyToPath: Sendable, Hashable, Codable {
    @WrittenEmpty public var key: String = ""
    @WrittenEmpty public var path: String = ""
    /// Permission bits, decimal in JSON.
    public var mode: Int?

    public init(key: String = "", path: String = "", mode: Int? = nil) {
        self.key = key
        self.path = path
        self.mode = mode
    }
}

public struct ConfigMapVolumeSource: Sendable, Hashable, Codable {
    @DefaultEmpty public var name: String = ""
    @DefaultEmpty public var items: [KeyToPath] = []
    public var defaultMode: Int?
    public var optional: Bool?

    public init(name: String = "", items: [KeyToPath] = [], defaultMode: Int? = nil, optional: Bool? = nil) {
        self.name = name
        self.items = items
        self.defaultMode = defaultMode
        self.optional = optional
    }
}

public struct SecretVolumeSource: Sendable, Hashable, Codable {
    public var secretName: String?
    @DefaultEmpty public var items: [KeyToPath] = []
    public var defaultMode: Int?
    public var optional: Bool?

    public init(secretName: String? = nil, items: [KeyToPath] = [], defaultMode: Int? = nil, optional: Bool? = nil) {
        self.secretName = secretName
        self.items = items
        self.defaultMode = defaultMode
        self.optional = optional
    }
}

public struct PersistentVolumeClaimVolumeSource: Sendable, Hashable, Codable {
    @WrittenEmpty public var claimName: String = ""
    public var readOnly: Bool?

    public init(claimName: String = "", readOnly: Bool? = nil) {
        self.claimName = claimName
        self.readOnly = readOnly
    }
}

public struct DownwardAPIVolumeSource: DefaultInitializable, Sendable {
    @DefaultEmpty public var items: [DownwardAPIVolumeFile] = []
    public var defaultMode: Int?

    public init() {}

    public init(items: [DownwardAPIVolumeFile] = [], defaultMode: Int? = nil) {
        self.items = items
        self.defaultMode = defaultMode
    }
}

public struct DownwardAPIVolumeFile: Sendable, Hashable, Codable {
    @WrittenEmpty public var path: String = ""
    public var fieldRef: ObjectFieldSelector?
    public var resourceFieldRef: ResourceFieldSelector?
    public var mode: Int?

    public init(
        path: String = "", fieldRef: ObjectFieldSelector? = nil, resourceFieldRef: ResourceFieldSelector? = nil,
        mode: Int? = nil
    ) {
        self.path = path
        self.fieldRef = fieldRef
        self.resourceFieldRef = resourceFieldRef
        self.mode = mode
    }
}

/// Several sources in one directory.
public struct ProjectedVolumeSource: DefaultInitializable, Sendable {
    @DefaultEmpty public var sources: [VolumeProjection] = []
    public var defaultMode: Int?

    public init() {}

    public init(sources: [VolumeProjection] = [], defaultMode: Int? = nil) {
        self.sources = sources
        self.defaultMode = defaultMode
    }
}

public struct VolumeProjection: DefaultInitializable, Sendable {
    public var configMap: SourceProjection?
    public var secret: SourceProjection?
    public var downwardAPI: DownwardAPIVolumeSource?
    public var serviceAccountToken: ServiceAccountTokenProjection?

    public init() {}

    public init(
        configMap: SourceProjection? = nil, secret: SourceProjection? = nil,
        downwardAPI: DownwardAPIVolumeSource? = nil, serviceAccountToken: ServiceAccountTokenProjection? = nil
    ) {
        self.configMap = configMap
        self.secret = secret
        self.downwardAPI = downwardAPI
        self.serviceAccountToken = serviceAccountToken
    }
}

/// A token of the pod's service account, which the node fetches and renews.
public struct ServiceAccountTokenProjection: Sendable, Hashable, Codable {
    /// nil: the API server's own.
    public var audience: String?
    /// 3600 when absent.
    public var expirationSeconds: Int64?
    @WrittenEmpty public var path: String = ""

    public init(audience: String? = nil, expirationSeconds: Int64? = nil, path: String = "") {
        self.audience = audience
        self.expirationSeconds = expirationSeconds
        self.path = path
    }
}

public struct SourceProjection: Sendable, Hashable, Codable {
    @DefaultEmpty public var name: String = ""
    @DefaultEmpty public var items: [KeyToPath] = []
    public var optional: Bool?

    public init(name: String = "", items: [KeyToPath] = [], optional: Bool? = nil) {
        self.name = name
        self.items = items
        self.optional = optional
    }
}
