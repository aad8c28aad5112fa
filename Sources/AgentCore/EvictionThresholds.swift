// When a node is too full: the kubelet's signals and thresholds, as text ("memory.available<100Mi,nodefs.available<10%") and
// as a judgement of one measurement.
// https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
import KubernetesModel

/// What a node is short of; the node's condition.
public enum NodePressure: String, Sendable, Hashable, CaseIterable, Codable {
    case memory = "MemoryPressure"
    case disk = "DiskPressure"
    case processes = "PIDPressure"
}

public enum EvictionSignal: String, Sendable, Hashable, CaseIterable, Codable {
    case memoryAvailable = "memory.available"
    case nodefsAvailable = "nodefs.available"
    case nodefsInodesFree = "nodefs.inodesFree"
    case pidAvailable = "pid.available"

    public var pressure: NodePressure {
        switch self {
        case .memoryAvailable: .memory
        case .nodefsAvailable, .nodefsInodesFree: .disk
        case .pidAvailable: .processes
        }
    }

    /// As the kubelet calls it in messages.
    public var resource: String {
        switch self {
        case .memoryAvailable: "memory"
        case .nodefsAvailable: "ephemeral-storage"
        case .nodefsInodesFree: "inodes"
        case .pidAvailable: "pids"
        }
    }

    /// What is left and what there is in all; nil when the machine does not tell (a file system without inodes).
    func reading(_ load: NodeMeasurement) -> (available: Int64, capacity: Int64)? {
        let (available, capacity) =
            switch self {
            case .memoryAvailable: (load.memoryAvailableBytes, max(load.memoryTotalBytes, load.memoryAvailableBytes))
            case .nodefsAvailable: (load.diskFreeBytes, load.diskTotalBytes)
            case .nodefsInodesFree: (load.inodesFree, load.inodesTotal)
            case .pidAvailable: (load.processLimit - load.processes, load.processLimit)
            }
        return capacity > 0 ? (available, capacity) : nil
    }
}

public struct EvictionThreshold: Sendable, Hashable {
    public enum Limit: Sendable, Hashable {
        case absolute(Int64)
        /// Of the capacity, 0...100.
        case percent(Double)
    }

    public var signal: EvictionSignal
    public var limit: Limit
    /// How long it must hold before a pod is evicted; 0: at once (a hard threshold).
    public var graceSeconds: Int64

    public init(_ signal: EvictionSignal, _ limit: Limit, graceSeconds: Int64 = 0) {
        self.signal = signal
        self.limit = limit
        self.graceSeconds = graceSeconds
    }

    /// In the signal's unit.
    func quantity(ofCapacity capacity: Int64) -> Int64 {
        switch limit {
        case .absolute(let value): value
        case .percent(let share): Int64(Double(capacity) * share / 100)
        }
    }

    func isMet(_ load: NodeMeasurement) -> Bool {
        guard let (available, capacity) = signal.reading(load) else { return false }
        return available < quantity(ofCapacity: capacity)
    }
}

/// Why a text is no list of thresholds.
public struct EvictionThresholdError: Error, Sendable, Hashable, CustomStringConvertible {
    public var found: String
    public var expected: String
    public var description: String { "found \"\(found)\", expected \(expected)" }
}

public struct EvictionThresholds: Sendable, Hashable {
    public var all: [EvictionThreshold]
    /// How long a pressure stays told after it is over (kubelet's evictionPressureTransitionPeriod), so that the scheduler does not fill
    /// the node at once again.
    public var transitionSeconds: Int64

    public init(_ all: [EvictionThreshold], transitionSeconds: Int64 = EvictionMachine.standardTransitionSeconds) {
        self.all = all
        self.transitionSeconds = transitionSeconds
    }

    /// The kubelet's own, and one for processes, for which the kubelet has no default: a machine without free pids cannot
    /// even start what would tell of it.
    public static let standard = EvictionThresholds([
        EvictionThreshold(.memoryAvailable, .absolute(100 << 20)), EvictionThreshold(.nodefsAvailable, .percent(10)),
        EvictionThreshold(.nodefsInodesFree, .percent(5)), EvictionThreshold(.pidAvailable, .percent(10)),
    ])

    /// "memory.available<100Mi,nodefs.available<10%"; `graceSeconds` of each of them. An empty text: none.
    public init(parsing text: String, graceSeconds: Int64 = 0) throws(EvictionThresholdError) {
        self.init([])
        for part in text.split(separator: ",") {
            let sides = part.split(separator: "<", omittingEmptySubsequences: false).map { String($0.filter { $0 != " " }) }
            guard sides.count == 2 else { throw EvictionThresholdError(found: String(part), expected: "SIGNAL<QUANTITY") }
            guard let signal = EvictionSignal(rawValue: sides[0]) else {
                let known = EvictionSignal.allCases.map(\.rawValue).joined(separator: ", ")
                throw EvictionThresholdError(found: sides[0], expected: "one of \(known)")
            }
            all.append(EvictionThreshold(signal, try Self.limit(sides[1]), graceSeconds: graceSeconds))
        }
    }

    private static func limit(_ text: String) throws(EvictionThresholdError) -> EvictionThreshold.Limit {
        if text.hasSuffix("%"), let share = Double(text.dropLast()), (0...100).contains(share) { return .percent(share) }
        guard let quantity = try? Quantity(text), quantity.value >= 0 else {
            throw EvictionThresholdError(found: text, expected: "a quantity (100Mi) or a share of 0% to 100%")
        }
        return .absolute(quantity.value)
    }

    public func met(_ load: NodeMeasurement) -> [EvictionThreshold] { all.filter { $0.isMet(load) } }

    /// What one look alone says; `EvictionMachine` keeps a pressure for a while after it is over.
    public func pressures(_ load: NodeMeasurement) -> Set<NodePressure> { Set(met(load).map(\.signal.pressure)) }
}
