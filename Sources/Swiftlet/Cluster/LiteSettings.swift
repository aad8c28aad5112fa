// What a Lite needs to know, out of its configuration and this machine: paths absolute, quantities as numbers.
import Agent
import AgentCore
import KubernetesModel

struct LiteSettings: Sendable {
    /// nil: a node of any Kubernetes cluster.
    let domain: String?
    /// nil: a Lite of our own master.
    let membership: ClusterMembership?
    let nodeName: String
    let stateDirectory: String
    let dataDirectory: String
    let cgroupParent: String
    let masterURL: String
    let masterCAFile: String?
    let deployToken: String?
    let sandbox: KusciaConfiguration.Sandbox
    /// The node's own: of pods that name no RuntimeClass.
    let runtime: KusciaConfiguration.Runtime
    /// OCI runtimes by their RuntimeClass handler: the command line; empty: those that are installed.
    let ociRuntimes: [String: String]
    /// Where pods of RunK go; nil: this node has no RunK.
    let cluster: KusciaConfiguration.Cluster?
    /// Every pod goes there.
    let isClusterOnly: Bool
    /// Registries, and which images must be signed; paths in it are relative to `configurationDirectory`.
    let images: KusciaConfiguration.Images
    let configurationDirectory: String
    private let nodeAddress: String
    /// As it stands in the file; nil: the default place.
    let configuredDataDirectory: String?
    private let cpuMillis: Int64?
    private let memoryBytes: Int64?
    private let pods: Int64?
    private let reservedCPUMillis: Int64
    private let reservedMemoryBytes: Int64
    private let storageBytes: Int64?
    private let reservedStorageBytes: Int64
    private let extended: [String: Int64]
    private let reservedExtended: [String: Int64]
    private let node: KusciaConfiguration.Node
    private let thresholds: EvictionThresholds
    private let logs: LogPolicy
    let manifestDirectory: String?

    var metricsPort: Int? { node.metricsPort }
    /// nil: as many as a node takes by default.
    var configuredPods: Int64? { pods }
    var drainsOnStop: Bool { node.stopPolicy == AgentConfig.StopPolicy.drain.rawValue }

    /// As kubelets have it by default.
    static let defaultPods: Int64 = 110

    /// Where a node that joins a cluster keeps its state unless it is told otherwise.
    static let joinedStateDirectory = "/var/lib/swiftlet/node"

    init(_ configuration: KusciaConfiguration, configurationPath: String, membership: ClusterMembership? = nil) throws {
        let settings = configuration.extensions
        let base = FileText.directory(of: FileText.absolute(configurationPath))
        self.membership = membership
        domain = membership == nil ? configuration.domainID : nil
        nodeName = try Self.nodeName(configuration, membership)
        let defaultState = membership == nil ? "state" : Self.joinedStateDirectory
        stateDirectory = FileText.absolute(settings.stateDirectory ?? defaultState, relativeTo: base)
        dataDirectory = settings.dataDirectory.map { FileText.absolute($0, relativeTo: base) } ?? "\(stateDirectory)/data"
        cgroupParent = settings.cgroupParent ?? "swiftlet.\(domain ?? nodeName)"
        masterCAFile = settings.masterCAFile.map { FileText.absolute($0, relativeTo: base) }
        deployToken = configuration.liteDeployToken
        sandbox = settings.sandbox.absolute(base)
        runtime = configuration.runtime
        ociRuntimes = settings.runtimes
        images = configuration.images
        configurationDirectory = base
        var cluster = configuration.cluster
        if let file = cluster?.kubeconfigFile { cluster?.kubeconfigFile = FileText.absolute(file, relativeTo: base) }
        self.cluster = cluster
        isClusterOnly = configuration.runtime == .runk
        node = settings.node
        manifestDirectory = node.podManifests.map { FileText.absolute($0, relativeTo: base) }
        masterURL = membership?.endpoint.server ?? configuration.masterEndpoint ?? ""
        guard let endpoint = MasterEndpoint(masterURL) else {
            throw CommandFailure(
                "\(membership?.path ?? configurationPath): \(membership == nil ? "masterEndpoint" : "server"): "
                    + "expected https://HOST:PORT, found \"\(masterURL)\"",
                hint: "the address under which the master is reached from here, e.g. https://master.example:6443")
        }
        guard let address = settings.nodeAddress ?? OwnAddress.towards(host: endpoint.host, port: endpoint.port) else {
            throw CommandFailure(
                "cannot find the address of this machine towards \(endpoint.host) (masterEndpoint)",
                hint:
                    "is the host's name right, and known here (DNS, /etc/hosts)? Else set swiftlet.nodeAddress"
            )
        }
        nodeAddress = address
        configuredDataDirectory = settings.dataDirectory
        func quantity(_ text: String?, _ field: String) throws -> Quantity? {
            guard let text else { return nil }
            let quantity: Quantity
            do {
                quantity = try Quantity(text)
            } catch {
                throw CommandFailure("\(configurationPath): \(field): \(error)", hint: "e.g. cpu: \"4\", memory: 8Gi")
            }
            guard quantity.milliValue >= 0 else {
                throw CommandFailure(
                    "\(configurationPath): \(field): found \"\(text)\", expected 0 or more",
                    hint: "leave it out to have it measured")
            }
            return quantity
        }
        cpuMillis = try quantity(configuration.capacity.cpu, "capacity.cpu")?.milliValue
        memoryBytes = try quantity(configuration.capacity.memory, "capacity.memory")?.value
        pods = try quantity(configuration.capacity.pods, "capacity.pods")?.value
        reservedCPUMillis = try quantity(configuration.reserved.cpu, "reservedResources.cpu")?.milliValue ?? 0
        reservedMemoryBytes = try quantity(configuration.reserved.memory, "reservedResources.memory")?.value ?? 0
        storageBytes = try quantity(configuration.capacity.ephemeralStorage, "capacity.ephemeralStorage")?.value
        reservedStorageBytes =
            try quantity(configuration.reserved.ephemeralStorage, "reservedResources.ephemeralStorage")?.value ?? 0
        var extended: [String: Int64] = [:]
        for (name, text) in node.extendedResources {
            extended[name] = try quantity(text, "swiftlet.node.extendedResources.\(name)")?.value
        }
        extended[Self.bandwidth] =
            try quantity(configuration.capacity.bandwidth, "capacity.bandwidth")?.value ?? extended[Self.bandwidth]
        self.extended = extended
        let reserved = try quantity(configuration.reserved.bandwidth, "reservedResources.bandwidth")?.value
        reservedExtended = reserved.map { [Self.bandwidth: $0] } ?? [:]
        try Self.checkReserved(configuration, configurationPath)
        thresholds = try Self.thresholds(node, configurationPath)
        logs = Self.logs(configuration)
        if let wrong = node.hostPaths.first(where: { !$0.hasPrefix("/") || $0 == "/" || $0.split(separator: "/").contains("..") })
        {
            throw CommandFailure(
                "\(configurationPath): swiftlet.node.hostPaths: \(wrong) is no absolute path below /", hint: "e.g. [/data/shared]"
            )
        }
        let refused = membership == nil ? [] : NodeLabelPolicy.refused(node.labels)
        guard refused.isEmpty else {
            throw CommandFailure(
                "\(configurationPath): swiftlet.node.labels: a node may not give itself \(refused.joined(separator: ", "))",
                hint: "NodeRestriction refuses them; an administrator may: kubectl label node \(nodeName) ...")
        }
    }

    /// What the file says of logs, over the policy's own numbers. Kuscia's 0 days mean for ever.
    private static func logs(_ configuration: KusciaConfiguration) -> LogPolicy {
        var policy = LogPolicy()
        let (rotation, node) = (configuration.logRotation, configuration.extensions.node)
        if let files = rotation.maxFiles { policy.maximumFiles = Int64(files) }
        if let size = rotation.maxFileSizeMB { policy.maximumFileBytes = Int64(size) << 20 }
        if let days = rotation.maxAgeDays { policy.maximumAgeSeconds = days == 0 ? nil : Int64(days) * 86_400 }
        if let days = node.keepLogsDays { policy.keepAfterPodSeconds = Int64(days) * 86_400 }
        if let size = node.keepLogsMB { policy.keepAfterPodBytes = Int64(size) << 20 }
        return policy
    }

    private static let bandwidth = "kuscia.io/bandwidth"

    private static func thresholds(_ node: KusciaConfiguration.Node, _ path: String) throws -> EvictionThresholds {
        do {
            var thresholds = try node.evictionHard.map { try EvictionThresholds(parsing: $0) } ?? .standard
            let grace = Int64(node.evictionSoftGraceSeconds ?? 60)
            thresholds.all += try EvictionThresholds(parsing: node.evictionSoft ?? "", graceSeconds: grace).all
            if let seconds = node.evictionPressureTransitionSeconds { thresholds.transitionSeconds = Int64(seconds) }
            return thresholds
        } catch {
            throw CommandFailure(
                "\(path): swiftlet.node.evictionHard, evictionSoft: \(error)",
                hint: "e.g. memory.available<100Mi,nodefs.available<10%")
        }
    }

    /// What the certificate says, else what is configured, else the domain's or the machine's name.
    private static func nodeName(_ configuration: KusciaConfiguration, _ membership: ClusterMembership?) throws -> String {
        let configured = configuration.extensions.nodeName
        guard let membership else { return configured ?? configuration.domainID }
        guard let name = membership.nodeName else { return configured ?? MachineFacts.read().hostname.lowercased() }
        guard configured == nil || configured == name else {
            throw CommandFailure(
                "swiftlet.nodeName is \(configured ?? ""), but \(membership.path) is the node \(name)'s",
                hint: "the certificate's CN is system:node:NAME; leave swiftlet.nodeName out")
        }
        return name
    }

    /// What the node makes itself: `check` has seen to the directory that somebody named.
    func makeDirectories() throws {
        for directory in [stateDirectory, dataDirectory] where !FileText.isDirectory(directory) {
            try FileText.makeDirectory(directory, mode: 0o755)
        }
    }

    func agentConfig(stopPolicy: AgentConfig.StopPolicy) -> AgentConfig {
        var config = AgentConfig(
            nodeName: nodeName, domain: domain, stateDirectory: stateDirectory, dataDirectory: dataDirectory, nodeIP: nodeAddress,
            capacityCPUMillis: cpuMillis, capacityMemoryBytes: memoryBytes, reservedCPUMillis: reservedCPUMillis,
            reservedMemoryBytes: reservedMemoryBytes, maxPods: pods ?? Self.defaultPods, stopPolicy: stopPolicy,
            hostPathAllowList: node.hostPaths, agentVersion: "v\(SwiftletVersion.text)", permissions: permissions,
            capacityStorageBytes: storageBytes,
            reservedStorageBytes: reservedStorageBytes, extendedResources: extended, reservedExtendedResources: reservedExtended,
            devices: node.devices, nodeLabels: node.labels, evictionThresholds: thresholds,
            podManifestDirectory: manifestDirectory,
            publishesMetrics: membership == nil)
        config.logs = logs
        config.jobDataSeconds = node.keepJobDataDays.map { Int64($0) * 86_400 }
        if let limit = node.podPidsLimit { config.pidsLimit = Int64(limit) }
        return config
    }

    private var permissions: NodePermissions {
        NodePermissions(
            capabilities: sandbox.capabilities.map { Set($0.map(NodePermissions.capabilityName)) }
                ?? NodePermissions.harmlessCapabilities,
            privileged: sandbox.permitPrivileged, unconfined: sandbox.permitUnconfined, hostUsers: sandbox.permitHostUsers,
            unenforcedLimits: sandbox.allowUnenforced)
    }
}
