// What a container is made of: its image, program, environment, mounts, devices, identity and limits.
import KubernetesModel

/// A directory or file of the machine that the container sees.
public struct ContainerMount: Sendable, Hashable, Codable {
    public var hostPath: String
    public var containerPath: String
    public var readOnly: Bool
    /// `hostPath` has no link in it and lies where tasks write: the runtime refuses one that appears there before the mount.
    @DefaultEmpty public var refusesLinks: Bool = false

    public init(hostPath: String, containerPath: String, readOnly: Bool, refusesLinks: Bool = false) {
        self.hostPath = hostPath
        self.containerPath = containerPath
        self.readOnly = readOnly
        self.refusesLinks = refusesLinks
    }
}

/// A device node of the machine that a container may read and write.
public struct ContainerDevice: Sendable, Hashable, Codable {
    public var hostPath: String
    public var containerPath: String

    public init(hostPath: String, containerPath: String) {
        self.hostPath = hostPath
        self.containerPath = containerPath
    }
}

/// One container to create. `image` is resolved by the runtime's image store.
public struct ContainerConfig: Sendable, Hashable, Codable {
    public var name: String
    /// Counts the restarts of this container in its pod, from 0; part of the log's file name.
    public var attempt: Int
    public var image: String
    /// Replaces the image's entrypoint when not empty.
    public var command: [String]
    /// Replaces the image's arguments when not empty.
    public var args: [String]
    /// In order; later ones win. The image's own environment comes before these.
    public var environment: [EnvironmentVariable]
    public var workingDirectory: String?
    public var mounts: [ContainerMount]
    public var limits: RuntimeLimits
    /// nil: a root of the container's own is written to, a shared one (the host view) is not.
    public var readOnlyRootFilesystem: Bool?
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    /// Not started as root, whoever says that it is root: `runAsUser`, the image, or nobody.
    @DefaultEmpty public var runAsNonRoot: Bool = false
    /// "RuntimeDefault", "Unconfined" (only where the node permits) or "Localhost/NAME".
    public var seccompProfile: String
    /// Absolute path of the log; CRI format.
    public var logPath: String
    @DefaultEmpty public var supplementalGroups: [Int64] = []
    /// nil: none at all.
    public var privileges: ContainerPrivileges?
    /// Wall-clock time after which the runtime ends the container by itself, even without an agent.
    public var deadlineSeconds: Int64?
    /// Beside the harmless nodes that every container has.
    @DefaultEmpty public var devices: [ContainerDevice] = []
    /// nil: nothing to read, and no terminal.
    public var console: ContainerConsole?
    /// What asks the container to stop ("SIGQUIT"); nil: what its image says, else SIGTERM.
    public var stopSignal: String?

    public init(
        name: String, attempt: Int = 0, image: String, command: [String] = [], args: [String] = [],
        environment: [EnvironmentVariable] = [], workingDirectory: String? = nil, mounts: [ContainerMount] = [],
        limits: RuntimeLimits = .init(), readOnlyRootFilesystem: Bool? = nil, runAsUser: Int64? = nil, runAsGroup: Int64? = nil,
        seccompProfile: String = "RuntimeDefault", logPath: String, supplementalGroups: [Int64] = [],
        privileges: ContainerPrivileges? = nil, deadlineSeconds: Int64? = nil, devices: [ContainerDevice] = [],
        console: ContainerConsole? = nil, runAsNonRoot: Bool = false, stopSignal: String? = nil
    ) {
        self.name = name
        self.attempt = attempt
        self.image = image
        self.command = command
        self.args = args
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.mounts = mounts
        self.limits = limits
        self.readOnlyRootFilesystem = readOnlyRootFilesystem
        self.runAsUser = runAsUser
        self.runAsGroup = runAsGroup
        self.seccompProfile = seccompProfile
        self.logPath = logPath
        self.supplementalGroups = supplementalGroups
        self.privileges = privileges
        self.deadlineSeconds = deadlineSeconds
        self.devices = devices
        self.console = console
        self.runAsNonRoot = runAsNonRoot
        self.stopSignal = stopSignal
    }
}

/// What a container reads from, by `attach`; CRI's stdin, stdin_once and tty.
public struct ContainerConsole: Sendable, Hashable, Codable {
    /// A standard input, which waits for who types; else it is at its end.
    public var stdin: Bool
    /// That one's end is the input's.
    public var stdinOnce: Bool
    /// A terminal in place of the three streams: its output is logged as standard output.
    public var tty: Bool

    public init(stdin: Bool, stdinOnce: Bool = false, tty: Bool = false) {
        self.stdin = stdin
        self.stdinOnce = stdinOnce
        self.tty = tty
    }
}

public struct EnvironmentVariable: Sendable, Hashable, Codable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}
