// Runs the plan of a command line on this kernel, as root or, through the launcher itself, as an ordinary user.

import CLinux
import Cgroups
import Glibc
import JSON
import SandboxPolicy
import Synchronization
import Testing

@testable import SandboxRun

struct RealRun {
    static let uid: UInt32 = 1500

    var status: Int32
    var output: String
    var errors: String
    /// The launcher's record; nil when the run keeps none.
    var record: JSONValue?
    var plan: RunPlan

    var lines: [String] { output.split(separator: "\n").map(String.init) }

    private static let runs = Atomic<Int32>(0)

    /// A machine that gives every run ids and cgroups of its own.
    static func machine() -> Machine {
        var machine = Machine.probe()
        machine.processID = (getpid() % 300) * 100 + runs.wrappingAdd(1, ordering: .relaxed).newValue
        return machine
    }

    /// The same as an ordinary user without delegated cgroups sees it.
    static func userMachine() -> Machine {
        var user = machine()
        user.rootless = Machine.Rootless(uid: uid, gid: uid)
        user.cgroups = CgroupHost(hierarchies: [:])
        user.cgroupReason = "no cgroup is delegated to uid \(uid)"
        user.mayRaiseLimits = false
        user.oomScoreMinimum = 0
        user.niceMinimum = 0
        return user
    }

    init(_ words: [String], machine: Machine = RealRun.machine(), input: String = "", withRecord: Bool = true) throws {
        guard case .run(let options) = try RunOptions.parse(words) else {
            throw RunFailure(field: "", found: "help", expected: "options")
        }
        plan = try RunPlan(options, machine: machine, resources: .machine)
        let scratch = try ScratchDirectory("swiftlet-run-test")
        let launcher = try Self.launcher(in: scratch.path)
        chmod(scratch.path, 0o755)
        let planPath = scratch.path + "/plan"
        let state = scratch.path + "/state"
        try #require(SmallFile.create(planPath, plan.launch.encoded(), mode: 0o644))
        let made = mkdir(state, 0o700)
        try #require(made == 0)
        var words = [launcher, "supervise", "--foreground", "--plan", planPath] + (withRecord ? ["--state-dir", state] : [])
        if let user = machine.rootless {
            chown(state, user.uid, user.gid)
            words = try Self.asUser(words, user: user, launcher: launcher, directory: scratch.path)
        }
        let files = ["in", "out", "err"].map { (name: String) in clinux_memfd(name) }
        defer { for file in files { close(file) } }
        _ = SmallFile.write(Array(input.utf8), to: files[0])
        lseek(files[0], 0, SEEK_SET)
        var pid: pid_t = 0
        var spawned = ETXTBSY
        // A child that another test forks holds the copy open for writing until its own exec, and so long nobody may execute it.
        for _ in 0..<6_000 where spawned == ETXTBSY {
            spawned = Launcher.withPointers(words) { arguments in
                clinux_spawn_with_input(&pid, launcher, arguments, [nil], files[0], files[1], files[2])
            }
            if spawned == ETXTBSY { usleep(10_000) }
        }
        try #require(spawned == 0 && pid > 0, "\(launcher): \(String(cString: strerror(spawned)))")
        let ended = Self.wait(pid)
        status = ended & 0x7f == 0 ? (ended >> 8) & 0xff : 128 + (ended & 0x7f)
        output = Self.contents(files[1])
        errors = Self.contents(files[2])
        record = SmallFile.readBytes(state + "/state.json").flatMap { try? JSONValue(parsing: $0) }
    }

    /// The wait status; a run that does not come to its end is ended, and its test fails by the status.
    private static func wait(_ pid: pid_t) -> Int32 {
        let handle = clinux_pidfd_open(pid, 0)
        defer { close(handle) }
        var ready = pollfd(fd: handle, events: Int16(POLLIN), revents: 0)
        if poll(&ready, 1, 60_000) != 1 { kill(pid, SIGKILL) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        return status
    }

    /// An outer plan without any namespace takes the user's ids and executes the launcher again, as a login would.
    private static func asUser(_ words: [String], user: Machine.Rootless, launcher: String, directory: String) throws -> [String]
    {
        let outer = LaunchPlan(
            operations: [
                .id("as-user"), .inheritStandardStreams, .grace(milliseconds: 1000),
                .user(uid: user.uid, gid: user.gid, groups: []),
                .noNewPrivileges, .workingDirectory("/"),
            ] + words.map { .argument($0) })
        let path = directory + "/outer"
        try #require(SmallFile.create(path, outer.encoded()))
        return [launcher, "supervise", "--foreground", "--plan", path]
    }

    /// A copy where everybody may execute it: the build directory need not be open to others.
    static func launcher(in directory: String) throws -> String {
        let path = directory + "/swiftlet-sandbox"
        let bytes = try #require(SmallFile.readBytes(built, maximumBytes: 64 << 20), "\(built) was not built")
        try #require(SmallFile.create(path, bytes, mode: 0o755))
        return path
    }

    /// $SWIFTLET_SANDBOX, else beside the test bundle.
    static let built: String = {
        if let path = getenv("SWIFTLET_SANDBOX") { return String(cString: path) }
        for argument in CommandLine.arguments where argument.contains(".xctest") || argument.contains("PackageTests") {
            guard let slash = argument.lastIndex(of: "/") else { continue }
            let path = "\(argument[..<slash])/swiftlet-sandbox"
            if RunPath.isExecutable(path) { return path }
        }
        return ".build/debug/swiftlet-sandbox"
    }()

    private static func contents(_ descriptor: Int32) -> String {
        lseek(descriptor, 0, SEEK_SET)
        return SmallFile.read("/proc/self/fd/\(descriptor)") ?? ""
    }

    static let canRun: Bool = {
        if geteuid() != 0 {
            print("SKIPPED swiftlet run on this kernel: not root, so neither id ranges nor another user can be tried")
        }
        return geteuid() == 0
    }()
}
