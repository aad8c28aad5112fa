// The launcher on cgroup v2: plans as SandboxPolicy writes them, with the groups as Cgroups plans them, and the record that stays.

import Cgroups
import Glibc
import SandboxPolicy

/// One launch in a directory of its own.
struct Launch {
    let directory: String
    let group: Cgroup

    init(_ host: CgroupHost, _ name: String, _ limits: CgroupLimits, _ script: String, deadlineMilliseconds: Int64? = nil) throws
    {
        directory = "/tmp/launch-\(name)"
        group = host.group("launch/\(name)", for: limits)
        mkdir(directory, 0o755)
        let plan = try Self.plan(host, name, limits, script, deadlineMilliseconds: deadlineMilliseconds, directory: directory)
        let descriptor = open("\(directory)/plan", O_CREAT | O_WRONLY | O_TRUNC, 0o600)
        try require(descriptor >= 0, "plan file")
        let bytes = plan.encoded()
        try require(write(descriptor, bytes, bytes.count) == bytes.count, "plan file")
        close(descriptor)
        // Its output goes nowhere: the task's init keeps the launcher's standard descriptors as long as the task lives.
        let command =
            "exec swiftlet-sandbox supervise --plan \(directory)/plan --state-dir \(directory) </dev/null >/dev/null 2>&1"
        let outcome = try runProgram(["/bin/sh", "-c", command])
        try require(outcome.exitCode == 0, "supervise: \(outcome.exitCode) \(record)")
    }

    private static func plan(
        _ host: CgroupHost, _ name: String, _ limits: CgroupLimits, _ script: String, deadlineMilliseconds: Int64?,
        directory: String
    ) throws -> LaunchPlan {
        let groups = host.plan([CgroupLevel("launch/\(name)", limits)])
        var operations: [LaunchOperation] = [
            .id(name), .log(path: "\(directory)/log", maximumBytes: 65_536), .grace(milliseconds: 500),
        ]
        if let deadlineMilliseconds { operations.append(.deadline(milliseconds: deadlineMilliseconds)) }
        operations += groups.operations.map { operation in
            switch operation {
            case .make(let version, let path): .makeCgroup(version: version, path: path)
            case .set(let path, let file, let value): .setCgroup(path: path, file: file, value: value)
            }
        }
        operations += groups.joins.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
        operations += groups.removals.map { .removeCgroup(path: $0) }
        operations += [.namespace(.mount), .namespace(.pid), .namespace(.ipc), .namespace(.uts), .namespace(.cgroup)]
        operations += [
            .rootTmpfs(at: "/mnt", options: TmpfsOptions(bytes: 1 << 20, inodes: 100, mode: 0o755)),
            .makeDirectory(path: "/tmp", mode: 0o1777),
            .bind(source: "/bin", path: "/bin", flags: [.readOnly, .noSuid, .noDev]),
            .bind(source: "/disk", path: "/disk", flags: [.readOnly, .noSuid, .noDev]),
            .bind(source: groups.joins[0].path, path: "/sys/fs/cgroup", flags: [.readOnly, .noSuid, .noDev, .noExec]),
            .proc(path: "/proc"), .device("null"), .device("zero"), .rootReadOnly, .pivot, .hostname("task"),
            .dropBoundingSet, .user(uid: 0, gid: 0, groups: []), .dropCapabilities, .noNewPrivileges, .workingDirectory("/"),
            .environment("PATH=/bin"), .argument("sh"), .argument("-c"), .argument(script),
        ]
        return LaunchPlan(operations: operations)
    }

    var record: String { text("\(directory)/state.json") }
    var log: String { text("\(directory)/log") }

    private func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }

    /// The record at the end, which holds every one of `facts`.
    func expect(_ facts: String..., within seconds: Double = 60) throws {
        try require(wait(seconds) { record.contains("\"phase\":\"exited\"") }, "it does not end: \(record) \(log)")
        let last = record
        for fact in facts { try require(last.contains(fact), "no \(fact) in \(last); log: \(log)") }
        try require(wait { !group.exists }, "its group is left")
    }

    func kill() throws -> Outcome {
        try runProgram(["/bin/swiftlet-sandbox", "kill", "--state-dir", directory, "--grace", "100"])
    }
}

func testLaunches(_ host: CgroupHost, _ report: inout Report) {
    report.test("launch: the task joins the one v2 group before its first instruction, and sees itself at the root") {
        let launch = try Launch(
            host, "join", CgroupLimits(memoryBytes: 32 << 20, cpuMillis: 500, pids: 10),
            "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; grep ' / /sys/fs/cgroup ' /proc/self/mountinfo; echo 1 > /sys/fs/cgroup/memory.max")
        try launch.expect("\"exitCode\":1", "\"controller\":\"unified\"", "\"oomKilled\":false")
        // Its own group is the root of what it sees, and nothing in it can be changed.
        for line in ["0::/", "\(32 << 20)", " / /sys/fs/cgroup ro,", "Read-only"] { try require(launch.log.contains(line), "no \(line): \(launch.log)") }
        return ""
    }
    report.test("launch: OOM of the whole group is in the record, with the peak") {
        var limits = CgroupLimits(memoryBytes: 16 << 20)
        limits.oomGroup = true
        let launch = try Launch(host, "oomgroup", limits, "sleep 20 & tail /dev/zero; exit 0")
        try launch.expect("\"exitCode\":137", "\"oomKilled\":true", "\"signal\":9", "\"memoryPeakBytes\":16777216")
        return ""
    }
    report.test("launch: OOM of a child is in the record although the shell exits 0") {
        let launch = try Launch(host, "oomchild", CgroupLimits(memoryBytes: 16 << 20), "tail /dev/zero; exit 0")
        try launch.expect("\"exitCode\":0", "\"oomKilled\":true", "\"oomKills\":1")
        return ""
    }
    report.test("launch: refused forks and throttled periods are in the record") {
        let launch = try Launch(
            host, "counts", CgroupLimits(cpuMillis: 200, pids: 5),
            "timeout 1 sh -c 'while :; do :; done'; (for i in 1 2 3 4 5 6 7 8; do sleep 1 & done); wait")
        try launch.expect("\"phase\":\"exited\"")
        for zero in ["\"pidsLimitHits\":0", "\"throttledPeriods\":0"] {
            try require(!launch.record.contains(zero), "\(launch.record) \(launch.log)")
        }
        return ""
    }
    report.test("launch: stopping ends the whole tree, also what ignores SIGTERM and has left its session") {
        let launch = try Launch(
            host, "tree", CgroupLimits(pids: 20),
            "trap '' TERM; (setsid sleep 60 &); (setsid sh -c 'trap \"\" TERM; sleep 60' &); wait; sleep 60")
        try require(wait { launch.group.allProcesses().count >= 4 }, "\(launch.group.allProcesses())")
        let members = launch.group.allProcesses()
        let started = now()
        try require(launch.kill().exitCode == 0, "kill")
        try launch.expect("\"exitCode\":137", "\"stopRequested\":true")
        for pid in members { try require(Glibc.kill(pid, 0) != 0, "\(pid) is left") }
        return "\(members.count) processes, \(Int((now() - started) * 1000)) ms with 100 ms grace"
    }
    report.test("launch: a deadline ends the task, and the record says so") {
        let launch = try Launch(host, "deadline", CgroupLimits(pids: 10), "sleep 60", deadlineMilliseconds: 300)
        try launch.expect("\"reason\":\"DeadlineExceeded\"")
        return ""
    }
    report.test("launch: a limit that the kernel refuses fails the start with the file's name") {
        var limits = CgroupLimits()
        limits.unified = ["memory.max": "nonsense"]
        do {
            _ = try Launch(host, "refused", limits, "true")
        } catch let failure as Failure {
            try require(failure.message.contains("memory.max"), failure.message)
            return ""
        }
        throw Failure(message: "it started")
    }
}
