// Options of isolation: network, system calls, second wall, identity.
import SandboxPolicy

extension RunOption {
    static let isolation: [RunOption] = [
        RunOption("--network", takes: "none|host|cni:NAME", .isolation, "loopback only (none), this machine's, or a CNI network")
        {
            (options, text) throws(RunFailure) in
            options.network = try network(text)
        },
        RunOption(
            "--port", short: "-p", takes: "NUMBER", .isolation,
            "with --network host: a TCP port that the task may listen on; only these"
        ) {
            (options, text) throws(RunFailure) in
            options.ports.append(UInt16(try RunAmount.integer(text, in: 1...65_535, "--port")))
        },
        RunOption(
            "--connect-port", takes: "NUMBER", .isolation,
            "with --network host: a TCP port that the task may connect to; only these and --port"
        ) {
            (options, text) throws(RunFailure) in
            options.connectPorts.append(UInt16(try RunAmount.integer(text, in: 1...65_535, "--connect-port")))
        },
        RunOption(
            "--seccomp", takes: "NAME|FILE|unconfined", .isolation, "system call profile (RuntimeDefault); FILE in the OCI format"
        ) {
            (options, text) throws(RunFailure) in
            options.choosesSeccomp = true
            if text == "unconfined" {
                options.seccomp = .unconfined
            } else if text.contains("/") || text.hasSuffix(".json") || isFileOnly(text) {
                options.seccomp = .file(try absolute(text, "--seccomp"))
            } else if !text.isEmpty {
                options.seccomp = .named(text)
            } else {
                throw RunFailure(field: "--seccomp", found: "nothing", expected: "a profile's name, a file, or unconfined")
            }
        },
        RunOption(
            "--seccomp-learn", takes: "FILE", .isolation,
            "let every system call pass and write the profile that would allow this run"
        ) {
            (options, text) throws(RunFailure) in
            options.seccompLearn = try place(text, "--seccomp-learn")
        },
        RunOption("--no-landlock", .isolation, "without the second wall (Landlock)") { options, _ in options.landlock = false },
        RunOption("--landlock-ro", takes: "PATH", .isolation, "Landlock: below this path only reading") {
            (options, text) throws(RunFailure) in
            options.landlockPaths.append(.init(path: try inside(text, "--landlock-ro"), access: .readOnly))
        },
        RunOption("--landlock-rw", takes: "PATH", .isolation, "Landlock: below this path reading and writing") {
            (options, text) throws(RunFailure) in
            options.landlockPaths.append(.init(path: try inside(text, "--landlock-rw"), access: .readWrite))
        },
        RunOption(
            "--landlock-exec", takes: "PATH", .isolation,
            "Landlock: below this path reading and executing; other paths are closed"
        ) {
            (options, text) throws(RunFailure) in
            options.landlockPaths.append(.init(path: try inside(text, "--landlock-exec"), access: .execute))
        },
        RunOption(
            "--cap-add", takes: "NAME", .isolation, "a capability inside the task's user namespace, for example net_bind_service"
        ) {
            (options, text) throws(RunFailure) in
            options.capabilities += try capabilities(text)
        },
        RunOption("--user", short: "-u", takes: "UID[:GID]", .isolation, "numeric ids inside (0:0, which is nobody outside)") {
            (options, text) throws(RunFailure) in
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard (1...2).contains(parts.count) else {
                throw RunFailure(field: "--user", found: RunAmount.shown(text), expected: "UID or UID:GID, numbers")
            }
            options.uid = try RunAmount.identifier(parts[0], "--user")
            options.gid = parts.count == 2 ? try RunAmount.identifier(parts[1], "--user") : options.uid
        },
        RunOption("--uid-map", takes: "INSIDE:HOST:COUNT", .isolation, "host ids behind the task's; without it a private range") {
            (options, text) throws(RunFailure) in
            options.uidMaps.append(try RunAmount.idMap(text, "--uid-map"))
        },
        RunOption("--gid-map", takes: "INSIDE:HOST:COUNT", .isolation, "the same for groups (as --uid-map)") {
            (options, text) throws(RunFailure) in
            options.gidMaps.append(try RunAmount.idMap(text, "--gid-map"))
        },
        RunOption("--hostname", takes: "NAME", .isolation, "the name of the machine inside (sandbox)") { options, text in
            options.hostname = text
        },
        RunOption(
            "--sysctl", takes: "NAME=VALUE", .isolation,
            "a kernel setting of the task's own namespaces, for example kernel.shmmax=..."
        ) {
            (options, text) throws(RunFailure) in
            let setting = try setting(text, "--sysctl")
            guard isNamespaced(setting.name) else {
                throw RunFailure(
                    field: "--sysctl", found: RunAmount.shown(text),
                    expected:
                        "a setting of a task's namespaces: net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm*",
                    hint: "any other is the whole machine's, and not a task's to set")
            }
            options.sysctls.append(setting)
        },
        RunOption("--namespace", takes: "time", .isolation, "a further namespace; all others are always the task's own") {
            (options, text) throws(RunFailure) in
            guard text == "time" else {
                throw RunFailure(
                    field: "--namespace", found: RunAmount.shown(text), expected: "time",
                    hint: "mount, pid, ipc, uts, cgroup and user namespaces are always made; the network's by --network")
            }
            options.timeNamespace = true
        },
        RunOption(
            "--time-offset", takes: "TIME", .isolation,
            "the task's monotonic and boot-time clocks are ahead by this, for example 10d or -5m"
        ) {
            (options, text) throws(RunFailure) in
            let negative = text.hasPrefix("-")
            let amount = try RunAmount.milliseconds(String(negative ? text.dropFirst() : text[...]), "--time-offset")
            options.timeOffsetMilliseconds = negative ? -amount : amount
        },
    ]

    /// As the launcher has it: settings of network and ipc namespaces, in sysctl's words or as a path.
    private static func isNamespaced(_ name: String) -> Bool {
        let name = name.contains("/") ? name : String(name.map { $0 == "." ? "/" : $0 })
        return name == "kernel/sem" || ["net/", "fs/mqueue/", "kernel/shm", "kernel/msg"].contains(where: name.hasPrefix)
    }

    /// No profile's name, but a file's here.
    private static func isFileOnly(_ text: String) -> Bool {
        (try? SeccompProfileReference(text, field: "--seccomp")) == nil && RunPath.exists(text) && !RunPath.isDirectory(text)
    }

    private static func network(_ text: String) throws(RunFailure) -> RunOptions.Network {
        switch text {
        case "none": return .none
        case "host": return .host
        default:
            guard text.hasPrefix("cni:"), text.utf8.count > 4 else {
                throw RunFailure(field: "--network", found: RunAmount.shown(text), expected: "none, host or cni:NAME")
            }
            return .cni(String(text.dropFirst(4)))
        }
    }

    /// Several separated by commas, with or without "cap_".
    private static func capabilities(_ text: String) throws(RunFailure) -> [Capability] {
        var found: [Capability] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let capability = Capability(name: String(part)) else {
                throw RunFailure(
                    field: "--cap-add", found: RunAmount.shown(String(part)),
                    expected: "a capability (capabilities(7)), for example net_bind_service")
            }
            found.append(capability)
        }
        return found
    }

    static func setting(_ text: String, _ field: String) throws(RunFailure) -> RunSetting {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw RunFailure(field: field, found: RunAmount.shown(text), expected: "NAME=VALUE")
        }
        return RunSetting(name: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }
}
