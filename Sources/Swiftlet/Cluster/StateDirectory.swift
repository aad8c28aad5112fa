// Where `swiftlet up` keeps its cluster on disk: one directory, in which each process has one of its own.
import Glibc
import JSON

struct StateDirectory: Sendable, Hashable {
    let path: String

    static let defaultPath = ".swiftlet"

    init(_ path: String) { self.path = FileText.absolute(path) }

    var kubeconfig: String { "\(path)/kubeconfig" }
    /// There while the cluster is up and its nodes are Ready; JSON.
    var ready: String { "\(path)/ready" }
    var record: String { "\(path)/up.json" }
    var lock: String { "\(path)/lock" }
    var logs: String { "\(path)/logs" }
    var master: String { "\(path)/master" }

    func node(_ domain: String) -> String { "\(path)/nodes/\(domain)" }
    func log(_ process: String) -> String { "\(logs)/\(process).log" }

    func make(domains: [String]) throws {
        try FileText.makeDirectory(path, mode: 0o700)
        for directory in [logs, master] + domains.map(node) { try FileText.makeDirectory(directory, mode: 0o700) }
    }
}

/// Who runs on a state directory; `down` reads it, also after a crash of `up`.
struct UpRecord: Codable, Sendable {
    var up: ProcessIdentity
    /// "master", and each domain's id.
    var children: [String: ProcessIdentity]
    var port: Int
    var domains: [String]

    func write(to state: StateDirectory) throws { try FileText.write(bytes: JSON.encode(self), to: state.record) }

    static func read(from state: StateDirectory) -> UpRecord? {
        FileText.bytes(state.record).flatMap { try? JSON.decode(UpRecord.self, from: $0) }
    }
}

/// The directory's lock: one `up` at a time. Released by the kernel with the process, however it ends.
struct StateDirectoryLock: Sendable {
    private let descriptor: Int32

    /// nil when another process holds it.
    static func acquire(_ state: StateDirectory) throws -> StateDirectoryLock? {
        try FileText.makeDirectory(state.path, mode: 0o700)
        let descriptor = open(state.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw CommandFailure("cannot open \(state.lock): \(String(cString: strerror(errno)))", hint: nil)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        return StateDirectoryLock(descriptor: descriptor)
    }
}
