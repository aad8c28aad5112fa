// What is to be done about the logs on a node's disk: which files go, which are compressed, which runs are to begin a new file.

/// A file of a pod's log directory, as found.
public struct LogFileFact: Sendable, Hashable {
    public var container: String
    public var name: LogFileName
    public var bytes: Int64
    public var modified: UnixNanoseconds

    public init(container: String, name: LogFileName, bytes: Int64, modified: UnixNanoseconds) {
        self.container = container
        self.name = name
        self.bytes = bytes
        self.modified = modified
    }
}

/// The log directory of a pod.
public struct LogDirectoryFact: Sendable, Hashable {
    /// Name of the directory.
    public var name: String
    /// nil: no pod of this node; else its containers' runs that may still write.
    public var running: Set<ContainerRun>?
    /// Since when nobody writes, for one without a pod.
    public var abandonedAt: UnixNanoseconds
    public var files: [LogFileFact]

    public init(name: String, running: Set<ContainerRun>?, abandonedAt: UnixNanoseconds, files: [LogFileFact]) {
        self.name = name
        self.running = running
        self.abandonedAt = abandonedAt
        self.files = files
    }

    var bytes: Int64 { files.reduce(0) { $0 + $1.bytes } }
}

public enum LogAction: Sendable, Hashable {
    case removeDirectory(String)
    case remove(directory: String, container: String, LogFileName)
    case compress(directory: String, container: String, LogFileName)
    /// Its present file holds nothing but old lines: the runtime is asked to begin a new one.
    case reopen(directory: String, ContainerRun)
}

public struct LogRetention: Sendable {
    public var policy: LogPolicy

    public init(policy: LogPolicy) { self.policy = policy }

    public func actions(for directories: [LogDirectoryFact], now: UnixNanoseconds) -> [LogAction] {
        let gone = forgotten(directories, now)
        let kept = directories.filter { !gone.contains($0.name) }
        return gone.sorted().map { .removeDirectory($0) } + kept.flatMap { actions(in: $0, now) }
    }

    /// Directories of pods that are gone: too old, or beyond the bytes, newest kept first.
    private func forgotten(_ directories: [LogDirectoryFact], _ now: UnixNanoseconds) -> Set<String> {
        let abandoned = directories.filter { $0.running == nil }.sorted { ($0.abandonedAt, $0.name) > ($1.abandonedAt, $1.name) }
        var bytes: Int64 = 0
        var gone: Set<String> = []
        for directory in abandoned {
            bytes += directory.bytes
            let isOld = isOlder(directory.abandonedAt, than: policy.keepAfterPodSeconds, now)
            if isOld || bytes > policy.keepAfterPodBytes { gone.insert(directory.name) }
        }
        return gone
    }

    private func actions(in directory: LogDirectoryFact, _ now: UnixNanoseconds) -> [LogAction] {
        let runs = Dictionary(grouping: directory.files) { ContainerRun(name: $0.container, attempt: $0.name.attempt) }
        return runs.sorted { ($0.key.name, $0.key.attempt) < ($1.key.name, $1.key.attempt) }.flatMap { run, files in
            actions(for: files, run, isRunning: directory.running?.contains(run) == true, directory.name, now)
        }
    }

    private func actions(
        for files: [LogFileFact], _ run: ContainerRun, isRunning: Bool, _ directory: String, _ now: UnixNanoseconds
    ) -> [LogAction] {
        var actions: [LogAction] = []
        // Whoever follows the log is likely in the newest rotated one; it stays as it is until it is no longer that.
        let newest = files.compactMap(\.name.number).max()
        for file in files.sorted(by: { ($0.name.number ?? .max) < ($1.name.number ?? .max) }) {
            let isOld = policy.maximumAgeSeconds.map { isOlder(file.modified, than: $0, now) } ?? false
            if isOld, file.bytes > 0 || file.name.number != nil {
                if file.name.number == nil, isRunning {
                    actions.append(.reopen(directory: directory, run))
                } else {
                    actions.append(.remove(directory: directory, container: run.name, file.name))
                }
            } else if policy.compresses, !file.name.isCompressed, let number = file.name.number, !isRunning || number != newest {
                actions.append(.compress(directory: directory, container: run.name, file.name))
            }
        }
        return actions
    }

    private func isOlder(_ time: UnixNanoseconds, than seconds: Int64, _ now: UnixNanoseconds) -> Bool {
        time.adding(seconds: seconds) <= now
    }
}
