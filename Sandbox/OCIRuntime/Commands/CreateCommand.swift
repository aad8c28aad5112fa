// create and run.

import Glibc

enum CreateCommand {
    private static let flags: [CommandOptions.Flag] = [
        .value("bundle", "b"), .value("console-socket"), .value("pid-file"), .toggle("no-pivot"), .toggle("no-new-keyring"),
        .value("preserve-fds"), .toggle("no-subreaper"),
    ]

    static func create(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) {
        let options = try CommandOptions(words, flags: flags, verb: "create")
        let id = try options.oneArgument("create")
        try lifecycle.create(id, try parsed(options))
    }

    static func run(_ words: [String], _ lifecycle: ContainerLifecycle) throws(OCIError) -> Int32 {
        let options = try CommandOptions(words, flags: flags + [.toggle("detach", "d"), .toggle("keep")], verb: "run")
        let id = try options.oneArgument("run")
        var run = ContainerLifecycle.RunOptions()
        run.create = try parsed(options)
        run.detach = options.has("detach")
        run.keep = options.has("keep")
        return try lifecycle.run(id, run)
    }

    private static func parsed(_ options: CommandOptions) throws(OCIError) -> ContainerLifecycle.CreateOptions {
        var create = ContainerLifecycle.CreateOptions()
        create.bundle = options.value("bundle") ?? "."
        create.consoleSocket = options.value("console-socket")
        create.pidFile = options.value("pid-file")
        create.usesPivot = !options.has("no-pivot")
        create.preservedDescriptors = try preservedDescriptors(options)
        return create
    }

    static func preservedDescriptors(_ options: CommandOptions) throws(OCIError) -> Int {
        let count = try options.integer("preserve-fds") ?? 0
        guard (0...1024).contains(count) else { throw .usage("--preserve-fds: expected 0 to 1024, found \(count)") }
        for descriptor in 0..<Int32(count) where fcntl(descriptor + 3, F_GETFD) < 0 {
            throw .usage("--preserve-fds: descriptor \(descriptor + 3) is not open")
        }
        return Int(count)
    }
}
