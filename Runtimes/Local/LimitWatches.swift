// Limits that no file of the kernel holds: disk that is shared with others, and headway at the memory limit. One thread each for all
// containers of the node; what they find ends the container with a reason that names the limit.

import Cgroups
import Logging
import RuntimeInterface

/// How often is looked, and how long thrashing must go on.
public struct LimitWatchTimes: Sendable, Hashable {
    public var storageMilliseconds: Int32 = 2_000
    public var memoryMilliseconds: Int32 = 5_000
    public var thrashing = MemoryThrashing.Rule()

    public init() {}
}

package final class LimitWatches: Sendable {
    /// For the program to say what it was doing; it is over its limit meanwhile.
    package static let graceSeconds = 1

    private let storage: EphemeralStorageWatch
    private let memory: MemoryThrashWatch
    private let logger: Logger

    package init(_ times: LimitWatchTimes, logger: Logger) throws(RuntimeError) {
        self.logger = logger
        do throws(CgroupError) {
            storage = try EphemeralStorageWatch(intervalMilliseconds: times.storageMilliseconds)
            memory = try MemoryThrashWatch(rule: times.thrashing, intervalMilliseconds: times.memoryMilliseconds)
        } catch { throw error.asRuntimeError }
    }

    /// From its start, or its adoption, until `forget`. Nothing to do for one that does not run.
    package func follow(_ container: SupervisedContainer, limits: RuntimeLimits) async {
        guard case .running = await container.phase else { return }
        let name = "\(container.id)"
        if let bytes = limits.memoryBytes {
            memory.add(name, group: container.cgroup, limitBytes: bytes) { [weak self, weak container] evidence in
                self?.end(container, Sentence(reason: "MemoryThrashing", message: evidence.description))
            }
        }
        if let bytes = limits.ephemeralStorageBytes {
            let (paths, log) = (container.paths, container.config.logPath)
            storage.add(
                name, paths: [paths.temporary, paths.work, paths.upper, log, "\(log).1"], limitBytes: bytes,
                group: container.cgroup
            ) { [weak self, weak container] excess in
                self?.end(container, Sentence(reason: "EphemeralStorageExceeded", message: excess.description))
            }
        }
        // It may have ended before it was added.
        if case .running = await container.phase { return }
        forget(container.id)
    }

    package func forget(_ id: ContainerID) {
        memory.remove("\(id)")
        storage.remove("\(id)")
    }

    private func end(_ container: SupervisedContainer?, _ sentence: Sentence) {
        guard let container else { return }
        let logger = logger
        Task {
            do { try await container.sentence(sentence, graceSeconds: Self.graceSeconds) } catch {
                logger.error("a container over its limit does not end", metadata: ["id": "\(container.id)", "error": "\(error)"])
            }
        }
    }
}
