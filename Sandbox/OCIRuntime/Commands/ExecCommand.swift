// exec: the configured process as a pattern, changed by flags, or a whole process from a file.

import SandboxPolicy

enum ExecCommand {
    private static let flags: [CommandOptions.Flag] = [
        .value("process", "p"), .value("cwd"), .value("env", "e"), .toggle("tty", "t"), .value("user", "u"),
        .value("additional-gids", "g"), .toggle("detach", "d"), .value("pid-file"), .value("console-socket"),
        .toggle("no-new-privs"), .value("cap", "c"), .value("preserve-fds"), .value("process-label"), .value("apparmor"),
        .value("cgroup"), .toggle("ignore-paused"), .toggle("no-subreaper"), .value("pidfd-socket"),
    ]

    static func exec(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        let options = try CommandOptions(words, flags: flags, verb: "exec", stopsAtFirst: true)
        guard let id = options.arguments.first else { throw .usage("\"exec\" requires a minimum of 1 argument(s)") }
        for name in ["process-label", "apparmor"] {
            if let value = options.value(name), !value.isEmpty {
                throw .unsupported(field: "--\(name)", reason: "not applied by this runtime")
            }
        }
        let process = try process(options, id, lifecycle)
        var exec = ContainerLifecycle.ExecOptions()
        exec.pidFile = options.value("pid-file")
        exec.consoleSocket = try options.value("console-socket").map { path throws(OCIError) in try HostFile.absolute(path) }
        guard exec.consoleSocket == nil || process.terminal else {
            throw .usage("cannot use console socket if runc will not detach or allocate tty")
        }
        exec.pidfdSocket = options.value("pidfd-socket")
        exec.ignoresPause = options.has("ignore-paused")
        exec.subgroups = try subgroups(options.all("cgroup"), of: id, lifecycle)
        exec.preservedDescriptors = try CreateCommand.preservedDescriptors(options)
        return try lifecycle.execute(id, process, exec, detach: options.has("detach"))
    }

    private static func process(
        _ options: CommandOptions, _ id: String, _ lifecycle: ContainerLifecycle
    ) throws(OCIError) -> ProcessSpecification {
        if let file = options.value("process") { return try ProcessSpecification(parsing: try HostFile.readNamed(file)) }
        let command = Array(options.arguments.dropFirst())
        guard let program = command.first, !program.isEmpty else { throw .usage("process args cannot be empty") }
        var process = try lifecycle.configuredProcess(id)
        process.arguments = command
        process.terminal = options.has("tty")
        if let cwd = options.value("cwd") {
            guard cwd.hasPrefix("/") else { throw .usage("Cwd must be an absolute path") }
            process.workingDirectory = ContainerPath.clean(cwd)
        }
        try apply(options.all("env"), to: &process)
        if let user = options.value("user") { try apply(user, to: &process) }
        for text in options.all("additional-gids") {
            guard let gid = UInt32(text) else { throw .usage("additional-gids: \"\(text)\" is no number") }
            process.user.additionalGroups.append(gid)
        }
        if options.has("no-new-privs") { process.noNewPrivileges = true }
        try grant(options.all("cap"), to: &process)
        return process
    }

    /// `PATH`, or `CONTROLLER[,CONTROLLER...]:PATH`; below the container's own group, which is "/".
    private static func subgroups(
        _ words: [String], of id: String, _ lifecycle: ContainerLifecycle
    ) throws(OCIError) -> [(controllers: [String], path: String)] {
        if words.isEmpty { return [] }
        let known = Set(try lifecycle.directory.load(id).cgroups.flatMap(\.controllers))
        var list: [(controllers: [String], path: String)] = []
        for word in words {
            let colon = word.firstIndex(of: ":")
            let controllers = colon.map { word[..<$0].split(separator: ",").map(String.init) } ?? []
            if let stranger = controllers.first(where: { !known.contains($0) }) {
                throw .usage(
                    "--cgroup: unknown controller \(stranger) in \"\(word)\"; the container has "
                        + known.sorted().joined(separator: ", ")
                )
            }
            let parts = word[(colon.map { word.index(after: $0) } ?? word.startIndex)...].split(separator: "/")
            guard !parts.contains(".."), !parts.contains(".") else { throw .usage("--cgroup: bad sub cgroup path \"\(word)\"") }
            list.append((controllers, parts.joined(separator: "/")))
        }
        return list
    }

    private static func apply(_ entries: [String], to process: inout ProcessSpecification) throws(OCIError) {
        for entry in entries {
            guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else {
                throw .usage("env: expected NAME=VALUE, found \"\(entry)\"")
            }
            process.environment.removeAll { $0.hasPrefix(entry[...equals]) }
            process.environment.append(entry)
        }
    }

    private static func apply(_ user: String, to process: inout ProcessSpecification) throws(OCIError) {
        let parts = user.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let uid = UInt32(parts[0]), uid != .max else {
            throw .usage("parsing uid: \"\(user)\"")
        }
        process.user.uid = uid
        guard parts.count == 2 else { return }
        guard let gid = UInt32(parts[1]), gid != .max else { throw .usage("parsing gid: \"\(user)\"") }
        process.user.gid = gid
    }

    private static func grant(_ names: [String], to process: inout ProcessSpecification) throws(OCIError) {
        for name in names {
            guard name.hasPrefix("CAP_"), let capability = Capability(name: name) else {
                throw .usage("unknown capability \(name)")
            }
            var capabilities = process.capabilities ?? ProcessSpecification.Capabilities()
            func add(_ list: inout [Capability]) { if !list.contains(capability) { list.append(capability) } }
            add(&capabilities.bounding)
            add(&capabilities.sets.permitted)
            add(&capabilities.sets.effective)
            // Ambient needs inheritable, which nothing here grants.
            if capabilities.sets.inheritable.contains(capability) { add(&capabilities.sets.ambient) }
            process.capabilities = capabilities
        }
    }
}
