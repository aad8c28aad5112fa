// create and run.

import Glibc

enum CreateCommand {
    private static let flags: [CommandOptions.Flag] = [
        .value("bundle", "b"), .value("console-socket"), .value("pid-file"), .toggle("no-pivot"), .toggle("no-new-keyring"),
        .value("preserve-fds"), .toggle("no-subreaper"), .value("pidfd-socket"),
    ]

    static func create(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: flags, verb: "create")
        let id = try options.oneArgument("create")
        try lifecycle.create(id, try parsed(options, lifecycle))
    }

    static func run(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        let options = try CommandOptions(words, flags: flags + [.toggle("detach", "d"), .toggle("keep")], verb: "run")
        let id = try options.oneArgument("run")
        var run = ContainerLifecycle.RunOptions()
        run.create = try parsed(options, lifecycle)
        run.detach = options.has("detach")
        run.keep = options.has("keep")
        return try lifecycle.run(id, run)
    }

    private static func parsed(
        _ options: CommandOptions, _ lifecycle: ContainerLifecycle
    ) throws(OCIError) -> ContainerLifecycle.CreateOptions {
        if options.has("no-new-keyring") {
            lifecycle.warn("--no-new-keyring: not applied; every container has a session keyring of its own")
        }
        var create = ContainerLifecycle.CreateOptions()
        create.bundle = options.value("bundle") ?? "."
        create.consoleSocket = options.value("console-socket")
        create.pidFile = options.value("pid-file")
        create.pidfdSocket = options.value("pidfd-socket")
        create.usesPivot = !options.has("no-pivot")
        create.activationSockets = try activationSockets()
        create.preservedDescriptors = try preservedDescriptors(options, from: 3 + create.activationSockets)
        return create
    }

    static func preservedDescriptors(_ options: CommandOptions, from first: Int = 3) throws(OCIError) -> Int {
        let count = Int(try options.integer("preserve-fds") ?? 0)
        guard (0...mostDescriptors).contains(count) else {
            throw .usage("--preserve-fds: expected 0 to \(mostDescriptors), found \(count)")
        }
        try checkOpen(first..<(first + count), "--preserve-fds")
        return count
    }

    private static let mostDescriptors = 1024

    /// What a service manager passes to this process (sd_listen_fds(3)) is the container's; not what was meant for one above, which only
    /// left us its variables.
    private static func activationSockets() throws(OCIError) -> Int {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        guard let text = variable("LISTEN_FDS"), variable("LISTEN_PID").flatMap({ Int32($0) }) == getpid() else { return 0 }
        guard let count = Int(text), (0...mostDescriptors).contains(count) else {
            throw .usage("LISTEN_FDS: expected 0 to \(mostDescriptors), found \"\(text)\"")
        }
        try checkOpen(3..<(3 + count), "LISTEN_FDS")
        return count
    }

    private static func checkOpen(_ descriptors: Range<Int>, _ name: String) throws(OCIError) {
        for descriptor in descriptors where fcntl(Int32(descriptor), F_GETFD) < 0 {
            throw .usage("\(name): descriptor \(descriptor) is not open")
        }
    }
}
