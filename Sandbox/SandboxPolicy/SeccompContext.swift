// What Docker's and podman's profiles ask about the task and the machine: `includes` and `excludes`.

import Glibc

public struct SeccompContext: Sendable, Hashable {
    /// Capabilities that the task keeps.
    public var capabilities: Set<Capability>
    /// Major and minor number of the kernel's release.
    public var kernel: KernelVersion
    /// Whether the 32-bit and x32 entries that a document lists are served. Off for pods: a second table of system calls
    /// doubles what can be attacked, and no engine uses it. An OCI bundle gets what its configuration says.
    public var servesForeignArchitectures: Bool

    public init(
        capabilities: Set<Capability> = [], kernel: KernelVersion = .running, servesForeignArchitectures: Bool = false
    ) {
        self.capabilities = capabilities
        self.kernel = kernel
        self.servesForeignArchitectures = servesForeignArchitectures
    }

    /// A pod's task without capabilities.
    public static let plainTask = SeccompContext()
}

public struct KernelVersion: Sendable, Hashable, Comparable {
    public var major: Int
    public var minor: Int

    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The leading "MAJOR.MINOR" of a release such as "6.1.0-18-amd64"; nil when there is none.
    public init?(release: String) {
        let numbers = release.split(separator: ".", maxSplits: 2).prefix(2).map { $0.prefix { $0.isASCII && $0.isNumber } }
        guard numbers.count == 2, let major = Int(numbers[0]), let minor = Int(numbers[1]) else { return nil }
        self.init(major: major, minor: minor)
    }

    /// uname(2)'s; 0.0 when it cannot be read, so that nothing is taken for present.
    public static let running: KernelVersion = {
        var names = utsname()
        guard uname(&names) == 0 else { return KernelVersion(major: 0, minor: 0) }
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return KernelVersion(release: release) ?? KernelVersion(major: 0, minor: 0)
    }()

    public static func < (left: KernelVersion, right: KernelVersion) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }
}
