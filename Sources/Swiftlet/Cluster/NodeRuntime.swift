// The node's runtime and images, from its configuration: for the Lite, and for who must end its tasks without it.
import Cgroups
import Glibc
import ImageStore
import Logging
import RunP
import RuntimeInterface

struct NodeRuntime: Sendable {
    let runtime: RunPRuntime
    let images: BuiltinImages
    private let cgroupParent: String

    /// The image whose root is the machine's own programs; every node has it, unless its operator put another in its place.
    static let hostImage = BuiltinImage(name: "host:latest", env: ["PATH=/usr/local/bin:/usr/bin:/bin"])

    init(_ settings: LiteSettings, logger: Logger) throws {
        let images = try BuiltinImages(stateDirectory: settings.stateDirectory)
        if images.resolve(Self.hostImage.name) == nil { try images.register(Self.hostImage) }
        self.images = images
        cgroupParent = settings.cgroupParent
        var configuration = RunPConfiguration(
            launcherPath: try Self.launcherPath(), stateDirectory: "\(settings.stateDirectory)/runp",
            cgroupParent: settings.cgroupParent)
        configuration.permitsPrivileged = settings.sandbox.permitPrivileged
        configuration.permitsUnconfined = settings.sandbox.permitUnconfined
        configuration.permitsHostUsers = settings.sandbox.permitHostUsers
        configuration.allowsUnenforced = settings.sandbox.allowUnenforced
        configuration.seccompProfiles = settings.sandbox.seccompProfiles
        if let directory = settings.sandbox.cniConfigurations { configuration.cniConfigurations = directory }
        if !settings.sandbox.cniPlugins.isEmpty { configuration.cniPlugins = settings.sandbox.cniPlugins }
        runtime = try RunPRuntime(configuration: configuration, logger: logger) { name in
            guard let manifest = images.resolve(name) else { throw RuntimeError.imageNotPresent(name) }
            return RunPImage(manifest)
        }
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

    func removeCgroup() throws {
        let host = CgroupHost()
        for child in host.children(of: cgroupParent) { try host.group("\(cgroupParent)/\(child)").remove() }
        try host.group(cgroupParent).remove()
    }
}

extension RunPImage {
    init(_ manifest: BuiltinImage) {
        let root: Root =
            switch manifest.rootfs {
            case .host: .hostView(readOnlyPaths: manifest.readOnlyPaths)
            case .directory(let path): .directory(path)
            }
        let environment = manifest.env.compactMap { entry -> EnvironmentVariable? in
            guard let equals = entry.firstIndex(of: "=") else { return nil }
            return EnvironmentVariable(name: String(entry[..<equals]), value: String(entry[entry.index(after: equals)...]))
        }
        self.init(
            root: root, environment: environment, command: manifest.entrypoint, args: manifest.cmd,
            workingDirectory: manifest.workingDirectory)
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
