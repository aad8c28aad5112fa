// What a node under disk pressure removes before it ends anybody: logs of pods that are gone, rotated logs, records of
// container runs that a later run has replaced. Never what a running container writes, nor anything by which a pod is known.
import AgentCore
import KubernetesModel
import Logging
import RuntimeInterface

struct DiskReclaim: Sendable {
    let pods: LocalPods
    let runtime: any ContainerRuntime
    let paths: AgentPaths
    let logger: Logger

    func run() async {
        let machines = await pods.machines()
        await removeOldRuns(machines)
        let known = Set(machines.compactMap(\.pod.metadata.uid))
        let root = "\(paths.state)/logs/pods"
        let removed = await DiskFiles.perform { Self.removeLogs(below: root, known: known) }
        logger.notice("disk reclaimed", metadata: ["logs": "\(removed)"])
    }

    /// Counts what was removed.
    private static func removeLogs(below root: String, known: Set<String>) -> Int {
        var removed = 0
        for name in DiskFiles.names(in: root) {
            let directory = "\(root)/\(name)"
            // NAMESPACE_NAME_UID; none of them holds an underscore.
            let uid = name.split(separator: "_").last.map(String.init) ?? ""
            guard known.contains(uid) else {
                removed += remove(directory)
                continue
            }
            for container in DiskFiles.names(in: directory) {
                // The file that is being written is N.log; what was rotated has more to its name.
                for file in DiskFiles.names(in: "\(directory)/\(container)") where !file.hasSuffix(".log") {
                    removed += remove("\(directory)/\(container)/\(file)")
                }
            }
        }
        return removed
    }

    /// What cannot be removed now is tried again when the disk fills up the next time.
    private static func remove(_ path: String) -> Int {
        do {
            try DiskFiles.removeTree(path)
            return 1
        } catch {
            return 0
        }
    }

    private func removeOldRuns(_ machines: [PodStateMachine]) async {
        var current: [String: Set<ContainerRun>] = [:]
        for machine in machines { current[machine.pod.metadata.uid ?? ""] = Set(machine.containers.map(\.run)) }
        do {
            for report in try await runtime.list() {
                guard case .exited = report.phase, let runs = current[report.id.podUID] else { continue }
                let newer = runs.contains { $0.name == report.id.name && $0.attempt > report.id.attempt }
                if newer { try await runtime.removeContainer(report.id) }
            }
        } catch {
            logger.warning("ended containers not removed", metadata: ["error": "\(error)"])
        }
    }
}
