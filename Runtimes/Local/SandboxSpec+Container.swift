// From the agent's words (pod sandbox, container, image) to a sandbox spec: the policy of this machine's runtimes in one place.

import Cgroups
import RuntimeInterface
import SandboxPolicy

package struct ContainerSpecInput: Sendable {
    package var id: ContainerID
    package var sandbox: SandboxRecord
    package var config: ContainerConfig
    package var image: RuntimeImage
    package var paths: ContainerPaths
    /// Where the pod's own network namespace is pinned, when it has one.
    package var networkNamespace: String
    package var cgroup: Cgroup
    package var seccomp: [UInt8]?
    package var node: LocalConfiguration
    /// No start without the second wall.
    package var requiresSecondWall: Bool

    package init(
        id: ContainerID, sandbox: SandboxRecord, config: ContainerConfig, image: RuntimeImage, paths: ContainerPaths,
        networkNamespace: String,
        cgroup: Cgroup, seccomp: [UInt8]?, node: LocalConfiguration, requiresSecondWall: Bool = false
    ) {
        self.id = id
        self.sandbox = sandbox
        self.config = config
        self.image = image
        self.paths = paths
        self.networkNamespace = networkNamespace
        self.cgroup = cgroup
        self.seccomp = seccomp
        self.node = node
        self.requiresSecondWall = requiresSecondWall
    }

    /// What is put together there is seen by nobody but the launcher, so all host views have one in common.
    package var rootMountPoint: String { image.root.isImage ? paths.rootMountPoint : "\(node.stateDirectory)/rootfs" }

    package var groups: ContainerGroups {
        ContainerGroups(id, pod: sandbox.config, limits: SandboxSpec.limits(self), host: cgroup.host, node: node)
    }
}

extension SandboxSpec {
    /// Directories of the host view in which nothing may be mounted for lack of a mount point, or that are the sandbox' own.
    private static let occupied = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/dev", "/sys", "/tmp"]

    /// `needsWork` says that the working directory is to be a scratch directory of the container's own.
    package static func container(_ input: ContainerSpecInput) throws(RuntimeError) -> (spec: SandboxSpec, needsWork: Bool) {
        let config = input.config
        let arguments = Self.arguments(config, input.image)
        guard !arguments.isEmpty else {
            throw .invalid(field: "command", reason: "neither the container nor image \(config.image) names a command")
        }
        let limits = Self.limits(input)
        let hostname = Self.hostname(input.sandbox.config.hostname)
        var spec = SandboxSpec(
            id: input.id.description, arguments: arguments,
            environment: Self.environment(config, input.image, hostname: hostname),
            hostname: hostname, rootMountPoint: input.rootMountPoint,
            temporary: limits.tmpBytes.map { .memory(bytes: $0) } ?? .directory(input.paths.temporary),
            output: .log(
                path: config.logPath, maximumBytes: limits.logBytes ?? input.node.defaultLogBytes,
                files: max(1, limits.logFiles ?? 2),
                maximumAgeSeconds: max(0, limits.logAgeSeconds ?? 0), late: true))
        spec.attach = config.console.map { .init(stdin: $0.stdin, once: $0.stdinOnce, terminal: $0.tty) }
        spec.workingDirectory = config.workingDirectory ?? input.image.workingDirectory ?? "/"
        spec.stopSignal = try Self.stopSignal(config, input.image)
        // Kubernetes' default is a root that can be written to. What is written is measured (`LimitWatches`) and goes with the container.
        spec.readOnlyRoot = config.readOnlyRootFilesystem ?? !input.image.hasOwnRoot
        spec.makesWorkingDirectory = input.image.hasOwnRoot
        spec.mounts = config.mounts.map {
            Mount(source: $0.hostPath, path: $0.containerPath, readOnly: $0.readOnly, refusesLinks: $0.refusesLinks)
        }
        spec.devices = config.devices.map { Device(source: $0.hostPath, path: $0.containerPath) }
        spec.sharedMemoryBytes = input.node.sharedMemoryBytes
        spec.idRangeStart = input.sandbox.idRangeStart
        let account = input.image.account
        spec.uid = try Self.id("runAsUser", config.runAsUser ?? account.map { Int64($0.uid) })
        // An image's own files say which group a user has; the host view has no such files.
        spec.gid = try Self.id("runAsGroup", config.runAsGroup ?? account.map { Int64($0.gid) } ?? config.runAsUser)
        if config.runAsNonRoot, spec.uid == 0 { throw Self.runsAsRoot(input) }
        spec.cgroups = input.cgroup.directories.map {
            CgroupJoin(
                version: $0.version, controller: $0.controller,
                controllers: $0.version == 1 ? input.cgroup.host.controllers(besides: $0.controller) : nil, path: $0.path)
        }
        spec.showsCgroups = true
        spec.seccomp = input.seccomp
        spec.countedDenials = input.seccomp == nil ? nil : input.node.countedDenials
        if input.requiresSecondWall { spec.secondWall = .required }
        try Self.setSecurity(&spec, input)
        try refuseHiddenPaths(spec, input)
        let needsWork = Self.setRoot(&spec, input)
        return (spec, needsWork)
    }

    /// The container's own goes before its image's; an image's that is none counts for nothing, as with Docker.
    private static func stopSignal(_ config: ContainerConfig, _ image: RuntimeImage) throws(RuntimeError) -> Int32? {
        if let name = config.stopSignal {
            guard let number = SignalName.stopping(name) else {
                throw .invalid(field: "lifecycle.stopSignal", reason: "found \(name), expected a signal of Linux, e.g. SIGQUIT")
            }
            return number
        }
        return image.stopSignal.flatMap { SignalName.stopping($0) }
    }

    private static func setSecurity(_ spec: inout SandboxSpec, _ input: ContainerSpecInput) throws(RuntimeError) {
        let (config, pod, node) = (input.config, input.sandbox.config, input.node)
        spec.groups = []
        for group in config.supplementalGroups { spec.groups.append(try id("supplementalGroups", group)) }
        spec.groups += (input.image.account?.groups ?? []).filter { !spec.groups.contains($0) && $0 < SandboxSpec.idRangeCount }
        // No single file may be larger than all of them together: holds at once, where the measured sum holds after some seconds. The
        // kernel asks not where a file lies: who may write what does not count (a claim, a volume in memory, another container's share of
        // an emptyDir) is only measured.
        if !writesElsewhere(input), let bytes = limits(input).ephemeralStorageBytes, let size = UInt64(exactly: bytes) {
            spec.resourceLimits.append(SandboxSpec.ResourceLimit(name: "fsize", soft: size, hard: size))
        }
        spec.deadlineMilliseconds = config.deadlineSeconds.map { $0.saturatingMultiplied(by: 1000) }
        let privileges = config.privileges ?? .none
        if privileges.privileged || privileges.unmaskedProc, !node.permitsPrivileged {
            throw .invalid(field: "securityContext", reason: "privileged and procMount: Unmasked are not permitted on this node")
        }
        spec.privileged = privileges.privileged
        spec.unmaskedProc = privileges.unmaskedProc
        if privileges.privileged {
            spec.seccomp = nil
            spec.countedDenials = nil  // nothing refuses, so nothing is counted: a plan with one and not the other is refused
        }
        for name in privileges.capabilities {
            if name == "ALL" {
                spec.capabilities = Capability.allCases
                break
            }
            guard let capability = Capability(name: name) else {
                throw .invalid(
                    field: "securityContext.capabilities.add", reason: "found \(name), expected a capability of Linux or ALL")
            }
            spec.capabilities.append(capability)
        }
        spec.sysctls = pod.kernelParameters.map { Sysctl(name: $0.name, value: $0.value) }
        switch pod.network ?? .host(.any) {
        case .host(let rule):
            spec.network = .host
            spec.tcpPorts = TCPPorts(bind: rule.bind, connect: rule.connect)
        case .none, .cni: spec.network = .joined(path: input.networkNamespace)
        }
    }

    /// In the kubelet's words. The image's user may be a name: it was looked up in the image's own files.
    private static func runsAsRoot(_ input: ContainerSpecInput) -> RuntimeError {
        let pod = input.sandbox.config
        let place = "(pod: \"\(pod.name)_\(pod.namespace)(\(pod.podUID))\", container: \(input.config.name))"
        let reason =
            input.config.runAsUser == nil
            ? "container has runAsNonRoot and image will run as root" : "container's runAsUser breaks non-root policy"
        return .invalid(field: "securityContext.runAsNonRoot", reason: "\(reason) \(place)")
    }

    /// A mount that can be written to, beside the small file for the last word; or /tmp in memory.
    private static func writesElsewhere(_ input: ContainerSpecInput) -> Bool {
        limits(input).tmpBytes != nil
            || input.config.mounts.contains { !$0.readOnly && $0.containerPath != terminationFile }
    }

    /// A mount over a path that the image needs would end in an exec that finds nothing, far from its cause.
    private static func refuseHiddenPaths(_ spec: SandboxSpec, _ input: ContainerSpecInput) throws(RuntimeError) {
        guard case .hostView(let readOnlyPaths) = input.image.root else { return }
        for mount in spec.mounts {
            guard let hidden = readOnlyPaths.first(where: { $0 == mount.path || $0.hasPrefix(mount.path + "/") }) else {
                continue
            }
            throw .invalid(
                field: "mounts[\(mount.path)]",
                reason: "hides \(hidden), which image \(input.config.image) needs (its readOnlyPaths); mount it elsewhere")
        }
    }

    /// The container's own limits, else the pod's; a limit of processes always.
    package static func limits(_ input: ContainerSpecInput) -> RuntimeLimits {
        input.config.limits.completed(by: input.sandbox.config.limits, input.node)
    }

    /// The small files of /etc. On an image they are mounted from the container's directory, as an image is shared.
    package static func accountFiles(_ input: ContainerSpecInput, spec: SandboxSpec) -> [SandboxSpec.File] {
        let pod = input.sandbox.config
        let files = AccountFiles.files(
            hostname: spec.hostname, uid: spec.uid, gid: spec.gid,
            hosts: pod.hostAliases.map { AccountFiles.Host(address: $0.ip, names: $0.hostnames) },
            nameservers: pod.nameservers, searches: pod.searches, resolverOptions: pod.resolverOptions)
        if case .hostView = input.image.root { return files }
        // An image knows its own accounts.
        return files.filter { ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname"].contains($0.path) }
    }

    private static func setRoot(_ spec: inout SandboxSpec, _ input: ContainerSpecInput) -> Bool {
        let files = accountFiles(input, spec: spec)
        switch input.image.root {
        case .hostView(let readOnlyPaths):
            spec.root = .hostView(additionalReadOnlyPaths: readOnlyPaths)
            // A pod's own /etc/hosts (a mounted file) takes the place of ours.
            spec.files = files.filter { file in !spec.mounts.contains { $0.path == file.path } }
            let directory = spec.workingDirectory
            let covered = (occupied + readOnlyPaths + spec.mounts.map(\.path)).contains {
                directory == $0 || directory.hasPrefix($0 + "/")
            }
            guard directory != "/", !covered else { return false }
            spec.mounts.append(Mount(source: input.paths.work, path: directory, readOnly: false))
            return true
        case .directory(let path): spec.root = .directory(path)
        case .layers(let lower, let upper, let work): spec.root = .layers(lower: lower, upper: upper, work: work)
        // Nobody has given it a root (`LocalPods.image`): the launcher finds none and says so.
        case .stored: spec.root = .directory(input.paths.rootMountPoint)
        }
        // A pod's own /etc/hosts (a mounted file) takes the place of ours here too.
        for file in files where !spec.mounts.contains(where: { $0.path == file.path }) {
            let name = file.path.split(separator: "/").last ?? ""
            spec.mounts.append(Mount(source: "\(input.paths.files)/\(name)", path: file.path, readOnly: true))
        }
        return false
    }

    /// Kubernetes' rule: a command replaces the image's entrypoint *and* its arguments.
    private static func arguments(_ config: ContainerConfig, _ image: RuntimeImage) -> [String] {
        if !config.command.isEmpty { return config.command + config.args }
        return image.command + (config.args.isEmpty ? image.args : config.args)
    }

    private static func environment(_ config: ContainerConfig, _ image: RuntimeImage, hostname: String) -> [String] {
        let defaults = [
            EnvironmentVariable(name: "PATH", value: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            EnvironmentVariable(name: "HOME", value: image.account.map { $0.home ?? "/" } ?? "/tmp"),
            EnvironmentVariable(name: "HOSTNAME", value: hostname),
        ] + (config.console?.tty == true ? [EnvironmentVariable(name: "TERM", value: "xterm")] : [])
        var order: [String] = []
        var values: [String: String] = [:]
        for variable in defaults + image.environment + config.environment {
            if values.updateValue(variable.value, forKey: variable.name) == nil { order.append(variable.name) }
        }
        return order.map { "\($0)=\(values[$0] ?? "")" }
    }

    /// A pod's name may be longer than the kernel's 64 bytes; cut as the kubelet cuts it.
    package static func hostname(_ name: String) -> String {
        var cut = name.prefix(63)
        while let last = cut.last, last == "-" || last == "." { cut.removeLast() }
        return String(cut)
    }

    private static func id(_ field: String, _ value: Int64?) throws(RuntimeError) -> UInt32 {
        guard let value else { return 0 }
        guard let id = UInt32(exactly: value), id < SandboxSpec.idRangeCount else {
            throw .invalid(field: field, reason: "found \(value), expected 0 to \(SandboxSpec.idRangeCount - 1)")
        }
        return id
    }
}
