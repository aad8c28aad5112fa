// What the launcher saw a task call, and the smallest profile that permits it again.

/// Read from the file that a plan's `learn PATH` names (launcher/lesson.h has the format):
///
///     let lesson = try SeccompLesson(parsing: bytes)
///     let json = lesson.profileJSON(comment: "swiftlet run --seccomp-learn, of: python3 job.py")
public struct SeccompLesson: Sendable, Hashable {
    /// A system call as often as it came with these arguments.
    public struct Call: Sendable, Hashable {
        public var number: UInt32
        public var count: UInt64
        /// Low 32 bits of those that are looked at: socket's and socketpair's three, clone's flags, ioctl's request, prctl's
        /// option, personality's persona. Empty for other calls.
        public var arguments: [UInt32]
        /// Came with more different arguments than are kept.
        public var isAny: Bool
    }

    public var calls: [Call]

    /// Throws `.profile` when the bytes are no lesson or the task called more than could be kept.
    public init(parsing bytes: [UInt8]) throws(SandboxPolicyError) {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        guard lines.first == "swiftlet-lesson 1" else { throw .profile("no lesson: the task did not run, or not to its end") }
        guard lines.last == "end" else { throw .profile("the lesson is not whole: the task made too many kinds of calls") }
        calls = []
        for line in lines.dropFirst().dropLast() {
            let words = line.split(separator: " ")
            guard words.count >= 2, let number = UInt32(words[0]), let count = UInt64(words[1]) else {
                throw .profile("a line of the lesson is no call: \(line)")
            }
            let isAny = words.last == "any"
            let arguments = words.dropFirst(2).compactMap { UInt32($0, radix: 16) }
            guard isAny || arguments.count == words.count - 2 else { throw .profile("a line of the lesson is no call: \(line)") }
            calls.append(Call(number: number, count: count, arguments: isAny ? [] : arguments, isAny: isAny))
        }
    }

    /// The profile as a document in the OCI format, each group with its reason. Everything else answers EPERM; what a libc only
    /// tries (clone3) and what passes filters by (io_uring) answers ENOSYS.
    public func profileJSON(comment: String) -> String {
        var groups: [Group] = [
            Group(
                "\(comment). The launcher's exec, the end of a process, and what the kernel itself calls.",
                ["execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn"])
        ]
        var plain: Set<String> = []
        for name in names where !Self.inspected.contains(name) && !Self.absent.contains(name) && !groups[0].names.contains(name) {
            plain.insert(name)
        }
        if !plain.isEmpty { groups.append(Group("Called, \(total) times in all.", plain.sorted())) }
        groups += ["socket", "socketpair", "ioctl", "prctl", "personality"].flatMap(groups(of:))
        groups += threadGroups
        return Self.document(groups)
    }

    // MARK: -

    private struct Group {
        var comment: String
        var names: [String]
        var arguments: [(index: Int, mask: UInt64, value: UInt64)] = []
        var isAbsent = false

        init(_ comment: String, _ names: [String]) {
            self.comment = comment
            self.names = names
        }
    }

    private static let inspected: Set<String> = ["socket", "socketpair", "ioctl", "prctl", "personality", "clone", "clone3"]
    private static let absent: Set<String> = ["io_uring_setup", "io_uring_enter", "io_uring_register"]
    /// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET} and CLONE_NEWTIME.
    private static let namespaceFlags: UInt32 = 0x7E02_0080
    private static let word: UInt64 = 0xffff_ffff

    private var names: [String] { Set(calls.compactMap { SystemCallName.name($0.number) }).sorted() }
    private var total: UInt64 { calls.reduce(0) { $0 + $1.count } }

    private func calls(of name: String) -> [Call] {
        guard let number = SystemCallName.number(name) else { return [] }
        return calls.filter { $0.number == number }
    }

    private func groups(of name: String) -> [Group] {
        let seen = calls(of: name)
        if seen.isEmpty { return [] }
        if seen.contains(where: \.isAny) { return [Group("Called with too many different arguments to list.", [name])] }
        // Flags of a socket's type (close-on-exec, non-blocking) are no difference.
        let kinds = Set(
            seen.map { Self.isSocket(name) ? [$0.arguments[0], $0.arguments[1] & 15, $0.arguments[2]] : $0.arguments })
        return kinds.sorted { $0.lexicographicallyPrecedes($1) }.map { arguments in
            var group = Group("Called with \(arguments.map { "0x" + String($0, radix: 16) }.joined(separator: ", ")).", [name])
            let first = name == "ioctl" ? 1 : 0
            group.arguments = arguments.enumerated().map {
                (first + $0.offset, Self.isSocket(name) && $0.offset == 1 ? 15 : Self.word, UInt64($0.element))
            }
            return group
        }
    }

    private static func isSocket(_ name: String) -> Bool { name == "socket" || name == "socketpair" }

    private var threadGroups: [Group] {
        var groups: [Group] = []
        let clones = calls(of: "clone")
        if !clones.isEmpty || !calls(of: "clone3").isEmpty {
            var group = Group("Threads and processes.", ["clone"])
            let makesNamespaces = clones.contains { $0.isAny || ($0.arguments.first ?? 0) & Self.namespaceFlags != 0 }
            if makesNamespaces {
                group.comment = "Threads and processes, and namespaces: the task made some."
            } else {
                group.comment = "Threads and processes, no namespaces."
                group.arguments = [(0, UInt64(Self.namespaceFlags), 0)]
            }
            groups.append(group)
        }
        var absent = Group("Tried, and done without: a filter cannot see what they ask for.", ["clone3"])
        absent.names += names.filter(Self.absent.contains)
        absent.isAbsent = true
        return groups + [absent]
    }

    private static func document(_ groups: [Group]) -> String {
        let rules = groups.map { group in
            var text = "  {\n   \"comment\": \(quoted(group.comment)),\n   \"names\": [\(wrapped(group.names))],\n"
            text += "   \"action\": \"\(group.isAbsent ? "SCMP_ACT_ERRNO" : "SCMP_ACT_ALLOW")\""
            if group.isAbsent { text += ",\n   \"errnoRet\": 38" }
            let arguments = group.arguments.map {
                "{\"index\": \($0.index), \"value\": \($0.mask), \"valueTwo\": \($0.value), \"op\": \"SCMP_CMP_MASKED_EQ\"}"
            }
            if !arguments.isEmpty { text += ",\n   \"args\": [\(arguments.joined(separator: ",\n    "))]" }
            return text + "\n  }"
        }
        return """
            {
             "defaultAction": "SCMP_ACT_ERRNO",
             "defaultErrnoRet": 1,
             "architectures": ["\(SeccompArchitecture.native.rawValue)"],
             "syscalls": [
            \(rules.joined(separator: ",\n"))
             ]
            }

            """
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case _ where scalar.value < 0x20: out += " "
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    /// Lines of about a hundred columns.
    private static func wrapped(_ names: [String]) -> String {
        var lines = [""]
        for (index, name) in names.enumerated() {
            let word = "\"\(name)\"" + (index < names.count - 1 ? "," : "")
            if lines[lines.count - 1].utf8.count + word.utf8.count > 100 { lines.append("") }
            let last = lines.count - 1
            lines[last] += lines[last].isEmpty ? word : " " + word
        }
        return lines.joined(separator: "\n    ")
    }
}
