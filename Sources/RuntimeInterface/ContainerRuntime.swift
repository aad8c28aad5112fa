// The contract between the Agent and whatever runs containers on this machine, in CRI's words. Every verb is idempotent:
// repeating it after a crash in between leads to the same state. Runtimes/README.md has the contract as a table.

import KubernetesModel

/// What a pod sandbox needs to exist: the identity that the pod's containers share.
public struct PodSandboxConfig: Sendable, Hashable, Codable {
    public var podUID: String
    public var namespace: String
    public var name: String
    public var hostname: String
    /// `uid` of the record's directory, below which the runtime may keep its own files. Absolute path.
    public var stateDirectory: String
    /// Container logs are written below it. Absolute path.
    public var logDirectory: String
    /// Lines of the task's /etc/hosts beside localhost and the pod itself: address -> names.
    public var hostAliases: [HostAlias]
    public var nameservers: [String]
    public var searches: [String]
    /// Of resolv.conf(5): "ndots:5".
    @DefaultEmpty public var resolverOptions: [String] = []
    /// The pod-wide limits; the sum of the containers' when the pod gives none.
    public var limits: RuntimeLimits
    public var annotations: [String: String]
    /// One of the runtime's `handlers`; nil: its plain one.
    public var handler: String?
    /// nil: the node's own, without a rule.
    public var network: PodNetwork?
    @DefaultEmpty public var kernelParameters: [KernelParameter] = []
    @DefaultEmpty public var portMappings: [PodPortMapping] = []
    /// The pod's ids are the node's: only where the node permits it.
    @DefaultEmpty public var hostUsers: Bool = false
    /// The name of the only container that the pod's spec has, if it has no other of any kind: what limits that one limits the pod.
    public var soleContainer: String?

    public init(
        podUID: String, namespace: String, name: String, hostname: String, stateDirectory: String, logDirectory: String,
        hostAliases: [HostAlias] = [], nameservers: [String] = [], searches: [String] = [], limits: RuntimeLimits = .init(),
        annotations: [String: String] = [:], handler: String? = nil, network: PodNetwork? = nil,
        kernelParameters: [KernelParameter] = [],
        portMappings: [PodPortMapping] = [], hostUsers: Bool = false, resolverOptions: [String] = [], soleContainer: String? = nil
    ) {
        self.podUID = podUID
        self.namespace = namespace
        self.name = name
        self.hostname = hostname
        self.stateDirectory = stateDirectory
        self.logDirectory = logDirectory
        self.hostAliases = hostAliases
        self.nameservers = nameservers
        self.searches = searches
        self.limits = limits
        self.annotations = annotations
        self.handler = handler
        self.network = network
        self.kernelParameters = kernelParameters
        self.portMappings = portMappings
        self.hostUsers = hostUsers
        self.resolverOptions = resolverOptions
        self.soleContainer = soleContainer
    }
}

public struct HostAlias: Sendable, Hashable, Codable {
    public var ip: String
    public var hostnames: [String]

    public init(ip: String, hostnames: [String]) {
        self.ip = ip
        self.hostnames = hostnames
    }
}

/// Limits as a kernel understands them; nil is "no limit of its own".
public struct RuntimeLimits: Sendable, Hashable, Codable {
    /// Bytes of memory, page cache and tmpfs included.
    public var memoryBytes: Int64?
    /// Thousandths of a CPU.
    public var cpuMillis: Int64?
    /// Processes and threads together.
    public var pids: Int64?
    /// Bytes of one log file; a full one becomes PATH.1, PATH.2, ...
    public var logBytes: Int64?
    /// Bytes of the private /tmp (tmpfs, charged to the task's memory).
    public var tmpBytes: Int64?
    /// Thousandths of a CPU that the container asked for: its share when the machine is busy.
    public var cpuRequestMillis: Int64?
    /// Bytes on disk: /tmp, working directory, logs and a writable root together.
    public var ephemeralStorageBytes: Int64?
    /// Log files that are kept, the present one among them.
    public var logFiles: Int64?
    /// Time after its first line at which a log file is full too.
    public var logAgeSeconds: Int64?

    public init(
        memoryBytes: Int64? = nil, cpuMillis: Int64? = nil, pids: Int64? = nil, logBytes: Int64? = nil, tmpBytes: Int64? = nil,
        cpuRequestMillis: Int64? = nil, ephemeralStorageBytes: Int64? = nil, logFiles: Int64? = nil, logAgeSeconds: Int64? = nil
    ) {
        self.memoryBytes = memoryBytes
        self.cpuMillis = cpuMillis
        self.pids = pids
        self.logBytes = logBytes
        self.tmpBytes = tmpBytes
        self.cpuRequestMillis = cpuRequestMillis
        self.ephemeralStorageBytes = ephemeralStorageBytes
        self.logFiles = logFiles
        self.logAgeSeconds = logAgeSeconds
    }
}

/// How a container came to its end, as the kernel told it.
public struct ContainerExit: Sendable, Hashable, Codable {
    /// 0-255; 128 + signal when a signal ended it (137 for an OOM kill).
    public var exitCode: Int
    public var signal: Int?
    public var oomKilled: Bool
    /// Kubernetes' reason: Completed, Error, OOMKilled, StartError (128), ContainerStatusUnknown, DeadlineExceeded.
    public var reason: String
    public var message: String?
    /// Unix nanoseconds.
    public var startedAt: Int64
    public var finishedAt: Int64
    public var usage: ContainerUsage

    public init(
        exitCode: Int, signal: Int? = nil, oomKilled: Bool = false, reason: String, message: String? = nil, startedAt: Int64,
        finishedAt: Int64, usage: ContainerUsage = .init()
    ) {
        self.exitCode = exitCode
        self.signal = signal
        self.oomKilled = oomKilled
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.usage = usage
    }
}

/// What a container used so far, or in all once it ended.
public struct ContainerUsage: Sendable, Hashable, Codable {
    public var cpuNanoseconds: Int64
    public var peakMemoryBytes: Int64
    public var currentMemoryBytes: Int64

    public init(cpuNanoseconds: Int64 = 0, peakMemoryBytes: Int64 = 0, currentMemoryBytes: Int64 = 0) {
        self.cpuNanoseconds = cpuNanoseconds
        self.peakMemoryBytes = peakMemoryBytes
        self.currentMemoryBytes = currentMemoryBytes
    }
}

///     created --> running --> exited
///        \____________________^   (start failed: StartError)
public enum ContainerPhase: Sendable, Hashable, Codable {
    case created
    /// `startedAt` in Unix nanoseconds.
    case running(pid: Int32, startedAt: Int64)
    case exited(ContainerExit)
    /// The record says that it ran, nobody can say how it ended (e.g. the machine was rebooted meanwhile).
    case unknown(reason: String)
}

public struct ContainerID: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Pod's UID; its sandbox' id too.
    public var podUID: String
    public var name: String
    public var attempt: Int

    public init(podUID: String, name: String, attempt: Int) {
        self.podUID = podUID
        self.name = name
        self.attempt = attempt
    }

    /// Unique on the machine; used for directories and cgroups.
    public var description: String { "\(podUID)_\(name)_\(attempt)" }
}

public struct ContainerStatusReport: Sendable, Hashable, Codable {
    public var id: ContainerID
    public var phase: ContainerPhase
    public var image: String
    public var logPath: String

    public init(id: ContainerID, phase: ContainerPhase, image: String, logPath: String) {
        self.id = id
        self.phase = phase
        self.image = image
        self.logPath = logPath
    }
}

/// Tells the agent that a container changed without being asked (it ended). The agent asks `status` for the facts.
public struct ContainerEvent: Sendable, Hashable {
    public var id: ContainerID

    public init(id: ContainerID) { self.id = id }
}

/// Why a verb failed. `stage` says where in it, e.g. "mount(bind /data)".
public enum RuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
    case notFound(String)
    /// The request cannot be carried out as given: a wrong field, an image that is not there.
    case invalid(field: String, reason: String)
    /// Nothing wrong with the request; may be tried again.
    case unavailable(stage: String, reason: String)
    /// The machine cannot enforce what is asked for.
    case unenforceable(String)
    case imageNotPresent(String)

    public var description: String {
        switch self {
        case .notFound(let what): "not found: \(what)"
        case .invalid(let field, let reason): "\(field): \(reason)"
        case .unavailable(let stage, let reason): "\(stage): \(reason)"
        case .unenforceable(let what): "this machine cannot enforce \(what)"
        case .imageNotPresent(let image): "image \(image) is not present on this node"
        }
    }
}

/// What runs containers: RunP, RunC. A runtime knows nothing of the Agent.
public protocol ContainerRuntime: Sendable {
    /// "runp", "runc": the node's `runtime` and the RuntimeClass handler.
    var name: String { get }
    /// RuntimeClasses that it serves; `name` among them.
    var handlers: Set<String> { get }
    /// What the runtime says of this machine, once: shown as conditions of the node.
    var conditions: [RuntimeCondition] { get }

    /// Finds what a former agent left running under the same state directory, before any other verb. Returns every
    /// container that has a record, in whatever phase.
    func adopt() async throws -> [ContainerStatusReport]

    func runPodSandbox(_ config: PodSandboxConfig) async throws
    /// The pod's own address; nil when it has none, or shares the node's.
    func podAddress(podUID: String) async throws -> String?
    /// Ends the pod's containers, whole trees, at once. The records stay.
    func stopPodSandbox(podUID: String) async throws
    /// Removes everything of the pod: records, cgroups, mounts. Not its logs. Fails while a container runs.
    func removePodSandbox(podUID: String) async throws

    func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID
    /// Returns once the task's own program was started (exec succeeded), or with the phase `exited` StartError.
    func startContainer(_ id: ContainerID) async throws
    /// SIGTERM, then after `graceSeconds` SIGKILL to the whole tree. Returns when it ended.
    func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws
    func removeContainer(_ id: ContainerID) async throws

    /// nil when there is no record of it.
    func status(_ id: ContainerID) async throws -> ContainerStatusReport?
    func list() async throws -> [ContainerStatusReport]
    func usage(_ id: ContainerID) async throws -> ContainerUsage
    /// The log file at the container's `logPath` was moved away: output goes into a new one there from now on. Where nobody moved it, a
    /// file older than the limit `logAgeSeconds` is rotated. Nothing to do for a container that does not run.
    func reopenContainerLog(_ id: ContainerID) async throws
    /// Every running container's use, in one cheap pass.
    func stats() async throws -> [ContainerID: ContainerStats]

    /// Runs `command` in the running container: its namespaces, cgroup, ids, capabilities and filter. After `timeoutSeconds` (0: no
    /// limit) the command's whole tree is killed. Throws `notFound` when the container does not run, `invalid(field: "command")` when
    /// there is no such program.
    func execSync(_ id: ContainerID, command: [String], timeoutSeconds: Int, maximumOutputBytes: Int) async throws -> ExecResult
    /// As `execSync`, with streams; returns once the command was started. Throws as `execSync`.
    func exec(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession
    /// The container's own streams, from now on; stdin only where the container has one.
    func attach(_ id: ContainerID, _ request: ExecRequest) async throws -> any ExecSession
    /// A TCP connection to 127.0.0.1:`port` as the pod's own processes would make it. Throws `unavailable` when nobody listens.
    func portForward(podUID: String, port: UInt16) async throws -> any ByteStream

    /// Called on an unspecified thread for each change; must return quickly. Set once, before `adopt`.
    func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async
}

extension ContainerRuntime {
    public var conditions: [RuntimeCondition] { [] }
    public var handlers: Set<String> { [name] }
    public func podAddress(podUID: String) async throws -> String? { nil }
    public func reopenContainerLog(_ id: ContainerID) async throws {
        throw RuntimeError.unavailable(stage: "reopenContainerLog(\(id))", reason: "runtime \(name) cannot")
    }
}
