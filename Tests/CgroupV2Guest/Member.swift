// A shell that enters a group by itself and then becomes the program.

import Cgroups
import Glibc

struct Outcome {
    /// 128 + signal for one that was killed.
    var exitCode: Int32
    var output: String
    var seconds: Double
}

/// Runs a program of the guest to its end, killed after `deadline` seconds.
func runProgram(_ arguments: [String], deadline: Double = 15) throws -> Outcome {
    try finish(spawn(arguments), started: now(), deadline: deadline)
}

func spawn(_ arguments: [String]) throws -> (pid: pid_t, output: Int32) {
    var pipe: [Int32] = [0, 0]
    try require(Glibc.pipe(&pipe) == 0, "pipe")
    for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(pipe[1]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
    posix_spawn_file_actions_adddup2(&actions, pipe[1], 2)
    var pid: pid_t = 0
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    try require(posix_spawn(&pid, arguments[0], &actions, nil, &pointers, environ) == 0, "cannot start \(arguments[0])")
    return (pid, pipe[0])
}

func finish(_ running: (pid: pid_t, output: Int32), started: Double, deadline: Double = 15) throws -> Outcome {
    defer { close(running.output) }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
        var watched = pollfd(fd: running.output, events: Int16(POLLIN), revents: 0)
        if poll(&watched, 1, 50) == 0 {
            if now() - started < deadline { continue }
            kill(running.pid, SIGKILL)
            throw Failure(message: "not done after \(deadline) s")
        }
        let count = read(running.output, &buffer, buffer.count)
        if count <= 0 { break }
        text += buffer[..<count]
    }
    var status: Int32 = 0
    waitpid(running.pid, &status, 0)
    let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + status & 0x7f
    return Outcome(exitCode: code, output: String(decoding: text, as: UTF8.self), seconds: now() - started)
}

extension Cgroup {
    private func words(_ script: String) -> [String] {
        [
            "/bin/sh", "-c",
            (directories.map { "echo 0 > \($0.path)/cgroup.procs || exit 125" } + [script]).joined(separator: "\n"),
        ]
    }

    func run(_ script: String, deadline: Double = 15) throws -> Outcome { try runProgram(words(script), deadline: deadline) }
    func start(_ script: String) throws -> (pid: pid_t, output: Int32) { try spawn(words(script)) }
}

/// `body` with a group of its own, which is gone afterwards.
func withGroup(_ host: CgroupHost, _ name: String, _ limits: CgroupLimits, _ body: (Cgroup) throws -> String) throws -> String {
    let group = host.group(name, for: limits)
    try group.create(limits: limits)
    let result = Result { try body(group) }
    try group.remove()
    try require(!group.exists, "\(name) is left")
    return try result.get()
}
