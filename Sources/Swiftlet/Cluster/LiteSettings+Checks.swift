// What a Lite's configuration names on this machine has to be there: said at the start with the field, not later by a broken pod.
import Glibc
import KubernetesModel

extension LiteSettings {
    /// Throws `CommandFailure` with the first field that is wrong. Not for who ends tasks: they end without their data too.
    func check(configurationPath: String) throws {
        func fail(_ field: String, _ text: String, _ hint: String) -> CommandFailure {
            CommandFailure("\(configurationPath): \(field): \(text)", hint: hint)
        }
        if configuredDataDirectory != nil, !FileText.isDirectory(dataDirectory), dataDirectory != "\(stateDirectory)/data" {
            throw fail(
                "swiftlet.dataDirectory", "\(dataDirectory) is no directory",
                "is it spelt right, and mounted? `mkdir -p \(dataDirectory)` makes an empty one")
        }
        let directories = [
            ("swiftlet.node.podManifests", manifestDirectory, "make it, empty, or leave the key out"),
            (
                "swiftlet.sandbox.seccompProfiles", sandbox.seccompProfiles,
                "where Localhost profiles lie; leave it out without any"
            ),
            ("swiftlet.sandbox.cniConfigurations", sandbox.cniConfigurations, "where network lists lie, as in /etc/cni/net.d"),
        ]
        for case (let field, let path?, let hint) in directories where !FileText.isDirectory(path) {
            throw fail(field, "\(path) is no directory", hint)
        }
        for (index, path) in sandbox.cniPlugins.enumerated() where !FileText.isDirectory(path) {
            throw fail("swiftlet.sandbox.cniPlugins[\(index)]", "\(path) is no directory", "e.g. /opt/cni/bin")
        }
        for (handler, line) in ociRuntimes.sorted(by: { $0.key < $1.key }) {
            let program = line.split(separator: " ").first.map(String.init) ?? ""
            guard Self.isProgram(program) else {
                throw fail(
                    "swiftlet.runtimes.\(handler)", "\"\(program)\" is no program that can be executed",
                    "the path of an OCI runtime and its options, e.g. /usr/sbin/runc")
            }
        }
    }

    /// A path, or a name to be found in PATH.
    private static func isProgram(_ name: String) -> Bool {
        func isExecutable(_ path: String) -> Bool { access(path, X_OK) == 0 && !FileText.isDirectory(path) }
        if name.isEmpty || name.contains("/") { return !name.isEmpty && isExecutable(name) }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return path.split(separator: ":").contains { isExecutable("\($0)/\(name)") }
    }

    /// A node that keeps more for itself than it has offers nothing, and no pod ever comes to it.
    static func checkReserved(_ configuration: KusciaConfiguration, _ path: String) throws {
        let (capacity, reserved) = (configuration.capacity, configuration.reserved)
        let pairs = [
            ("cpu", capacity.cpu, reserved.cpu), ("memory", capacity.memory, reserved.memory),
            ("ephemeralStorage", capacity.ephemeralStorage, reserved.ephemeralStorage),
            ("bandwidth", capacity.bandwidth, reserved.bandwidth),
        ]
        for case (let name, let has?, let keeps?) in pairs {
            guard let all = try? Quantity(has), let kept = try? Quantity(keeps), kept > all else { continue }
            throw CommandFailure(
                "\(path): reservedResources.\(name): found \"\(keeps)\", expected at most capacity.\(name), which is \"\(has)\"",
                hint: "what is reserved is taken from the capacity; the rest is for tasks")
        }
    }
}

extension KusciaConfiguration.Sandbox {
    /// The same with its directories' paths absolute: relative ones are the configuration's.
    func absolute(_ base: String) -> Self {
        var sandbox = self
        sandbox.seccompProfiles = seccompProfiles.map { FileText.absolute($0, relativeTo: base) }
        sandbox.cniConfigurations = cniConfigurations.map { FileText.absolute($0, relativeTo: base) }
        sandbox.cniPlugins = cniPlugins.map { FileText.absolute($0, relativeTo: base) }
        return sandbox
    }
}
