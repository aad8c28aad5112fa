// A program with the Open Container Initiative's verbs, and what a node tells RunC of it.

import JSON

public struct OCIProgram: Sendable, Hashable {
    /// The handler of RuntimeClasses: "runc", "crun", "kata".
    public var name: String
    /// Absolute path of the program, and options of its own before the verb.
    public var command: [String]
    /// The program's own environment.
    public var environment: [String]
    /// How long `create` may take, and every other verb.
    public var createMilliseconds: Int
    public var verbMilliseconds: Int
    /// linux-hooks of the runtime-spec by their point ("createRuntime", "prestart", ...), for every container: what a device's vendor asks for.
    public var hooks: JSONValue?

    /// The container's first process is a small one of ours, which reaps what is left to it, and through which a signal ends the program
    /// as anywhere. Off for runtimes that hand no descriptors on (machines of their own): the program is then process 1 itself.
    public var hasInit: Bool

    public init(
        name: String, command: [String],
        environment: [String] = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        createMilliseconds: Int = 30_000, verbMilliseconds: Int = 10_000, hooks: JSONValue? = nil, hasInit: Bool = true
    ) {
        self.name = name
        self.command = command
        self.environment = environment
        self.createMilliseconds = createMilliseconds
        self.verbMilliseconds = verbMilliseconds
        self.hooks = hooks
        self.hasInit = hasInit
    }

    /// Whether it makes a read-only /dev so only when the devices and mounts in it are there. Under others the second wall alone keeps
    /// containers from making files there.
    var makesDevicesFirst: Bool {
        command.contains { word in ["runc", "crun"].contains(word.split(separator: "/").last.map(String.init) ?? "") }
    }

    /// Global options are the same for every one of them (runc's command line, which the others took over).
    func command(root: String, log: String) -> [String] { command + ["--root", root, "--log", log, "--log-format", "json"] }
}
