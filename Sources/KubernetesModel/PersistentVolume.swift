// PersistentVolume and PersistentVolumeClaim (core/v1), as far as binding one to the other and a pod to its node's storage needs them.

public struct PersistentVolumeClaim: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "persistentvolumeclaims")
    public static let kind = "PersistentVolumeClaim"
    public static let namespaced = true

    private var apiVersion = APIVersionField<PersistentVolumeClaim>()
    private var kind = KindField<PersistentVolumeClaim>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: PersistentVolumeClaimSpec = .init()
    @DefaultEmpty public var status: PersistentVolumeClaimStatus = .init()

    public init(
        metadata: ObjectMeta = .init(), spec: PersistentVolumeClaimSpec = .init(), status: PersistentVolumeClaimStatus = .init()
    ) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct PersistentVolumeClaimSpec: DefaultInitializable, Sendable {
    @DefaultEmpty public var accessModes: [String] = []
    @DefaultEmpty public var resources: ResourceRequirements = .init()
    /// The volume that it is bound to, or is to be.
    public var volumeName: String?
    public var storageClassName: String?
    /// Filesystem (the default) or Block.
    public var volumeMode: String?

    public init() {}

    public init(
        accessModes: [String] = [], resources: ResourceRequirements = .init(), volumeName: String? = nil,
        storageClassName: String? = nil, volumeMode: String? = nil
    ) {
        self.accessModes = accessModes
        self.resources = resources
        self.volumeName = volumeName
        self.storageClassName = storageClassName
        self.volumeMode = volumeMode
    }
}

public struct PersistentVolumeClaimStatus: DefaultInitializable, Sendable {
    /// Pending, Bound, Lost.
    public var phase: String?
    @DefaultEmpty public var accessModes: [String] = []
    @DefaultEmpty public var capacity: [String: Quantity] = [:]

    public init() {}

    public init(phase: String? = nil, accessModes: [String] = [], capacity: [String: Quantity] = [:]) {
        self.phase = phase
        self.accessModes = accessModes
        self.capacity = capacity
    }
}

public struct PersistentVolume: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(resource: "persistentvolumes")
    public static let kind = "PersistentVolume"
    public static let namespaced = false

    private var apiVersion = APIVersionField<PersistentVolume>()
    private var kind = KindField<PersistentVolume>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @DefaultEmpty public var spec: PersistentVolumeSpec = .init()
    @DefaultEmpty public var status: PersistentVolumeStatus = .init()

    public init(
        metadata: ObjectMeta = .init(), spec: PersistentVolumeSpec = .init(), status: PersistentVolumeStatus = .init()
    ) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }
}

public struct PersistentVolumeSpec: DefaultInitializable, Sendable {
    @DefaultEmpty public var capacity: [String: Quantity] = [:]
    @DefaultEmpty public var accessModes: [String] = []
    public var csi: CSIPersistentVolumeSource?
    public var local: LocalVolumeSource?
    public var hostPath: HostPathVolumeSource?
    /// The claim that it is bound to.
    public var claimRef: ObjectReference?
    /// Retain, Delete or Recycle.
    public var persistentVolumeReclaimPolicy: String?
    public var storageClassName: String?
    public var volumeMode: String?
    /// The nodes that reach it; nil: all do.
    public var nodeAffinity: VolumeNodeAffinity?

    public init() {}
}

public struct CSIPersistentVolumeSource: Sendable, Hashable, Codable {
    @WrittenEmpty public var driver: String = ""
    @WrittenEmpty public var volumeHandle: String = ""

    public init(driver: String = "", volumeHandle: String = "") {
        self.driver = driver
        self.volumeHandle = volumeHandle
    }
}

public struct LocalVolumeSource: Sendable, Hashable, Codable {
    /// Of the nodes that `nodeAffinity` names.
    @WrittenEmpty public var path: String = ""

    public init(path: String = "") { self.path = path }
}

public struct VolumeNodeAffinity: DefaultInitializable, Sendable {
    public var required: NodeSelector?

    public init() {}

    public init(required: NodeSelector? = nil) { self.required = required }
}

public struct PersistentVolumeStatus: DefaultInitializable, Sendable {
    /// Pending, Available, Bound, Released, Failed.
    public var phase: String?

    public init() {}

    public init(phase: String? = nil) { self.phase = phase }
}
