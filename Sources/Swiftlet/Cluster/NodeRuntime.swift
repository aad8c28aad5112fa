// The node's runtime and images, from its configuration: for the Lite, and for who must end its tasks without it.
import Agent
import Cgroups
import Glibc
import ImageStore
import LocalRuntime
import Logging
import RunC
import RunP
import RuntimeInterface

struct NodeRuntime: Sendable {
    let runtime: any ContainerRuntime
    let images: BuiltinImages
    /// All of the node's images, for the agent and for its runtimes.
    let store: ImageStore
    /// Of the agent's own.
    private let records: RecordsPlace
    private let runp: RunPRuntime
    /// One for each runtime: what a runtime does not know below its own is removed.
    private let cgroupParents: [String]

    /// The image whose root is the machine's own programs; every node has it, unless its operator put another in its place.
    static let hostImage = BuiltinImage(name: "host:latest", env: ["PATH=/usr/local/bin:/usr/bin:/bin"])

    init(_ settings: LiteSettings, logger: Logger) throws {
        let store = try ImageStore(stateDirectory: settings.stateDirectory, extractionPolicy: settings.images.extractionPolicy)
        self.store = store
        let images = store.builtin
        if images.resolve(Self.hostImage.name) == nil { try images.register(Self.hostImage) }
        self.images = images
        let roots = StoredImages(
            store,
            defaultRegistry: try settings.images.registrySettings(directory: settings.configurationDirectory).defaultRegistry)
        let resolver: RuntimeImageResolver = { name in try await roots.resolve(name) }
        var runp = try Self.configuration(settings, directory: "runp", cgroupParent: settings.cgroupParent)
        runp.roots = roots
        runp.keepsRecordsInMemory = true
        let sandboxes = try RunPRuntime(configuration: runp, logger: logger, images: resolver)
        self.runp = sandboxes
        records = RecordsPlace(path: "\(settings.stateDirectory)/records")
        var runtimes: [any ContainerRuntime] = [sandboxes]
        let programs = Self.programs(settings, launcher: runp.launcherPath, cgroupRoot: runp.cgroupRoot)
        var parents = [settings.cgroupParent]
        if !programs.isEmpty {
            var runc = try Self.configuration(settings, directory: "runc", cgroupParent: "\(settings.cgroupParent).runc")
            runc.idRanges = .upperHalf
            runc.roots = roots
            let runtime = try RunCRuntime(configuration: runc, programs: programs, logger: logger, images: resolver)
            parents.append(runc.cgroupParent)
            // The first serves pods that name no class.
            if settings.runtime == .runc { runtimes.insert(runtime, at: 0) } else { runtimes.append(runtime) }
        } else if settings.runtime == .runc {
            throw CommandFailure(
                "runtime: runc, and no OCI runtime is installed",
                hint: "install runc or crun, or name one under swiftlet.runtimes")
        }
        cgroupParents = parents
        runtime = runtimes.count == 1 ? runtimes[0] : try RuntimeSelection(runtimes)
    }

    /// Those of the settings; without any, those that are installed.
    private static func programs(_ settings: LiteSettings, launcher: String, cgroupRoot: String) -> [OCIProgram] {
        if settings.ociRuntimes.isEmpty { return OCIProgram.installed(launcher: launcher, cgroupRoot: cgroupRoot) }
        return settings.ociRuntimes.sorted { ($0.key == "runc" ? 0 : 1, $0.key) < ($1.key == "runc" ? 0 : 1, $1.key) }.map {
            handler, line in
            OCIProgram(
                handler: handler, command: line.split(separator: " ").map(String.init), launcher: launcher, cgroupRoot: cgroupRoot
            )
        }
    }

    private static func configuration(_ settings: LiteSettings, directory: String, cgroupParent: String) throws
        -> LocalConfiguration
    {
        var configuration = LocalConfiguration(
            launcherPath: try launcherPath(), stateDirectory: "\(settings.stateDirectory)/\(directory)",
            cgroupParent: cgroupParent)
        configuration.permitsPrivileged = settings.sandbox.permitPrivileged
        configuration.permitsUnconfined = settings.sandbox.permitUnconfined
        configuration.permitsHostUsers = settings.sandbox.permitHostUsers
        configuration.allowsUnenforced = settings.sandbox.allowUnenforced
        configuration.seccompProfiles = settings.sandbox.seccompProfiles
        if let directory = settings.sandbox.cniConfigurations { configuration.cniConfigurations = directory }
        if !settings.sandbox.cniPlugins.isEmpty { configuration.cniPlugins = settings.sandbox.cniPlugins }
        return configuration
    }

    /// Beside this program, unless the environment says otherwise.
    private static func launcherPath() throws -> String {
        if let variable = getenv("SWIFTLET_SANDBOX") { return String(cString: variable) }
        let path = FileText.directory(of: try UpPlan.ownExecutable()) + "/swiftlet-sandbox"
        guard FileText.exists(path) else {
            throw CommandFailure(
                "the sandbox launcher \(path) is not there", hint: "install it beside `swiftlet`, or set SWIFTLET_SANDBOX")
        }
        return path
    }

    /// Ends every task that is still recorded, and removes the node's cgroup. For the end of a cluster.
    func endEverything() async throws {
        let reports = try await runtime.adopt()
        for uid in Set(reports.map(\.id.podUID)) { try await runtime.stopPodSandbox(podUID: uid) }
        try removeCgroup()
    }

    /// Where the agent's records are to lie; nil where the machine has no memory for them.
    func prepareRecords() throws -> RecordsInMemory? {
        try records.prepare().map { RecordsInMemory(directory: $0, mapsIDs: RecordsPlace.mapsIDs) }
    }

    /// Of an orderly end: nothing stays in the machine's memory if no pod has a record any more.
    func releaseRecords() async throws {
        try await runp.releaseRecords()
        records.release()
    }

    func removeCgroup() throws {
        let host = CgroupHost()
        for parent in cgroupParents {
            for child in host.children(of: parent) { try host.group("\(parent)/\(child)").remove() }
            try host.group(parent).remove()
            CgroupLeftovers.remove(parent, below: host.root)
        }
    }
}

/// Ends what a killed Lite left running on its node's state directory.
struct TaskDrain {
    let nodeDirectory: String

    func run() async throws {
        let path = "\(nodeDirectory)/kuscia.yaml"
        guard FileText.exists(path) else { return }
        let configuration = try KusciaConfiguration.load(path: path).configuration
        let settings = try LiteSettings(configuration, configurationPath: path)
        let logger = Logger(label: "runp") { _ in SwiftLogNoOpLogHandler() }
        try await NodeRuntime(settings, logger: logger).endEverything()
    }
}
