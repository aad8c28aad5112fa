// AppImage: an engine, how to configure it and which pods each role runs (kuscia.secretflow/v1alpha1).

import KubernetesModel

public struct AppImage: KubernetesObject, Hashable {
    public static let resource = GroupVersionResource(group: Kuscia.group, version: Kuscia.version, resource: "appimages")
    public static let kind = "AppImage"
    public static let namespaced = false

    private var apiVersion = APIVersionField<AppImage>()
    private var kind = KindField<AppImage>()
    @WrittenEmpty public var metadata: ObjectMeta = .init()
    @WrittenEmpty public var spec: AppImageSpec = .init()

    public init(metadata: ObjectMeta = .init(), spec: AppImageSpec = .init()) {
        self.metadata = metadata
        self.spec = spec
    }
}

public struct AppImageSpec: DefaultInitializable, Sendable {
    @WrittenEmpty public var image: AppImageInfo = .init()
    /// File name -> template.
    @DefaultEmpty public var configTemplates: [String: String] = [:]
    @WrittenEmpty public var deployTemplates: [DeployTemplate] = []

    public init() {}

    public init(
        image: AppImageInfo = .init(), configTemplates: [String: String] = [:], deployTemplates: [DeployTemplate] = []
    ) {
        self.image = image
        self.configTemplates = configTemplates
        self.deployTemplates = deployTemplates
    }
}

public struct AppImageInfo: DefaultInitializable, Sendable {
    @WrittenEmpty public var name: String = ""
    @WrittenEmpty public var tag: String = ""
    public var id: String?
    public var sign: String?

    public init() {}

    public init(name: String = "", tag: String = "", id: String? = nil, sign: String? = nil) {
        self.name = name
        self.tag = tag
        self.id = id
        self.sign = sign
    }

    /// "name:tag", as a container's `image`.
    public var reference: String { tag.isEmpty ? name : "\(name):\(tag)" }
}

public struct DeployTemplate: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    /// Roles that use it, separated by commas; empty for every role.
    public var role: String?
    /// 1 when absent.
    public var replicas: Int?
    public var networkPolicy: AppImageNetworkPolicy?
    @WrittenEmpty public var spec: AppImagePodSpec = .init()

    public init(
        name: String = "", role: String? = nil, replicas: Int? = nil, networkPolicy: AppImageNetworkPolicy? = nil,
        spec: AppImagePodSpec = .init()
    ) {
        self.name = name
        self.role = role
        self.replicas = replicas
        self.networkPolicy = networkPolicy
        self.spec = spec
    }
}

extension DeployTemplate {
    /// Which of the templates with these roles a party of that role gets, in Kuscia's order: the one that names the role (a
    /// template may name several, separated by commas), else one without a role, else, for a party without a role, the first.
    public static func index(forRole role: String, among roles: [String]) -> Int? {
        roles.firstIndex { $0.split(separator: ",").contains { $0 == role } }
            ?? roles.firstIndex { $0.isEmpty }
            ?? (role.isEmpty && !roles.isEmpty ? 0 : nil)
    }
}

public struct AppImagePodSpec: DefaultInitializable, Sendable {
    public var restartPolicy: RestartPolicy?
    /// Which of the node's runtimes runs the pod; nil leaves it to the node. Kuscia does not know it.
    public var runtimeClassName: String?
    @WrittenEmpty public var containers: [AppImageContainer] = []

    public init() {}

    public init(restartPolicy: RestartPolicy? = nil, runtimeClassName: String? = nil, containers: [AppImageContainer] = []) {
        self.restartPolicy = restartPolicy
        self.runtimeClassName = runtimeClassName
        self.containers = containers
    }
}

public struct AppImageContainer: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    @DefaultEmpty public var command: [String] = []
    @DefaultEmpty public var args: [String] = []
    public var workingDir: String?
    @DefaultEmpty public var configVolumeMounts: [ConfigVolumeMount] = []
    @DefaultEmpty public var ports: [AppImagePort] = []
    @DefaultEmpty public var envFrom: [EnvFromSource] = []
    @DefaultEmpty public var env: [EnvVar] = []
    @DefaultEmpty public var resources: ResourceRequirements = .init()
    public var livenessProbe: Probe?
    public var readinessProbe: Probe?
    public var startupProbe: Probe?
    public var imagePullPolicy: String?
    public var securityContext: SecurityContext?
    public var metricProbe: MetricProbe?

    public init(
        name: String = "", command: [String] = [], args: [String] = [], workingDir: String? = nil,
        configVolumeMounts: [ConfigVolumeMount] = [], ports: [AppImagePort] = [], envFrom: [EnvFromSource] = [],
        env: [EnvVar] = [], resources: ResourceRequirements = .init(), livenessProbe: Probe? = nil,
        readinessProbe: Probe? = nil, startupProbe: Probe? = nil, imagePullPolicy: String? = nil,
        securityContext: SecurityContext? = nil, metricProbe: MetricProbe? = nil
    ) {
        self.name = name
        self.command = command
        self.args = args
        self.workingDir = workingDir
        self.configVolumeMounts = configVolumeMounts
        self.ports = ports
        self.envFrom = envFrom
        self.env = env
        self.resources = resources
        self.livenessProbe = livenessProbe
        self.readinessProbe = readinessProbe
        self.startupProbe = startupProbe
        self.imagePullPolicy = imagePullPolicy
        self.securityContext = securityContext
        self.metricProbe = metricProbe
    }
}

/// Where a rendered file of `configTemplates` appears.
public struct ConfigVolumeMount: Sendable, Hashable, Codable {
    @WrittenEmpty public var mountPath: String = ""
    /// Key of `configTemplates`.
    @WrittenEmpty public var subPath: String = ""

    public init(mountPath: String = "", subPath: String = "") {
        self.mountPath = mountPath
        self.subPath = subPath
    }
}

public struct AppImagePort: Sendable, Hashable, Codable {
    @WrittenEmpty public var name: String = ""
    /// HTTP or GRPC; HTTP when absent.
    public var `protocol`: String?
    /// Ignored for tasks: their ports are allocated.
    public var port: Int?
    /// Local when absent.
    public var scope: PortScope?

    public init(name: String = "", `protocol`: String? = nil, port: Int? = nil, scope: PortScope? = nil) {
        self.name = name
        self.protocol = `protocol`
        self.port = port
        self.scope = scope
    }
}

/// Who may reach a port.
public enum PortScope: String, Sendable, Hashable, Codable {
    /// Other domains.
    case cluster = "Cluster"
    /// Pods of the same domain.
    case domain = "Domain"
    /// The pod alone.
    case local = "Local"
}

public struct MetricProbe: DefaultInitializable, Sendable {
    public var path: String?
    public var port: String?

    public init() {}

    public init(path: String? = nil, port: String? = nil) {
        self.path = path
        self.port = port
    }
}

public struct AppImageNetworkPolicy: DefaultInitializable, Sendable {
    @DefaultEmpty public var ingresses: [AppImageIngress] = []

    public init() {}

    public init(ingresses: [AppImageIngress] = []) {
        self.ingresses = ingresses
    }
}

public struct AppImageIngress: DefaultInitializable, Sendable {
    @DefaultEmpty public var from: AppImageIngressFrom = .init()
    @DefaultEmpty public var ports: [AppImageIngressPort] = []

    public init() {}

    public init(from: AppImageIngressFrom = .init(), ports: [AppImageIngressPort] = []) {
        self.from = from
        self.ports = ports
    }
}

public struct AppImageIngressFrom: DefaultInitializable, Sendable {
    @DefaultEmpty public var roles: [String] = []

    public init() {}

    public init(roles: [String] = []) {
        self.roles = roles
    }
}

public struct AppImageIngressPort: Sendable, Hashable, Codable {
    @WrittenEmpty public var port: String = ""

    public init(port: String = "") {
        self.port = port
    }
}
