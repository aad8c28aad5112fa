// What a node tells RunP once, and what an image is to it.

import RuntimeInterface

public struct RunPConfiguration: Sendable {
    /// Absolute path of `swiftlet-sandbox`.
    public var launcherPath: String
    /// RunP's own directory; records of pods and containers live below it.
    public var stateDirectory: String
    /// Name of the cgroup below which every task's group is made, relative to the hierarchies: "swiftlet.alice".
    /// RunP owns what is below it and removes what no record knows.
    public var cgroupParent: String
    public var cgroupRoot = "/sys/fs/cgroup"
    /// Every task has a limit of processes and threads, or one fork bomb ends the node. Ray needs about 120.
    public var defaultPids: Int64 = 256
    /// Of one log file; two are kept.
    public var defaultLogBytes: Int64 = 10 << 20
    public var sharedMemoryBytes: Int64 = 64 << 20
    /// Directory of `Localhost/NAME` seccomp profiles; nil: none.
    public var seccompProfiles: String?
    public var permitsUnconfined = false
    /// Private host ids per pod. Off only where the file system cannot map ids (then tasks run as the host's ids).
    public var userNamespaces = true
    /// Pods may be told the node's own ids (`hostUsers`), or to be privileged; refused before by the agent as well.
    public var permitsHostUsers = false
    public var permitsPrivileged = false
    /// Limits that this machine cannot enforce are left out instead of refusing the container.
    public var allowsUnenforced = false
    /// How often disk and headway at the memory limit are looked at.
    public var limitWatchTimes = LimitWatchTimes()
    /// So many refused system calls of a container are counted as evidence; nil: none is, the filter refuses by itself.
    public var countedDenials: Int? = 1_000
    /// Directories of the network configuration lists and of the plugins' programs.
    public var cniConfigurations = "/etc/cni/net.d"
    public var cniPlugins = ["/opt/cni/bin", "/usr/lib/cni"]

    public init(launcherPath: String, stateDirectory: String, cgroupParent: String) {
        self.launcherPath = launcherPath
        self.stateDirectory = stateDirectory
        self.cgroupParent = cgroupParent
    }
}

/// What RunP needs to know of an image.
public struct RunPImage: Sendable, Hashable {
    public enum Root: Sendable, Hashable {
        /// The host's own programs, read-only, and these absolute paths in addition (a virtual environment, a JDK).
        case hostView(readOnlyPaths: [String])
        /// An unpacked root file system.
        case directory(String)
    }

    public var root: Root
    public var environment: [EnvironmentVariable]
    public var command: [String]
    public var args: [String]
    public var workingDirectory: String?

    public init(
        root: Root = .hostView(readOnlyPaths: []), environment: [EnvironmentVariable] = [], command: [String] = [],
        args: [String] = [], workingDirectory: String? = nil
    ) {
        self.root = root
        self.environment = environment
        self.command = command
        self.args = args
        self.workingDirectory = workingDirectory
    }
}

/// Resolves an image's name; throws `RuntimeError.imageNotPresent`.
public typealias RunPImageResolver = @Sendable (_ image: String) async throws -> RunPImage
