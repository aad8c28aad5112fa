// The second wall: what the mounts, the network and the pid namespace say already, said once more by Landlock, so that a hole in
// one of them is not a hole in the sandbox (landlock(7)).

public struct LandlockPolicy: Sendable, Hashable {
    /// What a task may do below a path. Rights of nested paths add up: a rule can only widen what an outer one gives.
    public struct PathRule: Sendable, Hashable {
        public var path: String
        public var rights: [LandlockRight]

        public init(_ path: String, _ rights: [LandlockRight]) {
            self.path = path
            self.rights = rights
        }
    }

    public var support: LandlockSupport
    /// Empty: files are not restricted.
    public var paths: [PathRule]
    public var ports: SandboxSpec.TCPPorts
    public var scopes: [LandlockScope]

    public init(
        support: LandlockSupport = .best, paths: [PathRule] = [], ports: SandboxSpec.TCPPorts = .init(),
        scopes: [LandlockScope] = []
    ) {
        self.support = support
        self.paths = paths
        self.ports = ports
        self.scopes = scopes
    }

    /// Nothing at all when there is no rule: an empty ruleset would only cost.
    public var operations: [LaunchOperation] {
        let rules =
            paths.map { LaunchOperation.landlockPath($0.path, rights: $0.rights) }
            + Self.operations(.bind, ports.bind) + Self.operations(.connect, ports.connect)
            + (scopes.isEmpty ? [] : [.landlockScope(scopes)])
        return rules.isEmpty ? [] : [.landlock(support)] + rules
    }

    private static func operations(_ direction: LandlockDirection, _ ports: [UInt16]?) -> [LaunchOperation] {
        guard let ports else { return [] }
        return ports.isEmpty ? [.landlockPort(direction, port: nil)] : ports.map { .landlockPort(direction, port: $0) }
    }
}

extension LandlockPolicy.PathRule {
    /// Reading and running programs: the root, and everything that no other rule names.
    public static func readOnly(_ path: String) -> Self { Self(path, [.read, .execute]) }

    /// All that files and directories are for; no device nodes.
    public static func writable(_ path: String) -> Self {
        Self(path, [.read, .execute, .write, .make, .remove, .refer, .truncate])
    }
}

extension LandlockPolicy {
    /// What a spec comes to. Files are left alone where a task may mount (privileged): a process under rules for files may not.
    public init(mirroring spec: SandboxSpec) {
        self.init(support: spec.secondWall == .required ? .required : .best)
        guard spec.secondWall != .off else { return }
        ports = spec.tcpPorts
        if !spec.privileged { paths = Self.paths(of: spec) }
        // Abstract sockets belong to the network namespace: with the node's own, its sockets are in reach. A pod's containers
        // share theirs on purpose.
        if spec.network == .host { scopes.append(.abstractUnixSocket) }
        if !spec.privileged { scopes.append(.signal) }
    }

    private static func paths(of spec: SandboxSpec) -> [PathRule] {
        if !spec.landlockPaths.isEmpty { return spec.landlockPaths.map(rule) + minimum }
        var rules: [PathRule] = [spec.readOnlyRoot ? .readOnly("/") : .writable("/")]
        rules.append(.writable("/tmp"))
        rules += spec.temporaryFileSystems.map { .writable($0.path) }
        rules += spec.mounts.filter { !$0.readOnly }.map { .writable($0.path) }
        rules += minimum
        var seen: Set<String> = []
        return rules.filter { seen.insert($0.path).inserted }
    }

    /// Devices are written, and asked; none is made. What is read-only below /proc, and that nothing in /dev/shm is executed, is
    /// the mounts' alone to say: a rule cannot take back what the root's gives. Files of /proc are "truncated" by a shell's >.
    private static let minimum: [PathRule] = [
        PathRule("/dev", [.read, .write, .ioctl]), .writable("/dev/shm"), PathRule("/proc", [.read, .write, .truncate]),
    ]

    /// A rule that somebody asked for by name.
    private static func rule(_ asked: SandboxSpec.LandlockPath) -> PathRule {
        switch asked.access {
        case .readOnly: PathRule(asked.path, [.read])
        case .execute: .readOnly(asked.path)
        case .readWrite: .writable(asked.path)
        }
    }
}
