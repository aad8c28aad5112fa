// The agent's memory: one file per pod, written before the effects that it announces; and, where these files lie in the machine's
// memory, what of them is on the disk for its next boot.
import AgentCore
import Glibc
import JSON
import KubernetesModel
import Logging
import Synchronization

/// `<records>/<uid>/record.json`: the pod's whole state machine; `settled.json` once its final status has arrived.
struct PodRecord: Codable, Sendable {
    static let currentVersion = 1

    var version: Int
    /// The machine's boot in which it was written; nil in records of earlier agents.
    var boot: String?
    /// Grows with every record of the node; nil in records of earlier agents.
    var serial: UInt64?
    var machine: PodStateMachine

    init(machine: PodStateMachine, boot: String, serial: UInt64) {
        version = Self.currentVersion
        self.boot = boot
        self.serial = serial
        self.machine = machine
    }
}

final class PodRecordStore: Sendable {
    let paths: AgentPaths
    private let files: PodRecordFiles
    let boot: String
    /// Of the journal; 0: there is none, and what has to last is flushed file by file.
    private let journalBytes: Int
    private let state = Mutex(State())

    private struct State {
        var serial: UInt64 = 0
        var journal: RecordJournal?
    }

    init(paths: AgentPaths, boot: String, journalBytes: Int = 0) {
        self.paths = paths
        files = PodRecordFiles(paths: paths)
        self.boot = boot
        self.journalBytes = journalBytes
    }

    /// A pod as a former agent left it.
    struct Found: Sendable {
        var machine: PodStateMachine
        /// The machine was restarted since: what the runtime had on disk may be lost.
        var isOfFormerBoot: Bool

        /// What the runtime says, where its silence would be taken for a start that never came about: what it writes itself
        /// does not outlive a power cut, and a program that may have run is not run again (I-POD-2).
        func corrected(_ runs: [ContainerRun: AdoptedPhase]) -> [ContainerRun: AdoptedPhase] {
            guard isOfFormerBoot else { return runs }
            var runs = runs
            for slot in machine.containers {
                guard runs[slot.run] == nil || runs[slot.run] == .created else { continue }
                switch slot.phase {
                case .starting: runs[slot.run] = .unknown("the machine was restarted while the container was being started")
                case .running, .stopping: runs[slot.run] = .unknown("the machine was restarted while it ran")
                case .waiting, .exited, .backingOff: continue
                }
            }
            return runs
        }
    }

    private func nextSerial() -> UInt64 {
        state.withLock { state in
            state.serial += 1
            return state.serial
        }
    }

    /// What it returns from outlives this process; with `durable` a power cut too.
    func save(_ machine: PodStateMachine, uid: String, durable: Bool = true) async throws {
        let serial = nextSerial()
        let bytes = try JSON.encode(PodRecord(machine: machine, boot: boot, serial: serial))
        let (journal, files) = (durable ? state.withLock(\.journal) : nil, files)
        guard let journal else { return try await DiskFiles.perform { try files.write(bytes, uid, durable: durable) } }
        let lasts = try await DiskFiles.performHandingOn { (done: @escaping @Sendable (Result<Bool, any Error>) -> Void) in
            do {
                try files.write(bytes, uid, durable: false)
                journal.append(uid: uid, bytes) { done(.success($0)) }
            } catch { done(.failure(error)) }
        }
        if !lasts { try await DiskFiles.perform { try files.flush(uid) } }
    }

    /// The final status arrived, and nothing else is new: the record gets another name, which is a tenth of the work of
    /// writing it.
    func settle(_ machine: PodStateMachine, uid: String) async throws {
        // How a static pod ended nobody else knows after the machine's restart; of others the API server does.
        if paths.records != nil, StaticPod.isStatic(machine.pod) { return try await save(machine, uid: uid) }
        let wasThere = try await DiskFiles.perform { [files] in
            try files.dropCopy(uid)
            return files.settle(uid)
        }
        if !wasThere { try await save(machine, uid: uid, durable: false) }
        state.withLock(\.journal)?.release(uid)
    }

    /// The final status arrived, while there is still something to remove: a power cut may take the record, as the API server tells a pod that
    /// is over to whoever comes next. Without this the journal would be full of them in a burst, and each be moved to a file.
    func release(_ machine: PodStateMachine, uid: String) async throws {
        // Of a static pod's end nobody else would know; and a file on the disk may still be an older one there, which the journal's turn flushes.
        if StaticPod.isStatic(machine.pod) || paths.records == nil { return }
        try await DiskFiles.perform { [files] in try files.dropCopy(uid) }
        state.withLock(\.journal)?.release(uid)
    }

    // MARK: A former life

    /// Every record that can be read, by uid. A damaged one is named in the log and costs only its own pod.
    func load(_ logger: Logger) async -> [String: Found] {
        await DiskFiles.perform { self.loaded(logger) }
    }

    private func loaded(_ logger: Logger) -> [String: Found] {
        let journaled = openJournal(logger).compactMapValues { try? JSON.decode(PodRecord.self, from: $0.body) }
        var (found, newest) = ([String: Found](), UInt64(0))
        for uid in files.uids.union(journaled.keys) {
            guard let (record, isSettled, isGuess) = read(uid, journaled[uid], logger) else { continue }
            newest = max(newest, record.serial ?? 0)
            found[uid] = Found(
                machine: isSettled ? record.machine.settled() : record.machine,
                isOfFormerBoot: isGuess || (record.boot.map { $0 != boot } ?? false))
        }
        state.withLock { $0.serial = max($0.serial, newest) }
        return found
    }

    /// The pod's record. `isGuess`: something newer may have been lost.
    private func read(_ uid: String, _ journaled: PodRecord?, _ logger: Logger) -> (PodRecord, isSettled: Bool, isGuess: Bool)? {
        // In the same boot the files are whole, whatever the disk has of them; who damaged one of them is no power cut.
        let isLost = paths.records == nil ? journaled.map { $0.boot != boot } ?? false : !files.exists(uid)
        if !isLost {
            guard DiskFiles.exists(paths.podRecords(uid)) else { return nil }
            return readFile(uid, paths, nil, logger).map { ($0.0, $0.1, false) }
        }
        // Of memory nothing is left after a restart of the machine, nor was there anything when records were on the disk until now.
        let onDisk = AgentPaths(state: paths.state)
        if journaled == nil, !PodRecordFiles(paths: onDisk).exists(uid) { return nil }
        return readFile(uid, onDisk, journaled, logger).map { ($0.0, $0.1, paths.records != nil) }
    }

    /// The pod's file, or what a power cut took from it.
    private func readFile(
        _ uid: String, _ paths: AgentPaths, _ backup: PodRecord?, _ logger: Logger
    ) -> (PodRecord, isSettled: Bool)? {
        let isSettled = !DiskFiles.exists(paths.record(uid)) && DiskFiles.exists(paths.settledRecord(uid))
        var failure = "of another version"
        do {
            let path = isSettled ? paths.settledRecord(uid) : paths.record(uid)
            let record = try JSON.decode(PodRecord.self, from: try DiskFiles.read(path))
            if record.version == PodRecord.currentVersion, record.serial ?? 0 >= backup?.serial ?? 0 { return (record, isSettled) }
        } catch { failure = JSON.describe(error) }
        guard let backup, backup.version == PodRecord.currentVersion else {
            logger.warning("pod record ignored", metadata: ["uid": "\(uid)", "error": "\(failure)"])
            return nil
        }
        do {
            try files.write(try JSON.encode(backup), uid, durable: true)
        } catch {
            logger.warning("pod record not written anew", metadata: ["uid": "\(uid)", "error": "\(error)"])
        }
        return (backup, false)
    }

    /// Without it records are flushed file by file, which takes longer and lasts as well.
    private func openJournal(_ logger: Logger) -> [String: RecordJournalEntry] {
        guard journalBytes > 0 else { return [:] }
        do throws(FileError) {
            try DiskFiles.makeDirectory(paths.state)
            let opened = try RecordJournal.open(paths.recordJournal, bytes: journalBytes) { [files] uid throws(FileError) in
                // Settled or gone since.
                if DiskFiles.exists(files.paths.record(uid)) { try files.flush(uid) }
            }
            state.withLock { $0.journal = opened.journal }
            return opened.found
        } catch {
            logger.warning("no journal of records", metadata: ["error": "\(error)"])
            return [:]
        }
    }

    /// At an orderly end: nothing stays in memory of pods that are over.
    func leaveMemory() async {
        await DiskFiles.perform { [files] in files.leaveMemory() }
    }

    /// Uids of which there is a directory, with or without a readable record.
    func directories() async -> Set<String> {
        await DiskFiles.perform { [files] in files.uids }
    }

    /// The pod's directories with all that is in them.
    func remove(uid: String) async throws {
        let journal = state.withLock(\.journal)
        try await DiskFiles.perform { [paths, files] in
            try paths.removeVolumes(uid)
            // Whoever is killed in between finds the record in memory last, not first what is left of it.
            try DiskFiles.removeTree(paths.pod(uid))
            journal?.forget(uid)
            try files.forget(uid)
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
