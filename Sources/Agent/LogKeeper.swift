// Keeps the node's container logs within its policy: compresses what was rotated, removes what is too old, and what pods that are
// gone left behind, oldest first. Rotation itself is the supervisors' work: they do it while no agent lives.
import AgentCore
import Glibc
import KubernetesModel
import Logging
import RuntimeInterface

struct LogKeeper: Sendable {
    /// One look at the directories of all pods, not one for each.
    static let periodNanoseconds: Int64 = 120 * .nanosecondsPerSecond

    let pods: LocalPods
    let runtime: any ContainerRuntime
    let paths: AgentPaths
    let policy: LogPolicy
    let clock: any AgentClock
    let logger: Logger

    /// Works until cancelled.
    func run() async {
        while !Task.isCancelled {
            await pass()
            guard (try? await clock.sleep(nanoseconds: Self.periodNanoseconds)) != nil else { return }
        }
    }

    /// One look, and what follows from it.
    func pass() async {
        let machines = await pods.machines()
        var running: [String: Set<ContainerRun>] = [:]
        for machine in machines {
            running[machine.pod.metadata.uid ?? ""] = Set(machine.containers.filter(\.mayRun).map(\.run))
        }
        let (root, known, now) = (paths.podLogs, running, clock.now())
        let directories = await DiskFiles.perform { Self.look(root, known) }
        for action in LogRetention(policy: policy).actions(for: directories, now: now) {
            do { try await perform(action) } catch {
                logger.warning("log not kept as the policy says", metadata: ["action": "\(action)", "error": "\(error)"])
            }
        }
    }

    private func perform(_ action: LogAction) async throws {
        let root = paths.podLogs
        switch action {
        case .removeDirectory(let name): try await DiskFiles.perform { try DiskFiles.removeTree("\(root)/\(name)") }
        case .remove(let directory, let container, let name):
            try await DiskFiles.perform { try DiskFiles.removeTree("\(root)/\(directory)/\(container)/\(name.text)") }
        case .compress(let directory, let container, let name):
            try await DiskFiles.perform { try ContainerLogs.compress("\(root)/\(directory)/\(container)/\(name.text)") }
        case .reopen(let directory, let run):
            try await runtime.reopenContainerLog(ContainerID(podUID: Self.uid(directory), name: run.name, attempt: run.attempt))
        }
    }

    // MARK: What is there

    /// The last part of NAMESPACE_NAME_UID; none of them holds an underscore.
    private static func uid(_ directory: String) -> String { String(directory.split(separator: "_").last ?? "") }

    private static func look(_ root: String, _ running: [String: Set<ContainerRun>]) -> [LogDirectoryFact] {
        DiskFiles.names(in: root).map { name in
            var files: [LogFileFact] = []
            for container in DiskFiles.names(in: "\(root)/\(name)") { files += look("\(root)/\(name)", container: container) }
            // Touched when the pod went; a container that wrote later tells of a pod that went unseen.
            let last = max(DiskFiles.modified("\(root)/\(name)"), files.map(\.modified).max() ?? 0)
            return LogDirectoryFact(name: name, running: running[uid(name)], abandonedAt: last, files: files)
        }
    }

    private static func look(_ directory: String, container: String) -> [LogFileFact] {
        DiskFiles.names(in: "\(directory)/\(container)").compactMap { name in
            let path = "\(directory)/\(container)/\(name)"
            if ContainerLogs.isUnfinished(name) { unlink(path) }
            var facts = stat()
            guard let file = LogFileName(name), lstat(path, &facts) == 0 else { return nil }
            return LogFileFact(container: container, name: file, bytes: Int64(facts.st_size), modified: DiskFiles.modified(path))
        }
    }
}
