// A resident launcher of a test's own, asked as its protocol says (Sandbox/README.md, "The resident launcher").

import CLinux
import Glibc
import SandboxPolicy
import Testing

final class ResidentServer {
    let socket: String
    let pid: pid_t
    private var ended = false

    /// Starts it and waits until its socket is there. `prelude`: a program with arguments that runs the launcher at last.
    init(_ directory: String, prelude: [String] = [], spares: Int? = nil) throws {
        socket = "\(directory)/launcher.sock"
        unlink(socket)  // of one that was killed
        let count = spares.map { ["--spares", "\($0)"] } ?? []
        let words = prelude + [try #require(Machine.launcher), "serve", "--socket", socket] + count
        pid = try OperationLab.spawn(words[0], Array(words.dropFirst()))
        for _ in 0..<3000 where access(socket, F_OK) != 0 { usleep(10_000) }
        try #require(access(socket, F_OK) == 0)
    }

    /// A connection on which the request is sent, so long after it was made.
    func ask(_ plan: String, _ stateDirectory: String, pauseMicroseconds: UInt32 = 0) throws -> Int32 {
        let connection = clinux_message_connect(socket)
        try #require(connection >= 0, "connect: \(errno)")
        if pauseMicroseconds > 0 { usleep(pauseMicroseconds) }
        let message = Array("launch \(plan.utf8.count) \(stateDirectory)\n\(plan)".utf8)
        for start in stride(from: 0, to: message.count, by: 60_000) {
            let part = message[start..<min(start + 60_000, message.count)]
            let sent = part.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            try #require(sent == part.count)
        }
        return connection
    }

    /// The next answer on a connection; empty at its end.
    static func answer(_ connection: Int32, seconds: Int32 = 60) -> String {
        var ready = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, seconds * 1000) == 1 else { return "nothing within \(seconds) s" }
        var buffer = [UInt8](repeating: 0, count: 1024)
        let count = recv(connection, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    /// Runs a plan to its end: both answers.
    func run(_ plan: String, _ stateDirectory: String, pauseMicroseconds: UInt32 = 0) throws -> (start: String, end: String) {
        let connection = try ask(plan, stateDirectory, pauseMicroseconds: pauseMicroseconds)
        defer { close(connection) }
        return Self.answers(connection)
    }

    /// Both answers; the second is empty where the first says that nothing runs.
    static func answers(_ connection: Int32) -> (start: String, end: String) {
        let start = answer(connection)
        // What is over at once is told in one message.
        let lines = start.split(separator: "\n")
        if lines.count == 2 { return ("\(lines[0])\n", "\(lines[1])\n") }
        return (start, start.hasPrefix("started") ? answer(connection) : "")
    }

    func kill(_ signal: Int32 = SIGTERM) throws {
        guard !ended else { return }
        ended = true
        Glibc.kill(pid, signal)
        _ = try OperationLab.status(of: pid)
    }

    /// A process's children, whichever of its threads started them.
    static func children(of parent: pid_t) -> [pid_t] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [pid_t] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // The fourth field; the name in parentheses may hold anything.
            guard let pid = pid_t(name), let rest = Lab.text("/proc/\(pid)/stat").split(separator: ")").last else { continue }
            let fields = rest.split(separator: " ")
            if fields.count > 1, pid_t(fields[1]) == parent { found.append(pid) }
        }
        return found
    }
}

extension OperationLab {
    /// Exit status as the command's in the foreground.
    func runResident(_ plan: LaunchPlan) throws -> Int32 {
        var status: Int32 = 2
        try withServer { server in
            let answers = try server.run(plan.text, "\(directory)/state")
            let words = answers.end.split(separator: " ")
            status = words.count == 3 ? Int32(words[1]) ?? 2 : answers.start.hasPrefix("failed") ? 128 : 2
        }
        return status
    }

    /// Runs the body with a resident launcher that ends with it.
    func withServer(prelude: [String] = [], _ body: (ResidentServer) throws -> Void) throws {
        let server = try ResidentServer(directory, prelude: prelude)
        do { try body(server) } catch {
            try? server.kill()
            throw error
        }
        try server.kill()
    }
}
