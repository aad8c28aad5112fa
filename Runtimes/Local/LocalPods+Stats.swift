// What all running containers use: their cgroups' files, read in one pass on one thread.
import Cgroups
import Glibc
import RuntimeInterface

extension LocalPods {
    package func stats() async throws -> [ContainerID: ContainerStats] {
        var groups: [(ContainerID, Cgroup)] = []
        for container in everyContainer where await container.isRunning { groups.append((container.id, container.cgroup)) }
        let running = groups
        return try await Blocking.run {
            var all: [ContainerID: ContainerStats] = [:]
            all.reserveCapacity(running.count)
            for (id, group) in running {
                let usage = group.usage()
                var now = timespec()
                clock_gettime(CLOCK_REALTIME, &now)
                all[id] = ContainerStats(
                    cpuNanoseconds: usage.cpuNanoseconds, memoryUsageBytes: usage.memoryBytes,
                    workingSetBytes: max(0, usage.memoryBytes - usage.inactiveFileBytes), rssBytes: usage.anonymousBytes,
                    pids: usage.pids, measuredAt: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
            }
            return all
        }
    }
}
