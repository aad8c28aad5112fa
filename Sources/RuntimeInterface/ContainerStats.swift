// What every container uses at this moment, in one cheap pass: for `/stats/summary`, `kubectl top` and eviction.

/// CRI's ContainerStats, as far as somebody here asks for it.
public struct ContainerStats: Sendable, Hashable, Codable {
    /// Since the container's start.
    public var cpuNanoseconds: Int64
    /// Page cache included.
    public var memoryUsageBytes: Int64
    /// Without page cache that was not used lately: what eviction counts.
    public var workingSetBytes: Int64
    public var rssBytes: Int64
    /// Processes and threads.
    public var pids: Int64
    /// When it was measured, Unix nanoseconds; 0: nobody noted it.
    public var measuredAt: Int64

    public init(
        cpuNanoseconds: Int64 = 0, memoryUsageBytes: Int64 = 0, workingSetBytes: Int64 = 0, rssBytes: Int64 = 0, pids: Int64 = 0,
        measuredAt: Int64 = 0
    ) {
        self.cpuNanoseconds = cpuNanoseconds
        self.memoryUsageBytes = memoryUsageBytes
        self.workingSetBytes = workingSetBytes
        self.rssBytes = rssBytes
        self.pids = pids
        self.measuredAt = measuredAt
    }
}

extension ContainerRuntime {
    /// For runtimes without a cheaper way: `usage` of each container that runs.
    public func stats() async throws -> [ContainerID: ContainerStats] {
        var all: [ContainerID: ContainerStats] = [:]
        for report in try await list() {
            guard case .running = report.phase else { continue }
            do {
                let usage = try await usage(report.id)
                all[report.id] = ContainerStats(
                    cpuNanoseconds: usage.cpuNanoseconds, memoryUsageBytes: usage.currentMemoryBytes,
                    workingSetBytes: usage.currentMemoryBytes, rssBytes: usage.currentMemoryBytes)
            } catch RuntimeError.notFound {
                // It ended meanwhile.
            }
        }
        return all
    }
}
