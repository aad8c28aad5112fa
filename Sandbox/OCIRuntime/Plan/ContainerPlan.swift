// config.json -> launch plan: the pure middle of the runtime. Everything that must be asked of the machine comes in as
// `ContainerPlanContext`, so that golden tests need neither root nor a kernel.

import SandboxPolicy

/// What a plan needs beside the configuration.
public struct ContainerPlanContext: Sendable {
    public var id: String
    /// Absolute, without links.
    public var bundle: String
    /// The root file system on the host: absolute, without links.
    public var rootfs: String
    /// Where the container's process waits for `start`; nil starts it at once.
    public var gate: String?
    /// The unix socket that the terminal's master goes to; needed when `process.terminal` is set.
    public var consoleSocket: String?
    /// Lines leave the terminal as the program wrote them.
    public var keepsLineEnds = false
    /// Groups to join, outermost hierarchy first.
    var cgroups: [CgroupPlace] = []
    /// False for an ordinary user: set-up happens inside the user namespace, device nodes are bound.
    public var isPrivileged = true
    /// newuidmap and newgidmap, where the machine has them.
    public var idMapHelpers: (newuidmap: String, newgidmap: String)?
    public var usesPivot = true
    /// Descriptors from 3 on that the program inherits.
    public var preservedDescriptors = 0
    /// The state that hooks inside the container read: text before and after the pid.
    public var hookState: (beforePID: String, afterPID: String)?

    public init(id: String, bundle: String, rootfs: String) {
        self.id = id
        self.bundle = bundle
        self.rootfs = rootfs
    }
}

public struct ContainerPlan {
    private(set) var specification: ContainerSpecification
    let context: ContainerPlanContext
    var linux: LinuxSpecification { specification.linux }

    public init(_ specification: ContainerSpecification, _ context: ContainerPlanContext) {
        self.specification = specification
        self.context = context
        // Some callers write where on the host it will be (as runc, which takes the root off too).
        for index in specification.mounts.indices where specification.mounts[index].destination.hasPrefix(context.rootfs + "/") {
            self.specification.mounts[index].destination.removeFirst(context.rootfs.count)
        }
    }

    /// The sections stand in the launcher's order.
    public func launchPlan() throws(OCIError) -> LaunchPlan {
        var operations: [LaunchOperation] = [.id(context.id)]
        operations += try supervision()
        operations += context.cgroups.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.directory) }
        operations += try namespaces()
        operations += try fileSystem()
        operations += try system()
        operations += try ProcessPlan(process: process, linux: linux).operations()
        return LaunchPlan(operations: operations)
    }

    /// `create` is legal without a process, whose `start` then fails; the jail needs one that nobody will ever see.
    private var process: ProcessSpecification { specification.process ?? .absent }

    private func supervision() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        if process.terminal {
            guard let socket = context.consoleSocket else {
                throw .usage("cannot allocate tty if runc will detach without setting console socket")
            }
            operations.append(.terminal(socketPath: socket, keepsLineEnds: context.keepsLineEnds))
            if let size = process.consoleSize { operations.append(.consoleSize(rows: size.height, columns: size.width)) }
        } else {
            operations.append(.inheritStandardStreams)
        }
        if let gate = context.gate { operations.append(.startGate(path: gate, looksForProgram: specification.process != nil)) }
        if context.preservedDescriptors > 0 { operations.append(.preserveDescriptors(context.preservedDescriptors)) }
        return operations + hooks()
    }

    private func hooks() -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        let all = specification.hooks
        if !all[.prestart].isEmpty || !all[.createRuntime].isEmpty { operations.append(.runtimeHooks) }
        if let state = context.hookState, !all[.createContainer].isEmpty || !all[.startContainer].isEmpty {
            operations.append(.hookState(beforePID: state.beforePID, afterPID: state.afterPID))
        }
        for (kind, point) in [
            (HookSpecifications.Kind.createContainer, HookPoint.createContainer), (.startContainer, .startContainer),
        ] {
            for hook in all[kind] {
                operations.append(.hook(point, path: hook.path, timeoutMilliseconds: (hook.timeout ?? 0) * 1000))
                operations += hook.arguments.map { .hookArgument($0) } + hook.environment.map { .hookEnvironment($0) }
            }
        }
        return operations
    }

    // MARK: Namespaces

    private func namespaces() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        for namespace in linux.namespaces {
            guard let kind = LaunchOperation.Namespace(configured: namespace.type) else { continue }
            if let path = namespace.path {
                operations.append(.joinNamespace(kind, path: ContainerPath.clean(path)))
            } else {
                operations.append(.namespace(kind))
            }
        }
        for offset in linux.timeOffsets {
            guard let clock = NamespaceClock(rawValue: offset.clock) else { continue }
            operations.append(.timeOffset(clock, seconds: offset.seconds, nanoseconds: Int64(offset.nanoseconds)))
        }
        // Beside a path they say what the namespace has already, as callers write them for runtimes that ask for both.
        let isNew = linux.makes("user")
        for map in linux.uidMappings where isNew {
            operations.append(.uidMap(inside: map.inside, host: map.host, count: map.count, mayMapHostRoot: map.host == 0))
        }
        for map in linux.gidMappings where isNew {
            operations.append(.gidMap(inside: map.inside, host: map.host, count: map.count, mayMapHostRoot: map.host == 0))
        }
        // The container's user namespace owns its mounts and every other namespace, as an OCI container expects.
        if linux.has("user") { operations.append(.rootless(try mapWriter())) }
        return operations
    }

    private func mapWriter() throws(OCIError) -> IDMapWriter {
        let single =
            linux.uidMappings.count == 1 && linux.gidMappings.count == 1
            && linux.uidMappings[0].count == 1 && linux.gidMappings[0].count == 1
        if context.isPrivileged || single || !linux.makes("user") { return .direct }
        guard let helpers = context.idMapHelpers else {
            throw .unsupported(
                field: "linux.uidMappings",
                reason: "more than the caller's own id needs newuidmap and newgidmap, which are not installed (package uidmap)")
        }
        return .helpers(newuidmap: helpers.newuidmap, newgidmap: helpers.newgidmap)
    }

    // MARK: System

    private func system() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        for (value, field) in [(specification.hostname, "hostname"), (specification.domainname, "domainname")] {
            guard let value else { continue }
            try checkName(value, field)
            operations.append(field == "hostname" ? .hostname(value) : .domainName(value))
        }
        if specification.domainname == nil, let value = domainParameter {
            try checkName(value, "linux.sysctl.kernel.domainname")
            operations.append(.domainName(value))
        }
        // A loopback that is down is of no use to anybody; only in a namespace that is ours to change.
        if linux.makes("network") { operations.append(.loopback) }
        for (name, value) in linux.sysctl where name != Self.domainParameterName {
            operations.append(try sysctl(name, value))
        }
        return operations
    }

    private static let domainParameterName = "kernel.domainname"

    /// The one kernel parameter of a uts namespace: set as what it is. `domainname` says the same, and more plainly.
    private var domainParameter: String? { linux.sysctl.first { $0.key == Self.domainParameterName }?.value }

    private func checkName(_ value: String, _ field: String) throws(OCIError) {
        guard linux.has("uts") else { throw .invalid(field: field, reason: "needs a uts namespace of the container's own") }
        if let wanted = domainParameter, let name = specification.domainname, wanted != name {
            throw .invalid(
                field: "linux.sysctl.\(Self.domainParameterName)",
                reason: "expected domainname's \"\(name)\", found \"\(wanted)\"")
        }
        guard value.utf8.count <= 64, value.utf8.allSatisfy(Self.isNameCharacter) else {
            throw .invalid(field: field, reason: "expected at most 64 letters, digits, dots and hyphens, found \"\(value)\"")
        }
    }

    private static func isNameCharacter(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95].contains(byte)
    }

    /// Only what the kernel keeps per namespace, and only in a namespace of the container's own: anything else would change
    /// the machine.
    private func sysctl(_ name: String, _ value: String) throws(OCIError) -> LaunchOperation {
        let field = "linux.sysctl.\(name)"
        let dotted = name.contains("/") ? String(name.map { $0 == "/" ? "." : $0 == "." ? "/" : $0 }) : name
        let parts = name.split(separator: name.contains("/") ? "/" : ".", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else {
            throw .invalid(field: field, reason: "not the name of a kernel parameter")
        }
        let isIPC = ["kernel.shm", "kernel.msg", "fs.mqueue."].contains { dotted.hasPrefix($0) } || dotted == "kernel.sem"
        guard isIPC || dotted.hasPrefix("net.") else {
            throw .invalid(field: field, reason: "sysctl \"\(name)\" is not in a separate kernel namespace")
        }
        guard linux.has(isIPC ? "ipc" : "network") else {
            throw .invalid(
                field: field, reason: "sysctl \"\(name)\" is not allowed in the hosts \(isIPC ? "ipc" : "network") namespace")
        }
        return .sysctl(name: name, value: value)
    }
}

extension LaunchOperation.Namespace {
    /// config.json's `network` is the kernel's `net`.
    init?(configured type: String) { self.init(rawValue: type == "network" ? "net" : type) }
}
