// RunP: containers as processes in our own sandbox. The verbs of ContainerRuntime over records on disk and one
// supervisor process per task; this object may die and be made anew at any time.

import Cgroups
import JSON
import Logging
import RuntimeInterface
import SandboxPolicy
import Synchronization

public final class RunPRuntime: ContainerRuntime {
    public let name = "runp"
    let configuration: RunPConfiguration
    let images: RunPImageResolver
    let logger: Logger
    let cgroups: CgroupHost
    let seccompProfiles: SeccompProfiles
    let paths: RecordPaths
    let launcher: ResidentLauncher
    let watches: LimitWatches
    let state = Mutex(State())

    struct State {
        var sandboxes: [String: SandboxRecord] = [:]
        var containers: [ContainerID: RunPContainer] = [:]
        var handler: (@Sendable (ContainerEvent) -> Void)?
    }

    public init(
        configuration: RunPConfiguration, logger: Logger = Logger(label: "runp"), images: @escaping RunPImageResolver
    ) throws(RuntimeError) {
        self.configuration = configuration
        self.images = images
        self.logger = logger
        cgroups = CgroupHost(root: configuration.cgroupRoot)
        paths = RecordPaths(root: configuration.stateDirectory)
        launcher = ResidentLauncher(program: configuration.launcherPath, socket: "\(configuration.stateDirectory)/launcher.sock")
        seccompProfiles = SeccompProfiles(
            directory: configuration.seccompProfiles, cacheDirectory: "\(configuration.stateDirectory)/seccomp",
            permitsUnconfined: configuration.permitsUnconfined)
        watches = try LimitWatches(configuration.limitWatchTimes, logger: logger)
        guard RecordFiles.exists(configuration.launcherPath) else {
            throw .invalid(field: "launcherPath", reason: "\(configuration.launcherPath) does not exist")
        }
        try RecordFiles.makeDirectories(paths.pods)
        try RecordFiles.makeDirectories("\(configuration.stateDirectory)/seccomp")
    }

    public func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) async {
        state.withLock { $0.handler = handler }
    }

    /// At an orderly end: removes the cgroup above all tasks when none is left below it. Running tasks keep it.
    public func close() async throws {
        launcher.end()
        guard state.withLock({ $0.containers.isEmpty }) else { return }
        let parent = cgroups.group(configuration.cgroupParent)
        let hasChildren = !cgroups.children(of: configuration.cgroupParent).isEmpty
        if hasChildren { return }
        try await Blocking.run {
            do throws(CgroupError) { try parent.remove() } catch { throw error.asRuntimeError }
        }
    }

    // MARK: Pod sandboxes

    public func runPodSandbox(_ config: PodSandboxConfig) async throws {
        try RecordName.check("podUID", config.podUID)
        launcher.start()
        if let made = state.withLock({ $0.sandboxes[config.podUID] }) { return try await makeNetwork(made.config) }
        if config.hostUsers, !configuration.permitsHostUsers {
            throw RuntimeError.invalid(field: "hostUsers", reason: "is not permitted on this node")
        }
        let userNamespaces = configuration.userNamespaces && !config.hostUsers
        // Reserved under the lock before it is written, so that two pods cannot pick the same range.
        let record: SandboxRecord? = state.withLock { state in
            var record = SandboxRecord(config: config)
            if userNamespaces {
                let taken = Set(state.sandboxes.values.compactMap(\.idRangeStart))
                guard let start = IDRanges.pick(podUID: config.podUID, taken: taken) else { return nil }
                record.idRangeStart = start
            }
            state.sandboxes[config.podUID] = record
            return record
        }
        guard let record else { throw RuntimeError.unavailable(stage: "idRange", reason: "every range is taken") }
        do {
            let paths = paths
            try await Blocking.run {
                try RecordFiles.makeDirectories(paths.pod(config.podUID))
                try RecordFiles.write(JSON.encode(record), to: paths.sandbox(config.podUID))
            }
        } catch {
            state.withLock { _ = $0.sandboxes.removeValue(forKey: config.podUID) }
            throw error
        }
        try await makeNetwork(config)
    }

    func network(of podUID: String) -> PodNetworkNamespace {
        PodNetworkNamespace(directory: paths.pod(podUID), node: configuration)
    }

    private func makeNetwork(_ config: PodSandboxConfig) async throws {
        let network = network(of: config.podUID)
        guard let wish = config.network, !wish.isHost else { return }
        _ = try await Blocking.run { try network.make(wish, config: config) }
    }

    public func podAddress(podUID: String) async throws -> String? {
        let network = network(of: podUID)
        return try await Blocking.run { try network.attachment()?.addresses.first }
    }

    public func stopPodSandbox(podUID: String) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for container in containers(of: podUID) { group.addTask { try await container.stop(graceSeconds: 0) } }
            try await group.waitForAll()
        }
    }

    public func removePodSandbox(podUID: String) async throws {
        try RecordName.check("podUID", podUID)
        for container in containers(of: podUID) {
            guard await !container.isRunning else {
                throw RuntimeError.unavailable(stage: "removePodSandbox(\(podUID))", reason: "\(container.id) runs")
            }
            try await removeContainer(container.id)
        }
        let (paths, network, group) = (paths, network(of: podUID), podGroup(podUID))
        try await Blocking.run {
            try network.remove()
            do throws(CgroupError) { try group.remove() } catch { throw error.asRuntimeError }
            try RecordFiles.removeTree(paths.pod(podUID))
        }
        state.withLock { _ = $0.sandboxes.removeValue(forKey: podUID) }
    }

    // MARK: Status

    public func status(_ id: ContainerID) async throws -> ContainerStatusReport? { await container(id)?.report }

    public func list() async throws -> [ContainerStatusReport] {
        var reports: [ContainerStatusReport] = []
        for container in state.withLock({ Array($0.containers.values) }) { reports.append(await container.report) }
        return reports.sorted { $0.id.description < $1.id.description }
    }

    public func usage(_ id: ContainerID) async throws -> ContainerUsage {
        guard let container = container(id) else { throw RuntimeError.notFound("container \(id)") }
        return try await container.usage()
    }

    public func reopenContainerLog(_ id: ContainerID) async throws {
        guard let container = container(id) else { throw RuntimeError.notFound("container \(id)") }
        await container.reopenLog()
    }

    // MARK: Finding

    var everyContainer: [RunPContainer] { state.withLock { Array($0.containers.values) } }

    func container(_ id: ContainerID) -> RunPContainer? { state.withLock { $0.containers[id] } }

    func containers(of podUID: String) -> [RunPContainer] {
        state.withLock { state in state.containers.filter { $0.key.podUID == podUID }.map(\.value) }
    }

    func podGroup(_ podUID: String) -> Cgroup { cgroups.group("\(configuration.cgroupParent)/\(podUID)") }

    func makeContainer(_ id: ContainerID, _ config: ContainerConfig) -> RunPContainer {
        RunPContainer(
            id: id, config: config, paths: paths.container(id),
            cgroup: cgroups.group("\(configuration.cgroupParent)/\(id.podUID)/\(ContainerGroups.name(id))"),
            changed: { [weak self] id in
                self?.watches.forget(id)
                guard let handler = self?.state.withLock({ $0.handler }) else { return }
                handler(ContainerEvent(id: id))
            })
    }
}
