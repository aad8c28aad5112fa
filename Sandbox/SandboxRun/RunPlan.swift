// From options and machine to the sandbox' spec and its launch plan. Pure but for the files that the options name
// (`RunResources`), so the same plan is explained, tested and run.
import Cgroups
import SandboxPolicy

public struct RunPlan: Sendable {
    public var options: RunOptions
    public var spec: SandboxSpec
    public var launch: LaunchPlan
    public var unenforced: [UnenforcedLimit]
    /// A flood of refused calls must not cost the host's time: behind so many the kernel answers alone.
    static let countedDenials = 4096
    /// What `--explain` shows for the socket that a run makes.
    static let terminalSocket = "/tmp/swiftlet-run/terminal"

    /// Whose headway at its memory limit is to be watched; nil: nobody's.
    let watchedGroup: Cgroup?
    /// The machine's own.
    let nameservers: [String]

    /// Throws `RunFailure` with the option that is wrong, or whose wish this machine cannot fulfil.
    public init(_ options: RunOptions, machine: Machine, resources: RunResources) throws(RunFailure) {
        self.options = options
        nameservers = machine.nameservers
        if machine.rootless != nil, let obstacle = machine.userNamespaceObstacle {
            throw RunFailure(
                field: "user namespace", found: "\(obstacle), and this is not root",
                expected: "one that an ordinary user may make",
                hint: "`swiftlet doctor` says what to change; or run as root")
        }
        let id = try Self.identifier(options.id, machine: machine)
        try RunChecks(options: options, machine: machine).check()
        let limits = try RunLimits(options, id: id, machine: machine, resolve: resources.blockDevice)
        unenforced = limits.unenforced
        guard options.thrashMilliseconds == nil || options.memoryBytes != nil else {
            throw RunFailure(field: "--thrash-limit", found: "no --memory", expected: "the limit at which the task may thrash")
        }
        watchedGroup = options.thrashMilliseconds.map { _ in machine.cgroups.group("swiftlet-\(id)") }
        var spec = SandboxSpec(
            id: id, arguments: options.command, environment: RunEnvironment.variables(options, caller: machine.environment),
            hostname: options.hostname, rootMountPoint: try Self.mountPoint(options, machine: machine),
            temporary: .memory(bytes: options.temporaryBytes),
            output: options.logPath.map { .log(path: $0, maximumBytes: options.logBytes) }
                ?? (options.terminal ? .terminal(socketPath: Self.terminalSocket) : .inherit))
        spec.take(options, machine: machine)
        spec.take(limits, of: machine.cgroups)
        spec.seccomp = try resources.seccomp(options)
        if options.countsDenials { spec.countedDenials = Self.countedDenials }
        self.spec = spec
        do { launch = try spec.plan() } catch { throw RunFailure(error) }
    }

    /// The same in a namespace that was attached to a network meanwhile.
    func joining(_ network: RunNetwork) throws(RunFailure) -> RunPlan {
        var plan = self
        plan.spec.network = .joined(path: network.path)
        if let index = plan.spec.files.firstIndex(where: { $0.path == "/etc/resolv.conf" }) {
            let servers = network.nameservers.isEmpty ? nameservers : network.nameservers
            plan.spec.files[index].contents = servers.map { "nameserver \($0)\n" }.joined()
        }
        try plan.renew()
        return plan
    }

    /// The same with somebody who takes its terminal.
    func with(_ terminal: RunTerminal) throws(RunFailure) -> RunPlan {
        var plan = self
        plan.spec.output = .terminal(socketPath: terminal.path, rows: terminal.size.rows, columns: terminal.size.columns)
        try plan.renew()
        return plan
    }

    private mutating func renew() throws(RunFailure) {
        do { launch = try spec.plan() } catch { throw RunFailure(error) }
    }

    private static func identifier(_ asked: String?, machine: Machine) throws(RunFailure) -> String {
        guard let asked else { return "run-\(machine.processID)" }
        let good =
            !asked.isEmpty && asked.utf8.count <= 63 && asked.utf8.first != UInt8(ascii: ".")
            && asked.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || $0.properties.numericType != nil || "._-".unicodeScalars.contains($0))
            }
        guard good else {
            throw RunFailure(
                field: "--name", found: RunAmount.shown(asked), expected: "at most 63 letters, digits, '.', '_', '-'")
        }
        return asked
    }

    /// A directory of this machine that the root is mounted over, in the task's own mount namespace: one that hides nothing
    /// which is still to be bound.
    private static func mountPoint(_ options: RunOptions, machine: Machine) throws(RunFailure) -> String {
        var sources = options.binds.map(\.source)
        if case .directory(let path) = options.root { sources.append(path) }
        guard let place = machine.mountPoints.first(where: { place in !sources.contains { RunPath.below($0, place) } }) else {
            throw RunFailure(
                field: "--bind", found: "sources below each of \(machine.mountPoints.joined(separator: " "))",
                expected: "one of them free, to put the root together on", hint: "bind their common parent instead")
        }
        return place
    }
}

extension RunFailure {
    /// A refusal by the sandbox' policy, in the command line's words.
    init(_ error: SandboxPolicyError) {
        switch error {
        case .invalid(let field, let found, let expected): self.init(field: Self.option(field), found: found, expected: expected)
        case .profile(let reason): self.init(field: "--seccomp", found: reason, expected: "a profile that libseccomp can compile")
        }
    }

    private static func option(_ field: String) -> String {
        switch field {
        case "hostname": "--hostname"
        case "workingDir": "--workdir"
        case "rootfs": "--rootfs"
        case "runAsUser": "--user"
        case "env": "--env"
        default: field.hasPrefix("mounts[") ? "--bind" : field
        }
    }
}
