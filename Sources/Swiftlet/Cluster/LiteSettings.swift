// What a Lite needs to know, out of its configuration and this machine: paths absolute, quantities as numbers.
import Agent
import AgentCore
import KubernetesModel

struct LiteSettings: Sendable {
    let domain: String
    let nodeName: String
    let stateDirectory: String
    let dataDirectory: String
    let cgroupParent: String
    let masterURL: String
    let masterCAFile: String?
    let deployToken: String?
    let sandbox: KusciaConfiguration.Sandbox
    private let nodeAddress: String
    private let cpuMillis: Int64?
    private let memoryBytes: Int64?
    private let pods: Int64?
    private let reservedCPUMillis: Int64
    private let reservedMemoryBytes: Int64

    /// As kubelets have it by default.
    static let defaultPods: Int64 = 110

    init(_ configuration: KusciaConfiguration, configurationPath: String) throws {
        let settings = configuration.extensions
        let base = FileText.directory(of: FileText.absolute(configurationPath))
        domain = configuration.domainID
        nodeName = settings.nodeName ?? configuration.domainID
        stateDirectory = FileText.absolute(settings.stateDirectory ?? "state", relativeTo: base)
        dataDirectory = settings.dataDirectory.map { FileText.absolute($0, relativeTo: base) } ?? "\(stateDirectory)/data"
        cgroupParent = settings.cgroupParent ?? "swiftlet.\(configuration.domainID)"
        masterCAFile = settings.masterCAFile.map { FileText.absolute($0, relativeTo: base) }
        deployToken = configuration.liteDeployToken
        sandbox = settings.sandbox
        masterURL = configuration.masterEndpoint ?? ""
        guard let endpoint = MasterEndpoint(masterURL) else {
            throw CommandFailure(
                "\(configurationPath): masterEndpoint: expected https://HOST:PORT, found \"\(masterURL)\"", hint: nil)
        }
        guard let address = settings.nodeAddress ?? OwnAddress.towards(host: endpoint.host, port: endpoint.port) else {
            throw CommandFailure(
                "cannot find the address of this machine towards \(endpoint.host)",
                hint: "set swiftlet.nodeAddress in \(configurationPath)")
        }
        nodeAddress = address
        func quantity(_ text: String?, _ field: String) throws -> Quantity? {
            guard let text else { return nil }
            do {
                return try Quantity(text)
            } catch {
                throw CommandFailure("\(configurationPath): \(field): \(error)", hint: "e.g. cpu: \"4\", memory: 8Gi")
            }
        }
        cpuMillis = try quantity(configuration.capacity.cpu, "capacity.cpu")?.milliValue
        memoryBytes = try quantity(configuration.capacity.memory, "capacity.memory")?.value
        pods = try quantity(configuration.capacity.pods, "capacity.pods")?.value
        reservedCPUMillis = try quantity(configuration.reserved.cpu, "reservedResources.cpu")?.milliValue ?? 0
        reservedMemoryBytes = try quantity(configuration.reserved.memory, "reservedResources.memory")?.value ?? 0
    }

    func makeDirectories() throws {
        for directory in [stateDirectory, dataDirectory] where !FileText.isDirectory(directory) {
            try FileText.makeDirectory(directory, mode: 0o755)
        }
    }

    func agentConfig(stopPolicy: AgentConfig.StopPolicy) -> AgentConfig {
        AgentConfig(
            nodeName: nodeName, domain: domain, stateDirectory: stateDirectory, dataDirectory: dataDirectory, nodeIP: nodeAddress,
            capacityCPUMillis: cpuMillis, capacityMemoryBytes: memoryBytes, reservedCPUMillis: reservedCPUMillis,
            reservedMemoryBytes: reservedMemoryBytes, maxPods: pods ?? Self.defaultPods, stopPolicy: stopPolicy,
            agentVersion: "v\(SwiftletVersion.text)", permissions: permissions)
    }

    private var permissions: NodePermissions {
        NodePermissions(
            capabilities: sandbox.capabilities.map { Set($0.map(NodePermissions.capabilityName)) }
                ?? NodePermissions.harmlessCapabilities,
            privileged: sandbox.permitPrivileged, unconfined: sandbox.permitUnconfined, hostUsers: sandbox.permitHostUsers,
            unenforcedLimits: sandbox.allowUnenforced)
    }
}
