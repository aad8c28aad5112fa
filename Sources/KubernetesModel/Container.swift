// Container: one process tree of a pod, with its image, environment, mounts and limits (core/v1).

public struct Container: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    public var image: String?
    /// The entry point; the image's when empty.
    @DefaultEmpty public var command: [String] = []
    @DefaultEmpty public var args: [String] = []
    public var workingDir: String?
    @DefaultEmpty public var ports: [ContainerPort] = []
    @DefaultEmpty public var envFrom: [EnvFromSource] = []
    @DefaultEmpty public var env: [EnvVar] = []
    @DefaultEmpty public var resources: ResourceRequirements = .init()
    @DefaultEmpty public var volumeMounts: [VolumeMount] = []
    public var livenessProbe: Probe?
    public var readinessProbe: Probe?
    public var startupProbe: Probe?
    public var terminationMessagePath: String?
    public var terminationMessagePolicy: String?
    public var imagePullPolicy: String?
    public var securityContext: SecurityContext?
    public var stdin: Bool?
    public var stdinOnce: Bool?
    public var tty: Bool?
    /// "Always" makes an init container a sidecar: it starts in order and runs beside the containers.
    public var restartPolicy: String?
    public var lifecycle: Lifecycle?
    /// Of an ephemeral container: the one that it looks into.
    public var targetContainerName: String?

    public init(
        name: String = "", image: String? = nil, command: [String] = [], args: [String] = [],
        workingDir: String? = nil, ports: [ContainerPort] = [], envFrom: [EnvFromSource] = [], env: [EnvVar] = [],
        resources: ResourceRequirements = .init(), volumeMounts: [VolumeMount] = [], livenessProbe: Probe? = nil,
        readinessProbe: Probe? = nil, startupProbe: Probe? = nil, terminationMessagePath: String? = nil,
        terminationMessagePolicy: String? = nil, imagePullPolicy: String? = nil,
        securityContext: SecurityContext? = nil, stdin: Bool? = nil, stdinOnce: Bool? = nil, tty: Bool? = nil,
        restartPolicy: String? = nil, lifecycle: Lifecycle? = nil, targetContainerName: String? = nil
    ) {
        self.name = name
        self.image = image
        self.command = command
        self.args = args
        self.workingDir = workingDir
        self.ports = ports
        self.envFrom = envFrom
        self.env = env
        self.resources = resources
        self.volumeMounts = volumeMounts
        self.livenessProbe = livenessProbe
        self.readinessProbe = readinessProbe
        self.startupProbe = startupProbe
        self.terminationMessagePath = terminationMessagePath
        self.terminationMessagePolicy = terminationMessagePolicy
        self.imagePullPolicy = imagePullPolicy
        self.securityContext = securityContext
        self.stdin = stdin
        self.stdinOnce = stdinOnce
        self.tty = tty
        self.restartPolicy = restartPolicy
        self.lifecycle = lifecycle
        self.targetContainerName = targetContainerName
    }
}

public struct ContainerPort: Sendable, Hashable, Codable {
    public var name: String?
    public var hostPort: Int?
    @WrittenEmpty public var containerPort: Int = 0
    /// TCP when absent.
    public var `protocol`: String?
    public var hostIP: String?

    public init(
        name: String? = nil, hostPort: Int? = nil, containerPort: Int = 0, `protocol`: String? = nil,
        hostIP: String? = nil
    ) {
        self.name = name
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.protocol = `protocol`
        self.hostIP = hostIP
    }
}

public struct EnvVar: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    public var value: String?
    public var valueFrom: EnvVarSource?

    public init(name: String = "", value: String? = nil, valueFrom: EnvVarSource? = nil) {
        self.name = name
        self.value = value
        self.valueFrom = valueFrom
    }
}

/// Exactly one is set.
public struct EnvVarSource: DefaultInitializable, Sendable {
    public var fieldRef: ObjectFieldSelector?
    public var resourceFieldRef: ResourceFieldSelector?
    public var configMapKeyRef: KeySelector?
    public var secretKeyRef: KeySelector?

    public init() {}

    public init(
        fieldRef: ObjectFieldSelector? = nil, resourceFieldRef: ResourceFieldSelector? = nil,
        configMapKeyRef: KeySelector? = nil, secretKeyRef: KeySelector? = nil
    ) {
        self.fieldRef = fieldRef
        self.resourceFieldRef = resourceFieldRef
        self.configMapKeyRef = configMapKeyRef
        self.secretKeyRef = secretKeyRef
    }
}

public struct ObjectFieldSelector: Sendable, Hashable, Codable {
    public var apiVersion: String?
    /// e.g. "status.podIP", "metadata.labels['app']".
    @WrittenEmpty public var fieldPath: String = ""

    public init(apiVersion: String? = nil, fieldPath: String = "") {
        self.apiVersion = apiVersion
        self.fieldPath = fieldPath
    }
}

public struct ResourceFieldSelector: Sendable, Hashable, Codable {
    public var containerName: String?
    /// e.g. "limits.memory".
    @WrittenEmpty public var resource: String = ""
    public var divisor: Quantity?

    public init(containerName: String? = nil, resource: String = "", divisor: Quantity? = nil) {
        self.containerName = containerName
        self.resource = resource
        self.divisor = divisor
    }
}

/// A key of a ConfigMap or Secret.
public struct KeySelector: Sendable, Hashable, Codable {
    @DefaultEmpty public var name: String = ""
    @WrittenEmpty public var key: String = ""
    public var optional: Bool?

    public init(name: String = "", key: String = "", optional: Bool? = nil) {
        self.name = name
        self.key = key
        self.optional = optional
    }
}

/// All keys of a ConfigMap or Secret as variables.
public struct EnvFromSource: DefaultInitializable, Sendable {
    public var prefix: String?
    public var configMapRef: EnvSourceReference?
    public var secretRef: EnvSourceReference?

    public init() {}

    public init(prefix: String? = nil, configMapRef: EnvSourceReference? = nil, secretRef: EnvSourceReference? = nil) {
        self.prefix = prefix
        self.configMapRef = configMapRef
        self.secretRef = secretRef
    }
}

public struct EnvSourceReference: Sendable, Hashable, Codable {
    @DefaultEmpty public var name: String = ""
    public var optional: Bool?

    public init(name: String = "", optional: Bool? = nil) {
        self.name = name
        self.optional = optional
    }
}

public struct VolumeMount: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    public var readOnly: Bool?
    @WrittenEmpty public var mountPath: String = ""
    /// One file or directory of the volume rather than its root.
    public var subPath: String?
    /// As `subPath`, with $(NAME) of the container's environment.
    public var subPathExpr: String?

    public init(
        name: String = "", readOnly: Bool? = nil, mountPath: String = "", subPath: String? = nil, subPathExpr: String? = nil
    ) {
        self.name = name
        self.readOnly = readOnly
        self.mountPath = mountPath
        self.subPath = subPath
        self.subPathExpr = subPathExpr
    }
}

/// Resource name ("cpu", "memory", "kuscia.io/bandwidth") -> amount.
public struct ResourceRequirements: DefaultInitializable, Sendable {
    @DefaultEmpty public var limits: [String: Quantity] = [:]
    @DefaultEmpty public var requests: [String: Quantity] = [:]

    public init() {}

    public init(limits: [String: Quantity] = [:], requests: [String: Quantity] = [:]) {
        self.limits = limits
        self.requests = requests
    }
}

public struct SecurityContext: DefaultInitializable, Sendable {
    public var privileged: Bool?
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    public var runAsNonRoot: Bool?
    public var readOnlyRootFilesystem: Bool?
    public var allowPrivilegeEscalation: Bool?
    public var capabilities: Capabilities?
    public var seccompProfile: SeccompProfile?
    /// "Default" or "Unmasked".
    public var procMount: String?

    public init() {}

    public init(
        privileged: Bool? = nil, runAsUser: Int64? = nil, runAsGroup: Int64? = nil, runAsNonRoot: Bool? = nil,
        readOnlyRootFilesystem: Bool? = nil, allowPrivilegeEscalation: Bool? = nil, capabilities: Capabilities? = nil,
        seccompProfile: SeccompProfile? = nil, procMount: String? = nil
    ) {
        self.privileged = privileged
        self.runAsUser = runAsUser
        self.runAsGroup = runAsGroup
        self.runAsNonRoot = runAsNonRoot
        self.readOnlyRootFilesystem = readOnlyRootFilesystem
        self.allowPrivilegeEscalation = allowPrivilegeEscalation
        self.capabilities = capabilities
        self.seccompProfile = seccompProfile
        self.procMount = procMount
    }
}

public struct Capabilities: DefaultInitializable, Sendable {
    @DefaultEmpty public var add: [String] = []
    @DefaultEmpty public var drop: [String] = []

    public init() {}

    public init(add: [String] = [], drop: [String] = []) {
        self.add = add
        self.drop = drop
    }
}
