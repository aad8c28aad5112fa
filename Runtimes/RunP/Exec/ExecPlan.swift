// The launch plan of a command inside a running container: the container's own plan, as it was carried out, with its namespaces
// joined instead of made. What the agent would plan today does not matter: image, policy and agent may have changed since.

import SandboxPolicy

struct ExecPlan {
    /// Descriptor of /proc/PID of the container's first process, in the launcher.
    static let targetDescriptor = 5
    /// SECCOMP_RET_USER_NOTIF and SECCOMP_RET_ERRNO with EPERM, each as the 16 hexadecimal digits of "return this" (little endian).
    private static let asksListener = Array("060000000000C07F".utf8)
    private static let refuses = Array("0600000001000500".utf8)

    var id: String
    var command: [String]
    /// A socket that receives the terminal; nil: three streams.
    var terminalSocket: String?
    var namespaces: [LaunchOperation.Namespace]
    /// Of the container's `cgroup` lines, this directory is replaced by the command's own below it.
    var group: (container: String, command: String)?

    /// `plan` are the bytes of the container's plan.
    func encoded(from plan: [UInt8]) -> [UInt8] {
        let lines = plan.split(separator: UInt8(ascii: "\n")).map(Array.init)
        var result = Array((LaunchPlan.header + "\n").utf8)
        append([.id(id)], &result)
        append(terminalSocket.map { [.terminal(socketPath: $0)] } ?? [.inheritStandardStreams], &result)
        for line in lines where Self.word(line) == "cgroup" { append(line: ownGroup(line), &result) }
        append(
            namespaces.map { .joinNamespace($0, path: "/proc/self/fd/\(Self.targetDescriptor)/ns/\($0.execFile)") }, &result)
        if namespaces.contains(.user) { append([.rootless(.direct)], &result) }
        for line in lines where Self.process.contains(Self.word(line)) { append(line: line, &result) }
        for line in lines where Self.wall.contains(Self.word(line)) { append(line: line, &result) }
        let environment = lines.filter { Self.word($0) == "env" }
        for line in environment { append(line: line, &result) }
        let namesTerminal = environment.contains { $0.starts(with: "env TERM=".utf8) }
        if terminalSocket != nil, !namesTerminal { append([.environment("TERM=xterm")], &result) }
        append(command.map { .argument($0) }, &result)
        for line in lines where Self.word(line) == "seccomp" { append(line: Self.withoutListener(line), &result) }
        result += Array("end\n".utf8)
        return result
    }

    private static let process: Set<String> = [
        "rlimit", "oom-score-adj", "umask", "nice", "scheduler", "io-priority", "cpu-affinity", "personality", "securebits",
        "bounding-set", "user",
        "capabilities", "no-new-privs", "cwd",
    ]
    /// Not its scopes: signals to the container's own processes are what `exec kill` is for, and the pid namespace holds already.
    private static let wall: Set<String> = ["landlock", "landlock-path", "landlock-port"]

    private static func word(_ line: [UInt8]) -> String {
        String(decoding: line.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
    }

    private func append(line: [UInt8], _ result: inout [UInt8]) {
        result += line
        result.append(UInt8(ascii: "\n"))
    }

    private func append(_ operations: [LaunchOperation], _ result: inout [UInt8]) {
        let encoded = LaunchPlan(operations: operations).encoded()
        result += encoded.dropFirst(LaunchPlan.header.utf8.count + 1).dropLast("end\n".utf8.count)
    }

    /// The directory is the line's last word. Our groups' names have no byte that a plan encodes.
    private func ownGroup(_ line: [UInt8]) -> [UInt8] {
        guard let group else { return line }
        let container = Array(" \(group.container)".utf8)
        guard line.suffix(container.count).elementsEqual(container) else { return line }
        return line.dropLast(container.count) + Array(" \(group.command)".utf8)
    }

    /// A container's filter may ask its supervisor where it would refuse; a command has no supervisor, so its copy refuses itself.
    private static func withoutListener(_ line: [UInt8]) -> [UInt8] {
        var line = line
        var at = "seccomp ".utf8.count
        while at + 16 <= line.count, line[at] != UInt8(ascii: " ") {
            if line[at..<at + 16].elementsEqual(asksListener) { line.replaceSubrange(at..<at + 16, with: refuses) }
            at += 16
        }
        return line
    }
}

extension LaunchOperation.Namespace {
    /// Its name below /proc/PID/ns.
    var execFile: String { self == .mount ? "mnt" : rawValue }
}
