// Where the record of a pod is written: to a file on the disk, or to one in memory with a copy on the disk for the machine's next boot
// where the journal has none. Everything here blocks.
import Glibc

struct PodRecordFiles: Sendable {
    let paths: AgentPaths

    /// Of which there is a directory.
    var uids: Set<String> { Set(DiskFiles.names(in: paths.pods)).union(paths.records.map { DiskFiles.names(in: $0.directory) } ?? []) }

    /// Whether there is a record where records are.
    func exists(_ uid: String) -> Bool {
        DiskFiles.exists(paths.record(uid)) || DiskFiles.exists(paths.settledRecord(uid))
    }

    /// `durable`: what it returns from outlives a power cut, without the journal's help.
    func write(_ bytes: [UInt8], _ uid: String, durable: Bool) throws(FileError) {
        guard paths.records != nil else {
            try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
            return try DiskFiles.alternate(paths.record(uid), with: bytes, durable: durable)
        }
        do throws(FileError) {
            try DiskFiles.makeDirectory(paths.podRecords(uid), mode: 0o700)
            try DiskFiles.replace(paths.record(uid), with: bytes, durable: false)
        } catch {
            // No room, say. The older one would be taken for the newest.
            unlink(paths.record(uid))
            return try keep(bytes, uid)
        }
        if durable { try keep(bytes, uid) }
    }

    /// What the record's file has outlives a power cut.
    func flush(_ uid: String) throws(FileError) {
        if paths.records != nil, DiskFiles.exists(paths.record(uid)) {
            return try keep(try DiskFiles.read(paths.record(uid)), uid)
        }
        for path in [paths.keptRecord(uid), paths.pod(uid)] { try DiskFiles.flush(path) }
    }

    private func keep(_ bytes: [UInt8], _ uid: String) throws(FileError) {
        try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711)
        try DiskFiles.alternate(paths.keptRecord(uid), with: bytes, durable: true)
        try DiskFiles.flush(paths.pod(uid))
    }

    /// The record gets the name of one that nobody waits for any more; false when there is none where records are.
    func settle(_ uid: String) -> Bool { rename(paths.record(uid), paths.settledRecord(uid)) == 0 }

    /// A copy on the disk is older than a settled record, and after the machine's restart would tell of a pod that runs. What it returns
    /// from outlives a power cut: the journal, which knows better, may forget the pod then.
    func dropCopy(_ uid: String) throws(FileError) {
        guard paths.records != nil, unlink(paths.keptRecord(uid)) == 0 else { return }
        try DiskFiles.flush(paths.pod(uid))
    }

    /// At an orderly end: records that nobody waits for go to the disk, so that nothing stays in memory when no pod runs any more.
    func leaveMemory() {
        guard let records = paths.records else { return }
        let onDisk = AgentPaths(state: paths.state)
        for uid in DiskFiles.names(in: records.directory) where !DiskFiles.exists(paths.record(uid)) {
            do throws(FileError) {
                let bytes = try DiskFiles.read(paths.settledRecord(uid))
                try DiskFiles.makeDirectory(onDisk.pod(uid), mode: 0o711)
                try DiskFiles.replace(onDisk.settledRecord(uid), with: bytes, durable: false)
                try forget(uid)
            } catch { continue }  // gone meanwhile, or the disk takes none: it stays where the next agent looks first
        }
    }

    /// What there is in memory.
    func forget(_ uid: String) throws(FileError) {
        if paths.records != nil { try DiskFiles.removeTree(paths.podRecords(uid)) }
    }
}
