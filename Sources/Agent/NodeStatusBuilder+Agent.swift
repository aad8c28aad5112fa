// The node as its agent tells of it: what is configured, over what the machine and its runtimes say of themselves.
import AgentCore
import KubernetesModel
import RuntimeInterface

extension NodeStatusBuilder {
    init(_ config: AgentConfig, _ dependencies: AgentDependencies) {
        let facts = dependencies.facts
        self.init(
            identity: NodeIdentity(
                name: config.nodeName, domain: config.domain, hostname: facts.hostname, internalIP: config.nodeIP,
                runtime: dependencies.runtime.name, architecture: facts.architecture, machineID: facts.machineID,
                bootID: facts.bootID, kernelVersion: facts.kernelVersion, osImage: facts.osImage,
                agentVersion: config.agentVersion),
            capacity: PodResources(
                cpuMillis: config.capacityCPUMillis ?? facts.cpuMillis,
                memoryBytes: config.capacityMemoryBytes ?? facts.memoryBytes,
                pods: config.maxPods, ephemeralStorageBytes: config.capacityStorageBytes ?? 0,
                extended: config.extendedResources.merging(config.devices.mapValues { Int64(DeviceFiles.matching($0).count) }) {
                    $1
                }),
            reserved: PodResources(
                cpuMillis: config.reservedCPUMillis, memoryBytes: config.reservedMemoryBytes,
                ephemeralStorageBytes: config.reservedStorageBytes, extended: config.reservedExtendedResources),
            runtimeConditions: dependencies.runtime.conditions.map {
                NodeCondition(type: $0.type, status: $0.holds ? .true : .false, reason: $0.reason, message: $0.message)
            }, thresholds: config.evictionThresholds, extraLabels: config.nodeLabels, taints: config.taints)
    }
}
