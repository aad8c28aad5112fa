// The agent's memory on disk: one file per pod, written before the effects that it announces.
import AgentCore
import Glibc
import JSON
import KubernetesModel
import Logging

/// `<state>/pods/<uid>/record.json`: the pod's whole state machine; `settled.json` once its final status has arrived.
struct PodRecord: Codable, Sendable {
    static let currentVersion = 1

    var version: Int
    /// The machine's boot in which it was written; nil in records of earlier agents.
    var boot: String?
    var machine: PodStateMachine

    init(machine: PodStateMachine, boot: String) {
        version = Self.currentVersion
        self.boot = boot
        self.machine = machine
    }
}

struct PodRecordStore: Sendable {
    let paths: AgentPaths
    let boot: String

    /// A pod as a former agent left it.
    struct Found: Sendable {
        var machine: PodStateMachine
        /// The machine was restarted since: what the runtime had on disk may be lost.
        var isOfFormerBoot: Bool

        /// What the runtime says, where its silence would be taken for a start that never came about: what it writes itself does not
        /// outlive a power cut, and a program that may have run is not run again (I-POD-2).
        func corrected(_ runs: [ContainerRun: AdoptedPhase]) -> [ContainerRun: AdoptedPhase] {
            guard isOfFormerBoot else { return runs }
            var runs = runs
            for slot in machine.containers {
                guard case .starting = slot.phase, runs[slot.run] == nil || runs[slot.run] == .created else { continue }
                runs[slot.run] = .unknown("the machine was restarted while the container was being started")
            }
            return runs
        }
    }

    /// What it returns from outlives this process; with `durable` a power cut too.
    func save(_ machine: PodStateMachine, uid: String, durable: Bool = true) async throws {
        let bytes = try JSON.encode(PodRecord(machine: machine, boot: boot))
        try await DiskFiles.perform {
            try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
            try DiskFiles.alternate(paths.record(uid), with: bytes, durable: durable)
        }
    }

    /// The final status arrived, and nothing else is new: the record gets another name, which is a tenth of the work of writing it.
    func settle(_ machine: PodStateMachine, uid: String) async throws {
        let wasThere = await DiskFiles.perform { rename(paths.record(uid), paths.settledRecord(uid)) == 0 }
        if !wasThere { try await save(machine, uid: uid, durable: false) }
    }

    /// Every record that can be read, by uid. A damaged one is named in the log and costs only its own pod.
    func load(_ logger: Logger) async -> [String: Found] {
        await DiskFiles.perform {
            var found: [String: Found] = [:]
            for uid in DiskFiles.names(in: paths.pods) {
                do {
                    let isSettled = !DiskFiles.exists(paths.record(uid)) && DiskFiles.exists(paths.settledRecord(uid))
                    let path = isSettled ? paths.settledRecord(uid) : paths.record(uid)
                    let record = try JSON.decode(PodRecord.self, from: try DiskFiles.read(path))
                    guard record.version == PodRecord.currentVersion else {
                        logger.warning(
                            "pod record of another version ignored", metadata: ["uid": "\(uid)", "version": "\(record.version)"])
                        continue
                    }
                    found[uid] = Found(
                        machine: isSettled ? record.machine.settled() : record.machine,
                        isOfFormerBoot: record.boot.map { $0 != boot } ?? false)
                } catch {
                    logger.warning("pod record ignored", metadata: ["uid": "\(uid)", "error": "\(JSON.describe(error))"])
                }
            }
            return found
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
