// RunC: containers made by programs of the Open Container Initiative. Records, supervision, networks and limits are those of every
// runtime of this machine; here is what such a program is told.

import LocalRuntime
import Logging
import RuntimeInterface
import Spawn

public final class RunCRuntime: LocalContainerRuntime {
    public let name = "runc"
    public let pods: LocalPods
    let images: RuntimeImageResolver
    let programs: [String: OCIProgram]

    var configuration: LocalConfiguration { pods.configuration }

    /// `programs`: one for each handler; the first serves pods that name none. Throws `invalid` when there is none.
    public init(
        configuration: LocalConfiguration, programs: [OCIProgram], logger: Logger = Logger(label: "runc"),
        images: @escaping RuntimeImageResolver
    ) throws(RuntimeError) {
        guard let first = programs.first else {
            throw .invalid(field: "runtimes", reason: "found none, expected at least one program")
        }
        for program in programs where program.command.first?.hasPrefix("/") != true {
            throw .invalid(field: "runtimes[\(program.name)]", reason: "found \(program.command), expected an absolute path")
        }
        self.images = images
        self.programs = Dictionary(programs.map { ($0.name, $0) }) { first, _ in first }.merging(["runc": first]) { own, _ in own
        }
        let (programs, host) = (self.programs, configuration)
        pods = try LocalPods(configuration, logger: logger) { container in
            try OCIContainer(container, programs: programs, configuration: host).release()
        }
    }

    /// Every program of a handler, whether or not it is there: a pod whose program is missing is told so.
    public var handlers: Set<String> { Set(programs.keys).union([name]) }

    public var conditions: [RuntimeCondition] {
        let all = Set(programs.values).sorted { $0.name < $1.name }
        let missing = all.filter { !RecordFiles.exists($0.command.first ?? "") }.map { "\($0.name): \($0.command.first ?? "")" }
        let open = all.filter { !$0.hasInit }.map(\.name)
        return [
            missing.isEmpty
                ? RuntimeCondition(
                    type: "OCIRuntimesMissing", holds: false, reason: "AllPresent",
                    message: "every OCI runtime's program is there")
                : RuntimeCondition(
                    type: "OCIRuntimesMissing", holds: true, reason: "ProgramMissing",
                    message: "not there: " + missing.joined(separator: ", ")),
            open.isEmpty
                ? RuntimeCondition(
                    type: "OCIRuntimesWithoutSecondWall", holds: false, reason: "AllWalled",
                    message: "every OCI runtime's containers get a second wall")
                : RuntimeCondition(
                    type: "OCIRuntimesWithoutSecondWall", holds: true, reason: "MachinesOfTheirOwn",
                    message: "TCP ports on the node's network are not held to a rule under: " + open.joined(separator: ", ")),
        ]
    }

    public func close() async throws {
        try await pods.close()
        let host = pods.configuration
        try await Blocking.run { CgroupLeftovers.remove(host.cgroupParent, below: host.cgroupRoot) }
    }

    // MARK: Pod sandboxes

    public func runPodSandbox(_ config: PodSandboxConfig) async throws {
        try await pods.runPodSandbox(config)
        let namespaces = namespaces(of: config)
        try await Blocking.run { try namespaces.make(config) }
    }

    public func removePodSandbox(podUID: String) async throws {
        // The pinned files are mounts in the pod's directory, which goes next.
        let namespaces = PodNamespaces(
            directory: pods.paths.pod(podUID), networkNamespace: nil, launcher: configuration.launcherPath)
        for container in pods.containers(of: podUID) where await container.isRunning {
            throw RuntimeError.unavailable(stage: "removePodSandbox(\(podUID))", reason: "\(container.id) runs")
        }
        try await Blocking.run { try namespaces.remove() }
        try await pods.removePodSandbox(podUID: podUID)
        let host = pods.configuration
        try await Blocking.run { CgroupLeftovers.remove("\(host.cgroupParent)/\(podUID)", below: host.cgroupRoot) }
    }

    func namespaces(of config: PodSandboxConfig) -> PodNamespaces {
        let isHost = config.network?.isHost ?? true
        return PodNamespaces(
            directory: pods.paths.pod(config.podUID), networkNamespace: isHost ? nil : pods.network(of: config.podUID).path,
            launcher: configuration.launcherPath)
    }

    /// Of a pod's handler; those of handlers that this node had once are served by its first.
    func program(_ handler: String?) -> OCIProgram? { programs[handler ?? name] ?? programs[name] }
}
