// A group of this machine for one test, and processes in it.

import Glibc
import Testing

@testable import Cgroups

/// Its name is nobody else's, and nothing of it stays.
struct MachineGroup {
    let host = CgroupHost()
    let name: String
    let group: Cgroup

    init(_ test: String, _ limits: CgroupLimits) throws {
        name = "swiftlet-test.\(getpid()).\(test)"
        group = host.group(name, for: limits)
        try group.create(limits: limits)
    }

    func remove() {
        do { try group.remove() } catch { Issue.record("\(error)") }
    }

    struct Running {
        var pid: pid_t
        var output: Int32
        var started: Double
        var deadline: Double
    }

    struct Outcome {
        var exitCode: Int32
        var output: String
        var seconds: Double
    }

    /// `script` as a member of the group, killed after `deadline` seconds.
    func run(_ script: String, in member: Cgroup? = nil, deadline: Double = 20) throws -> Outcome {
        try finish(start(script, in: member, deadline: deadline))
    }

    func start(_ script: String, in member: Cgroup? = nil, deadline: Double = 20) throws -> Running {
        // "0" into v1's tasks: the shell moves itself, which costs no grace period.
        let joins = (member ?? group).directories.map {
            "echo 0 > \($0.path)/\($0.version == 1 ? "tasks" : "cgroup.procs") || exit 125"
        }
        let text = (joins + [script]).joined(separator: "\n")
        var pipe: [Int32] = [0, 0]
        try #require(Glibc.pipe(&pipe) == 0)
        for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(pipe[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
        // The test runner blocks signals; a task that inherited that would outlive timeout(1).
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid: pid_t = 0
        let words: [String] = ["/bin/sh", "-c", text]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        arguments.append(nil)
        defer { arguments.forEach { free($0) } }
        let started = Self.now()
        try #require(posix_spawn(&pid, "/bin/sh", &actions, &attributes, &arguments, environ) == 0)
        return Running(pid: pid, output: pipe[0], started: started, deadline: started + deadline)
    }

    func finish(_ running: Running) throws -> Outcome {
        defer { close(running.output) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            var watched = pollfd(fd: running.output, events: Int16(POLLIN), revents: 0)
            if poll(&watched, 1, 100) == 0 {
                if Self.now() > running.deadline {
                    Issue.record("\(name) is not done by its deadline")
                    group.kill()
                    break
                }
                continue
            }
            let count = read(running.output, &buffer, buffer.count)
            if count <= 0 { break }
            text += buffer[..<count]
        }
        var status: Int32 = 0
        try #require(waitpid(running.pid, &status, 0) == running.pid)
        let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
        return Outcome(exitCode: code, output: String(decoding: text, as: UTF8.self), seconds: Self.now() - running.started)
    }

    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Until `condition`, for ten seconds at most.
    static func wait(_ condition: () -> Bool) -> Bool {
        let deadline = now() + 10
        while !condition() {
            if now() > deadline { return false }
            usleep(10_000)
        }
        return true
    }
}
