// The whole story of a restart: what the records say, who still lives, what nobody knows any more.

import Cgroups
import JSON
import RuntimeInterface
import SandboxPolicy

extension LocalPods {
    /// Reads every record, follows every supervisor that lives (pid, start time and boot id must agree, so that a reused
    /// pid is never followed or signalled), settles those that died unseen, and removes cgroups without a record.
    package func adopt() async throws -> [ContainerStatusReport] {
        let paths = paths
        let found = try await Blocking.run { Self.readRecords(paths) }
        for (uid, record) in found.sandboxes {
            state.withLock { if $0.pods.sandboxes[uid] == nil { $0.pods.put(record, of: uid) } }
        }
        var adopted: [SupervisedContainer] = []
        for (id, config) in found.containers where container(id) == nil {
            let made = makeContainer(id, config)
            state.withLock { $0.pods.put(made) }
            adopted.append(made)
        }
        await withTaskGroup(of: Void.self) { group in
            for container in adopted { group.addTask { await container.takeRecord() } }
        }
        for container in adopted {
            let pod = sandbox(container.id.podUID)?.config.limits ?? RuntimeLimits()
            await watches.follow(container, limits: container.config.limits.completed(by: pod, configuration))
            guard await container.isRecordDamaged else { continue }
            let next = await container.isRunning ? "its supervisor lives and writes it anew at its end" : "what became of it is not known"
            logger.error("record cannot be read", metadata: ["path": "\(container.paths.state)", "container": "\(container.id)", "then": "\(next)"])
        }
        for path in found.broken { logger.error("record cannot be read", metadata: ["path": "\(path)"]) }
        try await removeOrphanedCgroups()
        try await removeFormerScratch()
        return await list()
    }

    private struct Records: Sendable {
        var sandboxes: [String: SandboxRecord] = [:]
        var containers: [ContainerID: ContainerConfig] = [:]
        var broken: [String] = []
    }

    private static func readRecords(_ paths: RecordPaths) -> Records {
        var records = Records()
        for uid in RecordFiles.names(in: paths.pods) {
            // A directory without its record: the agent died while it made it, or while it removed it.
            guard let bytes = RecordFiles.read(paths.sandbox(uid)),
                let sandbox = try? JSON.decode(SandboxRecord.self, from: bytes)
            else {
                records.broken.append(paths.sandbox(uid))
                continue
            }
            records.sandboxes[uid] = sandbox
            for name in RecordFiles.names(in: paths.pod(uid)) {
                guard let id = containerID(uid, name) else { continue }
                guard let bytes = RecordFiles.read(paths.container(id).config),
                    let config = try? JSON.decode(ContainerConfig.self, from: bytes)
                else {
                    records.broken.append(paths.container(id).config)
                    // What was started under a damaged record runs on: it is followed to its end, known by its name alone.
                    if RecordFiles.exists(paths.container(id).lock) {
                        records.containers[id] = ContainerConfig(name: id.name, attempt: id.attempt, image: "", logPath: "")
                    }
                    continue
                }
                records.containers[id] = config
            }
        }
        return records
    }

    /// After a restart of the machine there are no records, but what lies on the disk, and what a network's plugins keep there.
    private func removeFormerScratch() async throws {
        guard paths.isInMemory else { return }
        let (paths, roots, logger, node) = (paths, configuration.roots, logger, configuration)
        let known = state.withLock { Set($0.pods.sandboxes.keys) }
        try await Blocking.run {
            for uid in RecordFiles.names(in: paths.scratch) where !known.contains(uid) {
                do {
                    for name in RecordFiles.names(in: paths.podScratch(uid)) {
                        if let id = Self.containerID(uid, name) { try roots?.remove(id) }
                    }
                    try PodNetworkNamespace(directory: paths.podScratch(uid), node: node).remove()
                    try RecordFiles.removeTree(paths.podScratch(uid))
                } catch {
                    logger.error("what a pod left on the disk stays", metadata: ["uid": "\(uid)", "error": "\(error)"])
                }
            }
        }
    }

    /// NAME_ATTEMPT
    private static func containerID(_ uid: String, _ name: String) -> ContainerID? {
        guard let underscore = name.lastIndex(of: "_"), let attempt = Int(name[name.index(after: underscore)...]) else { return nil }
        return ContainerID(podUID: uid, name: String(name[..<underscore]), attempt: attempt)
    }

    private func removeOrphanedCgroups() async throws {
        let (host, parent, logger) = (cgroups, configuration.cgroupParent, logger)
        let known = state.withLock { Set($0.pods.sandboxes.keys) }
        try await Blocking.run {
            for name in host.children(of: parent) where !known.contains(name) {
                do { try host.group("\(parent)/\(name)").remove() } catch {
                    logger.error("orphaned cgroup stays", metadata: ["name": "\(name)", "error": "\(error)"])
                }
            }
        }
    }
}
