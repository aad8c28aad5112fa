// A jail of a few lines for one operation at a time: the host's programs, what a test adds, a shell script that looks from inside.

import CLinux
import Glibc
import SandboxPolicy
import Testing

/// The parts of a plan by their place in the order; the lab adds what every jail needs.
struct Jail {
    var supervision: [LaunchOperation] = []
    var namespaces: [LaunchOperation] = []
    /// nil: a tmpfs.
    var root: [LaunchOperation]?
    var files: [LaunchOperation] = []
    var proc: LaunchOperation? = .proc(path: "/proc")
    var enter: LaunchOperation = .pivot
    var system: [LaunchOperation] = []
    var process: [LaunchOperation] = []
    var workingDirectory = "/"
    var wall: [LaunchOperation] = []
    var filters: [LaunchOperation] = []

    /// A user namespace of 65,536 ids whose root is `start` outside, and a task that is that root without capabilities.
    static func mapped(_ start: UInt32 = 0x4001_0000) -> Jail {
        var jail = Jail()
        jail.namespaces = [
            .namespace(.user), .uidMap(inside: 0, host: start, count: 65_536), .gidMap(inside: 0, host: start, count: 65_536),
            .owner(uid: start, gid: start),
        ]
        jail.process = [
            .enterUserNamespace, .dropBoundingSet, .user(uid: 0, gid: 0, groups: []), .dropCapabilities, .noNewPrivileges,
        ]
        return jail
    }
}

struct JailResult {
    var status: Int32
    var output: [String]
    var state: String

    /// The stage at which the start failed, if it did.
    var stage: String? {
        guard let range = state.firstRange(of: "\"stage\":\"") else { return nil }
        return String(state[range.upperBound...].prefix { $0 != "\"" })
    }
}

struct OperationLab {
    let directory: String
    var place: String { "\(directory)/root" }

    init() throws {
        var template = Array("/var/tmp/swiftlet-operation.XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        chmod(directory, 0o755)
        mkdir("\(directory)/root", 0o755)
        mkdir("\(directory)/state", 0o700)
    }

    /// A directory beneath the lab's own, with its parents.
    @discardableResult
    func make(_ path: String, mode: mode_t = 0o755) -> String {
        var sofar = directory
        for part in path.split(separator: "/") {
            sofar += "/\(part)"
            mkdir(sofar, 0o755)
        }
        chmod(sofar, mode)
        return sofar
    }

    @discardableResult
    func write(_ path: String, _ text: String, mode: mode_t = 0o644) -> String {
        let full = "\(directory)/\(path)"
        let descriptor = clinux_open(full, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode)
        #expect(Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count)
        close(descriptor)
        return full
    }

    /// Directories that an image needs to be one.
    func makeImage(_ name: String) -> String {
        for part in ["usr", "proc", "dev", "tmp", "etc"] { make("\(name)/\(part)") }
        return "\(directory)/\(name)"
    }

    func plan(_ jail: Jail, _ script: String) -> LaunchPlan {
        let programs: [LaunchOperation] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"].map {
            .bind(source: $0, path: $0, flags: [.readOnly, .noSuid, .noDev, .optional, .copyLink])
        }
        let output: [LaunchOperation] = [
            .id("operation"), .log(path: "\(directory)/log", maximumBytes: 1 << 20), .grace(milliseconds: 1000),
        ]
        let root = jail.root ?? [.rootTmpfs(at: place, options: TmpfsOptions(bytes: 1 << 20, inodes: 1024, mode: 0o755))]
        return LaunchPlan(
            operations: output + jail.supervision + jail.namespaces + [.namespace(.mount), .namespace(.pid)] + root + programs
                + jail.files
                + (jail.proc.map { [$0] } ?? []) + [.device("null"), jail.enter] + jail.system + jail.process
                + [.workingDirectory(jail.workingDirectory)] + jail.wall + [.environment("PATH=/usr/sbin:/usr/bin:/sbin:/bin")]
                + ["/bin/sh", "-c", script].map { .argument($0) } + jail.filters)
    }

    func run(_ jail: Jail, _ script: String) throws -> JailResult { try run(plan(jail, script)) }

    func run(_ plan: LaunchPlan) throws -> JailResult {
        write("plan", plan.text)
        unlink("\(directory)/log")
        // The same promises by the resident launcher: SWIFTLET_TEST_RESIDENT=1.
        let command = ["supervise", "--foreground", "--plan", "\(directory)/plan", "--state-dir", "\(directory)/state"]
        let status = getenv("SWIFTLET_TEST_RESIDENT") == nil ? try Self.launch(command) : try runResident(plan)
        let output = Lab.text("\(directory)/log").split(separator: "\n").map {
            $0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).joined()
        }
        return JailResult(status: status, output: output, state: Lab.text("\(directory)/state/state.json"))
    }

    /// Exit status of the launcher with these arguments.
    static func launch(_ arguments: [String]) throws -> Int32 {
        let launcher = try #require(Machine.launcher)
        return try status(of: try spawn(launcher, arguments))
    }

    static func spawn(_ program: String, _ arguments: [String]) throws -> pid_t {
        var pid: pid_t = 0
        var pointers = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"), nil]
        defer { for pointer in environment { free(pointer) } }
        try #require(clinux_spawn(&pid, program, &pointers, &environment, -1, -1) == 0)
        return pid
    }

    static func status(of pid: pid_t) throws -> Int32 {
        var status: Int32 = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    func cleanUp() throws {
        #expect(!Lab.text("/proc/self/mounts").contains(directory), "mounts are left")
        _ = try Self.status(of: Self.spawn("/bin/rm", ["-rf", directory]))
    }
}

/// Runs the body in a lab of its own and cleans up whatever happens.
func withOperationLab(_ body: (OperationLab) throws -> Void) throws {
    let lab = try OperationLab()
    do { try body(lab) } catch {
        try? lab.cleanUp()
        throw error
    }
    try lab.cleanUp()
}
