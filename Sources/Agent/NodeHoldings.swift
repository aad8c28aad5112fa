// What pods hold of their node while they may run: resources and ports.
import AgentCore

struct NodeHoldings {
    private(set) var resources = PodResources()
    /// Of TCP.
    private(set) var ports: Set<Int> = []
    /// Of UDP and SCTP.
    private(set) var datagramPorts: Set<Int> = []

    init(_ workers: [PodWorker] = []) { for worker in workers { add(worker) } }

    mutating func add(_ worker: PodWorker) {
        resources = resources + worker.requested
        for port in worker.ports { if port.isTCP { ports.insert(port.port) } else { datagramPorts.insert(port.port) } }
    }

    func holds(_ port: NodePort) -> Bool { (port.isTCP ? ports : datagramPorts).contains(port.port) }

    /// The same resources, and the ports of those in `others` only.
    func withPorts(of others: NodeHoldings) -> NodeHoldings {
        var result = self
        (result.ports, result.datagramPorts) = (others.ports, others.datagramPorts)
        return result
    }
}
