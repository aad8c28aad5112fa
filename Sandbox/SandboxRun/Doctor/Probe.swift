// A probe is a small launch plan that is really carried out: what it needs works if the launcher gets past it.
import CLinux
import Cgroups
import Glibc
import JSON
import SandboxPolicy

struct Probe {
    enum Outcome: Sendable, Hashable {
        case works
        /// The launcher's stage and the system's message.
        case failed(stage: String, message: String)

        var works: Bool { self == .works }
        var reason: String {
            switch self {
            case .works: ""
            case .failed(let stage, let message): "\(stage): \(message)"
            }
        }
    }

    let launcher: Launcher
    let machine: Machine
    let scratch: ScratchDirectory

    /// The groups of a plan in their order; what every probe has in common is added.
    struct Steps {
        var cgroups: [LaunchOperation] = []
        var namespaces: [LaunchOperation.Namespace] = []
        var timeOffsets: [LaunchOperation] = []
        var fileSystem: [LaunchOperation] = []
        var system: [LaunchOperation] = []
        var process: [LaunchOperation] = []
        /// Behind no_new_privs.
        var walls: [LaunchOperation] = []
        var supervision: [LaunchOperation] = []
        var seccomp: [LaunchOperation] = []
        /// A user namespace even for root.
        var user = false
    }

    func plan(_ steps: Steps) -> LaunchPlan {
        let rootless = machine.rootless
        let needsUser = rootless != nil || steps.user
        var operations: [LaunchOperation] = [
            .id("probe"), .log(path: scratch.path + "/log", maximumBytes: 65_536), .grace(milliseconds: 0),
        ]
        operations += steps.supervision + steps.cgroups
        if needsUser { operations.append(.namespace(.user)) }
        operations += steps.namespaces.map { .namespace($0) } + steps.timeOffsets
        if let rootless {
            operations += [
                .uidMap(inside: 0, host: rootless.uid, count: 1), .gidMap(inside: 0, host: rootless.gid, count: 1),
                .rootless(.direct),
            ]
        } else if needsUser {
            let first = HostIDs.commands.lowerBound
            operations += [
                .uidMap(inside: 0, host: first, count: 65_536), .gidMap(inside: 0, host: first, count: 65_536),
                .owner(uid: first, gid: first),
            ]
        }
        operations += steps.fileSystem + steps.system + steps.process
        if needsUser, rootless == nil { operations.append(.enterUserNamespace) }
        if needsUser { operations.append(.user(uid: 0, gid: 0, groups: [])) }
        operations += [.noNewPrivileges] + steps.walls
        // Without arguments it says how it is used and ends.
        operations += [.argument(launcher.path)] + steps.seccomp
        return LaunchPlan(operations: operations)
    }

    /// The exit status of a command under these steps; nil when it was not started.
    func status(of words: [String], _ change: (inout Steps) -> Void) -> Int64? {
        var steps = Steps()
        change(&steps)
        var plan = plan(steps)
        guard let index = plan.operations.firstIndex(of: .argument(launcher.path)) else { return nil }
        plan.operations.replaceSubrange(index...index, with: words.map { .argument($0) })
        guard run(plan).works, let record = record(scratch.path), record["phase"]?.stringValue == "exited" else { return nil }
        return record["exitCode"]?.intValue
    }

    func run(_ change: (inout Steps) -> Void) -> Outcome {
        var steps = Steps()
        change(&steps)
        return run(plan(steps))
    }

    func run(_ plan: LaunchPlan) -> Outcome {
        let state = scratch.path + "/state.json"
        unlink(state)
        guard let pid = try? launcher.start(plan, stateDirectory: scratch.path) else {
            return .failed(stage: "launcher", message: "\(launcher.path) could not be started")
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        guard let record = SmallFile.readBytes(state).flatMap({ try? JSONValue(parsing: $0) }) else {
            return .failed(stage: "launcher", message: "no record was written (status \(status >> 8))")
        }
        return Self.outcome(record)
    }

    func record(_ directory: String) -> JSONValue? {
        SmallFile.readBytes(directory + "/state.json").flatMap { try? JSONValue(parsing: $0) }
    }

    /// Exec is the last stage: whoever reached it passed everything before.
    static func outcome(_ record: JSONValue) -> Outcome {
        guard record["phase"]?.stringValue == "failed" else { return .works }
        let stage = record["error"]?["stage"]?.stringValue ?? "start"
        if stage.hasPrefix("exec(") { return .works }
        return .failed(stage: stage, message: record["error"]?["message"]?.stringValue ?? "failed")
    }
}

/// A directory for the length of a call, below $TMPDIR or /tmp.
final class ScratchDirectory: Sendable {
    let path: String

    init(_ name: String) throws(RunFailure) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/\(name).XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.map { mkdtemp($0) != nil } ?? false }
        guard made else {
            throw .system("scratch directory", parent)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        // An overlay leaves a directory behind that nobody may enter.
        chmod(path, 0o700)
        guard let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name == "." || name == ".." { continue }
            var info = stat()
            let child = "\(path)/\(name)"
            guard lstat(child, &info) == 0 else { continue }
            if info.st_mode & S_IFMT == S_IFDIR { remove(child) } else { unlink(child) }
        }
        closedir(directory)
        rmdir(path)
    }
}
