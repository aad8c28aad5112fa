// What a kernel's Landlock can hold, by the version of its interface: for node conditions and the doctor.

public enum LandlockFeature: String, Sendable, Hashable, CaseIterable {
    case files
    case moves
    case truncation
    case tcpPorts
    case deviceRequests
    case scopes

    /// LANDLOCK_CREATE_RULESET_VERSION that brought it.
    public var version: Int {
        switch self {
        case .files: 1
        case .moves: 2
        case .truncation: 3
        case .tcpPorts: 4
        case .deviceRequests: 5
        case .scopes: 6
        }
    }

    public var kernel: KernelVersion {
        switch self {
        case .files: KernelVersion(major: 5, minor: 13)
        case .moves: KernelVersion(major: 5, minor: 19)
        case .truncation: KernelVersion(major: 6, minor: 2)
        case .tcpPorts: KernelVersion(major: 6, minor: 7)
        case .deviceRequests: KernelVersion(major: 6, minor: 10)
        case .scopes: KernelVersion(major: 6, minor: 12)
        }
    }

    /// What goes unheld without it, as the end of "not held by the second wall: ...".
    public var meaning: String {
        switch self {
        case .files: "which files are read, written and executed"
        case .moves: "files at all, as programs could not move any between directories"
        case .truncation: "emptying of files"
        case .tcpPorts: "TCP ports that a task binds and connects to"
        case .deviceRequests: "ioctl on devices"
        case .scopes: "abstract sockets of the node, signals"
        }
    }

    /// Empty for version 6 and later. The mounts and namespaces hold all of this too, but for TCP ports on the node's network.
    public static func missing(version: Int) -> [LandlockFeature] {
        allCases.filter { version < $0.version }
    }

    /// One sentence for people.
    public static func summary(version: Int) -> String {
        let missing = missing(version: version)
        if version <= 0 { return "this kernel has no Landlock (Linux 5.13 with landlock among its security modules has)" }
        if missing.isEmpty { return "Landlock version \(version) holds files, TCP ports, abstract sockets and signals" }
        let newest = missing.map(\.kernel).max() ?? KernelVersion.running
        return "Landlock version \(version); not held by the second wall: \(missing.map(\.meaning).joined(separator: ", ")) "
            + "(Linux \(newest.major).\(newest.minor) has all)"
    }
}
