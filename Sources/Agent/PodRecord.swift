// The agent's memory on disk: one file per pod, written before the effects that it announces.
import AgentCore
import JSON
import KubernetesModel
import Logging

/// `<state>/pods/<uid>/record.json`: the pod's whole state machine.
struct PodRecord: Codable, Sendable {
    static let currentVersion = 1

    var version: Int
    var machine: PodStateMachine

    init(machine: PodStateMachine) {
        version = Self.currentVersion
        self.machine = machine
    }
}

struct PodRecordStore: Sendable {
    let paths: AgentPaths

    /// What it returns from outlives this process; with `durable` a power cut too.
    func save(_ machine: PodStateMachine, uid: String, durable: Bool = true) async throws {
        let bytes = try JSON.encode(PodRecord(machine: machine))
        try await DiskFiles.perform {
            try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
            try DiskFiles.alternate(paths.record(uid), with: bytes, durable: durable)
        }
    }

    /// Every record that can be read, by uid. A damaged one is named in the log and costs only its own pod.
    func load(_ logger: Logger) async -> [String: PodStateMachine] {
        await DiskFiles.perform {
            var machines: [String: PodStateMachine] = [:]
            for uid in DiskFiles.names(in: paths.pods) {
                do {
                    let record = try JSON.decode(PodRecord.self, from: try DiskFiles.read(paths.record(uid)))
                    guard record.version == PodRecord.currentVersion else {
                        logger.warning(
                            "pod record of another version ignored", metadata: ["uid": "\(uid)", "version": "\(record.version)"])
                        continue
                    }
                    machines[uid] = record.machine
                } catch {
                    logger.warning("pod record ignored", metadata: ["uid": "\(uid)", "error": "\(JSON.describe(error))"])
                }
            }
            return machines
        }
    }

    /// Uids that have a directory, with or without a readable record.
    func directories() async -> [String] {
        await DiskFiles.perform { DiskFiles.names(in: paths.pods) }
    }

    /// The pod's directory with all that is in it.
    func remove(uid: String) async throws {
        try await DiskFiles.perform {
            try paths.removeVolumes(uid)
            try DiskFiles.removeTree(paths.pod(uid))
        }
    }

    /// The pod is gone: its logs go too, or stay for a time that begins now (`LogKeeper` ends it).
    func leaveLogs(of pod: Pod, _ policy: LogPolicy) async throws {
        let directory = paths.logs(
            namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: pod.metadata.uid ?? "")
        try await DiskFiles.perform {
            if policy.keepAfterPodSeconds > 0 { DiskFiles.touch(directory) } else { try DiskFiles.removeTree(directory) }
        }
    }
}
