// What a node tells a runtime of its own machine once.

import RuntimeInterface

public struct LocalConfiguration: Sendable {
    /// Absolute path of `swiftlet-sandbox`.
    public var launcherPath: String
    /// The runtime's own directory; records of pods and containers live below it.
    public var stateDirectory: String
    /// Name of the cgroup below which every task's group is made, relative to the hierarchies: "swiftlet.alice".
    /// The runtime owns what is below it and removes what no record knows.
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
    /// Records lie in memory where the machine has a place for it: they say nothing of use after its restart.
    public var keepsRecordsInMemory = false
    /// Private host ids per pod. Off only where the file system cannot map ids (then tasks run as the host's ids).
    public var userNamespaces = true
    /// The part of the id space that pods of this runtime get theirs from.
    public var idRanges = IDRanges.lowerHalf
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

    /// The node's image store; nil: there are built-in images only.
    public var roots: (any ContainerRoots)?

    public init(launcherPath: String, stateDirectory: String, cgroupParent: String) {
        self.launcherPath = launcherPath
        self.stateDirectory = stateDirectory
        self.cgroupParent = cgroupParent
    }
}
