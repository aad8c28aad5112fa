// The pods and containers of one runtime on this machine: records on disk, one supervisor process per container, networks, limits.
// What RunP and RunC have in common; this object may die and be made anew at any time.

import Cgroups
import JSON
import Logging
import RuntimeInterface
import SandboxPolicy
import Synchronization

public final class LocalPods: Sendable {
    /// What a runtime gives back of a container before its groups and records go: blocks, repeatable, does nothing the second time.
    package typealias Release = @Sendable (SupervisedContainer) throws -> Void

    package let configuration: LocalConfiguration
    package let logger: Logger
    package let cgroups: CgroupHost
    package let seccompProfiles: SeccompProfiles
    package let paths: RecordPaths
    package let watches: LimitWatches
    package let state = Mutex(State())
    private let release: Release

    package struct State {
        package var pods = PodTable()
        /// The last of the calls that make a pod's sandbox, while there is one.
        package var making: [String: Task<Void, any Error>] = [:]
        package var handler: (@Sendable (ContainerEvent) -> Void)?
    }

    package init(
        _ configuration: LocalConfiguration, logger: Logger, release: @escaping Release = { _ in }
    ) throws(RuntimeError) {
        self.configuration = configuration
        self.logger = logger
        self.release = release
        cgroups = CgroupHost(root: configuration.cgroupRoot)
        seccompProfiles = SeccompProfiles(
            directory: configuration.seccompProfiles, cacheDirectory: "\(configuration.stateDirectory)/seccomp",
            permitsUnconfined: configuration.permitsUnconfined)
        watches = try LimitWatches(configuration.limitWatchTimes, logger: logger)
        guard RecordFiles.exists(configuration.launcherPath) else {
            throw .invalid(field: "launcherPath", reason: "\(configuration.launcherPath) does not exist")
        }
        paths = RecordPaths(root: configuration.stateDirectory, pods: try Self.records(configuration, logger))
        try RecordFiles.makeDirectories("\(configuration.stateDirectory)/seccomp")
    }

    private static func records(_ configuration: LocalConfiguration, _ logger: Logger) throws(RuntimeError) -> String {
        let place = place(configuration)
        if configuration.keepsRecordsInMemory {
            if let directory = try place.prepare() { return directory }
            logger.notice("records lie on disk: neither /run nor /dev/shm is in memory and ours to write")
        }
        try RecordFiles.makeDirectories(place.path)
        return place.path
    }

    private static func place(_ configuration: LocalConfiguration) -> RecordsPlace {
        RecordsPlace(path: RecordPaths(root: configuration.stateDirectory).pods)
    }

    package func onEvent(_ handler: @escaping @Sendable (ContainerEvent) -> Void) { state.withLock { $0.handler = handler } }

    /// At an orderly end: removes the cgroup above all containers when none is left below it. Running containers keep it.
    package func close() async throws {
        guard !state.withLock({ $0.pods.hasContainers }) else { return }
        let (parent, configuration) = (cgroups.group(configuration.cgroupParent), configuration)
        let hasChildren = !cgroups.children(of: configuration.cgroupParent).isEmpty
        if hasChildren { return }
        try await Blocking.run {
            do throws(CgroupError) { try parent.remove() } catch { throw error.asRuntimeError }
            Self.place(configuration).release()
        }
    }

    /// At an orderly end, and where no pod has a record any more: nothing of ours stays in the machine's memory.
    package func releaseRecords() async throws {
        let configuration = configuration
        try await Blocking.run { Self.place(configuration).release() }
    }

    // MARK: Finding

    package func sandbox(_ podUID: String) -> SandboxRecord? { state.withLock { $0.pods.sandboxes[podUID] } }

    package var everyContainer: [SupervisedContainer] { state.withLock { $0.pods.everyContainer } }

    package func container(_ id: ContainerID) -> SupervisedContainer? { state.withLock { $0.pods[id] } }

    package func containers(of podUID: String) -> [SupervisedContainer] {
        state.withLock { $0.pods.containers(of: podUID) }
    }

    package func network(of podUID: String) -> PodNetworkNamespace {
        PodNetworkNamespace(directory: paths.podScratch(podUID), node: configuration)
    }

    func podGroup(_ podUID: String) -> Cgroup { cgroups.group("\(configuration.cgroupParent)/\(podUID)") }

    // MARK: Status

    package func list() async -> [ContainerStatusReport] {
        var reports: [ContainerStatusReport] = []
        for container in everyContainer { reports.append(await container.report) }
        return reports.sorted { $0.id.description < $1.id.description }
    }

    // MARK: Containers

    /// Writes its record, and has it from then on; repeatable.
    package func addContainer(_ id: ContainerID, _ config: ContainerConfig) async throws {
        let paths = paths.container(id)
        try await Blocking.run {
            try RecordFiles.makeDirectories(paths.directory)
            try RecordFiles.write(JSON.encode(config), to: paths.config)
        }
        let made = makeContainer(id, config)
        state.withLock { if $0.pods[id] == nil { $0.pods.put(made) } }
    }

    package func removeContainer(_ id: ContainerID) async throws {
        guard let container = container(id) else { return }
        try await container.stop(graceSeconds: 0)
        let (cgroup, paths, release, roots) = (container.cgroup, container.paths, release, configuration.roots)
        try await Blocking.run {
            try release(container)
            try roots?.remove(container.id)
            // The record last: as long as it is there, a restart finds what is left to remove.
            do throws(CgroupError) { try cgroup.remove() } catch { throw error.asRuntimeError }
            if paths.scratch != paths.directory { try RecordFiles.removeTree(paths.scratch) }
            try RecordFiles.removeTree(paths.directory)
        }
        state.withLock { $0.pods.removeContainer(id) }
    }

    func makeContainer(_ id: ContainerID, _ config: ContainerConfig) -> SupervisedContainer {
        SupervisedContainer(
            id: id, config: config, paths: paths.container(id),
            cgroup: cgroups.group("\(configuration.cgroupParent)/\(id.podUID)/\(ContainerGroups.name(id))"),
            changed: { [weak self] id in
                self?.watches.forget(id)
                guard let handler = self?.state.withLock({ $0.handler }) else { return }
                handler(ContainerEvent(id: id))
            })
    }
}
