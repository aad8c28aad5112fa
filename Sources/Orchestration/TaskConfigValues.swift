// What an engine is told about its task: who takes part under which address, and which ports are its own.
import JSON
import KubernetesModel
import KusciaModel

extension TaskLayout {
    /// TASK_CLUSTER_DEFINE as `pod` sees it. Endpoints carry their port, because there is no gateway yet that listens on 80.
    public func clusterDefine(for pod: TaskPod, ports: [PartyAllocatedPorts]) -> ClusterDefine {
        ClusterDefine(
            parties: parties.map { party in
                ClusterParty(
                    name: party.spec.domainID, role: party.spec.role ?? "",
                    services: (party.pods.first?.ports ?? []).filter(\.isReachable).map { port in
                        ClusterService(
                            portName: port.name,
                            endpoints: party.pods.map { "\(serviceHost($0, port)):\(number(of: port, in: $0, ports) ?? 0)" })
                    })
            },
            selfPartyIdx: pod.partyIndex, selfEndpointIdx: pod.replica)
    }

    public func allocated(for pod: TaskPod, ports: [PartyAllocatedPorts]) -> AllocatedPorts {
        AllocatedPorts(
            ports: pod.ports.map { port in
                AllocatedPort(
                    name: port.name, port: number(of: port, in: pod, ports) ?? 0, scope: port.scope ?? .local,
                    protocol: port.protocol ?? "HTTP")
            })
    }

    public func number(of port: AppImagePort, in pod: TaskPod, _ ports: [PartyAllocatedPorts]) -> Int? {
        guard ports.indices.contains(pod.partyIndex) else { return nil }
        return ports[pod.partyIndex].namedPort["\(pod.name)/\(port.name)"]
    }

    /// A service's name is a DNS label: a longer one is cut, and a hash of the whole tells it from others, the same each time.
    public func serviceName(_ pod: TaskPod, _ port: AppImagePort) -> String {
        let name = "\(pod.name)-\(port.name)"
        guard name.utf8.count > DNSLabel.maximumLength else { return name }
        // FNV-1a of 64 bits.
        let hash = name.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let tail = "-" + String(hash, radix: 16)
        let head = name.utf8.prefix(DNSLabel.maximumLength - tail.utf8.count)
        return String(decoding: head, as: UTF8.self) + tail
    }

    /// The name under which other parties reach a port.
    public func serviceHost(_ pod: TaskPod, _ port: AppImagePort) -> String { "\(serviceName(pod, port)).\(pod.domain).svc" }

    /// The values that config templates may use, for one pod.
    public func configValues(for pod: TaskPod, ports: [PartyAllocatedPorts]) throws -> [String: String] {
        [
            KusciaVariable.taskID: task.metadata.name,
            KusciaVariable.domainID: pod.domain,
            KusciaVariable.taskInputConfig: task.spec.taskInputConfig,
            KusciaVariable.taskClusterDefine: String(
                decoding: try JSON.encode(clusterDefine(for: pod, ports: ports)), as: UTF8.self),
            KusciaVariable.allocatedPorts: String(decoding: try JSON.encode(allocated(for: pod, ports: ports)), as: UTF8.self),
        ]
    }

    /// Lines of /etc/hosts: where the services of the placed pods are. `address` gives a pod's, nil while it has no node.
    public func hosts(address: (TaskPod) -> String?) -> String {
        var lines = ""
        for pod in pods {
            guard let ip = address(pod) else { continue }
            for port in pod.ports where port.isReachable { lines += "\(ip) \(serviceHost(pod, port))\n" }
        }
        return lines
    }
}

extension AppImagePort {
    /// From outside its pod. An absent scope is Local.
    var isReachable: Bool {
        switch scope ?? .local {
        case .cluster, .domain: true
        case .local: false
        }
    }
}
