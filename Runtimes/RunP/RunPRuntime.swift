// RunP: containers as processes in our own sandbox. The verbs of ContainerRuntime over records on disk and one
// supervisor process per task; this object may die and be made anew at any time.

import LocalRuntime
import Logging
import RuntimeInterface
import Synchronization

public typealias RunPConfiguration = LocalConfiguration
public typealias RunPImage = RuntimeImage
public typealias RunPImageResolver = RuntimeImageResolver

public final class RunPRuntime: LocalContainerRuntime {
    public let name = "runp"
    public let pods: LocalPods
    let images: RuntimeImageResolver
    let launcher: ResidentLauncher
    let seccompPrograms = Mutex<[SeccompWish: [UInt8]]>([:])

    var configuration: LocalConfiguration { pods.configuration }

    public init(
        configuration: LocalConfiguration, logger: Logger = Logger(label: "runp"), images: @escaping RuntimeImageResolver
    ) throws(RuntimeError) {
        self.images = images
        launcher = ResidentLauncher(program: configuration.launcherPath, socket: "\(configuration.stateDirectory)/launcher.sock")
        pods = try LocalPods(configuration, logger: logger)
    }

    public var conditions: [RuntimeCondition] { pods.conditions }

    /// At an orderly end: removes the cgroup above all tasks when none is left below it. Running tasks keep it.
    public func close() async throws {
        launcher.end()
        try await pods.close()
    }

    /// For who looks after the cgroups by himself: the resident launcher ends, and nothing stays in memory if no pod has a record
    /// any more.
    public func releaseRecords() async throws {
        launcher.end()
        try await pods.releaseRecords()
    }

    public func runPodSandbox(_ config: PodSandboxConfig) async throws {
        launcher.start()
        try await pods.runPodSandbox(config)
    }
}
