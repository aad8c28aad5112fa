// Hands out the TCP ports that engines listen on: one pool for the whole cluster, because two domains' Lites may share a
// machine, and round robin, because some engines do not set SO_REUSEADDR and fail on a port that was used just before.

public struct PortAllocator: Sendable {
    /// Kuscia's range; below the kernel's ephemeral ports (ip_local_port_range begins at 32768), which any outgoing
    /// connection may take.
    public static let pool: ClosedRange<Int> = 20000...32767

    public struct Exhausted: Error, Sendable, Hashable, CustomStringConvertible {
        public var asked: Int
        public var free: Int

        public var description: String {
            "ports: \(asked) asked for, \(free) of \(PortAllocator.pool.count) free in \(PortAllocator.pool.lowerBound)-\(PortAllocator.pool.upperBound)"
        }
    }

    private var owners: [Int: String] = [:]
    private var cursor: Int

    /// `start` is where the first search begins; spread it (e.g. by the master's start time), so that a restart does not
    /// hand out the same ports again at once.
    public init(start: Int = 20000) {
        cursor = Self.pool.contains(start) ? start : Self.pool.lowerBound
    }

    public var taken: Int { owners.count }

    /// Notes what is in use already, when a master starts. A port that has two owners stays with the first.
    public mutating func adopt(_ ports: some Sequence<Int>, owner: String) {
        for port in ports where owners[port] == nil { owners[port] = owner }
    }

    /// `count` different free ports; all or none.
    public mutating func allocate(_ count: Int, owner: String) throws(Exhausted) -> [Int] {
        let free = Self.pool.count - owners.count
        guard count <= free else { throw Exhausted(asked: count, free: free) }
        var ports: [Int] = []
        while ports.count < count {
            if owners[cursor] == nil {
                owners[cursor] = owner
                ports.append(cursor)
            }
            cursor = cursor == Self.pool.upperBound ? Self.pool.lowerBound : cursor + 1
        }
        return ports
    }

    public mutating func release(owner: String) {
        owners = owners.filter { $0.value != owner }
    }
}
