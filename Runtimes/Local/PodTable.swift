// What a runtime knows of its pods and containers, found by pod: looking through all of them for each was a measurable part of a burst of pods.

import RuntimeInterface

package struct PodTable {
    package private(set) var sandboxes: [String: SandboxRecord] = [:]
    private var containersByPod: [String: [ContainerID: SupervisedContainer]] = [:]
    /// First host id -> how many sandboxes have the range: more than one only where records were brought here from elsewhere.
    private var rangeHolders: [UInt32: Int] = [:]

    // MARK: Sandboxes

    package mutating func put(_ record: SandboxRecord, of podUID: String) {
        removeSandbox(podUID)
        sandboxes[podUID] = record
        if let start = record.idRangeStart { rangeHolders[start, default: 0] += 1 }
    }

    package mutating func removeSandbox(_ podUID: String) {
        guard let start = sandboxes.removeValue(forKey: podUID)?.idRangeStart else { return }
        let holders = rangeHolders[start, default: 0] - 1
        rangeHolders[start] = holders > 0 ? holders : nil
    }

    /// A range that no pod here has; nil when there is none.
    package func pickRange(of ranges: IDRanges, podUID: String) -> UInt32? {
        ranges.pick(podUID: podUID, taken: rangeHolders.keys)
    }

    // MARK: Containers

    package var hasContainers: Bool { !containersByPod.isEmpty }
    package var everyContainer: [SupervisedContainer] { containersByPod.values.flatMap(\.values) }

    package subscript(id: ContainerID) -> SupervisedContainer? { containersByPod[id.podUID]?[id] }

    package func containers(of podUID: String) -> [SupervisedContainer] { containersByPod[podUID].map { Array($0.values) } ?? [] }

    package mutating func put(_ container: SupervisedContainer) {
        containersByPod[container.id.podUID, default: [:]][container.id] = container
    }

    package mutating func removeContainer(_ id: ContainerID) {
        guard var rest = containersByPod[id.podUID] else { return }
        rest[id] = nil
        containersByPod[id.podUID] = rest.isEmpty ? nil : rest
    }
}
