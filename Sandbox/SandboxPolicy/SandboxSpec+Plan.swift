// From a spec to the launch plan: the order of the jail. Pure; compared with golden files in the tests.

extension SandboxSpec {
    /// Ids in a private range.
    public static let idRangeCount: UInt32 = 65_536

    public func plan() throws(SandboxPolicyError) -> LaunchPlan {
        try check()
        let plan = LaunchPlan(operations: supervision + namespaces + fileSystem + identity + program)
        let size = plan.encoded().count
        guard size <= LaunchPlan.maximumBytes else {
            throw .invalid(
                field: "command and environment", found: "a plan of \(size) bytes", expected: "at most \(LaunchPlan.maximumBytes)")
        }
        return plan
    }

    /// Host ids of the task's root: the owner of what the launcher makes for it.
    private var hostRoot: UInt32 { idRangeStart ?? 0 }
    private var isImage: Bool {
        if case .directory = root { return true }
        return false
    }

    private var supervision: [LaunchOperation] {
        var log: [LaunchOperation] = []
        if case .log(let path, let bytes) = output { log = [.log(path: path, maximumBytes: bytes)] }
        return [.id(id)] + log + [.grace(milliseconds: graceMilliseconds)]
            + cgroups.map { .cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
    }

    private var namespaces: [LaunchOperation] {
        var operations: [LaunchOperation] = []
        if idRangeStart != nil { operations.append(.namespace(.user)) }
        operations += [.namespace(.mount), .namespace(.pid), .namespace(.ipc), .namespace(.uts), .namespace(.cgroup)]
        if network == .none { operations.append(.namespace(.net)) }
        if let start = idRangeStart {
            operations.append(.uidMap(inside: 0, host: start, count: Self.idRangeCount))
            operations.append(.gidMap(inside: 0, host: start, count: Self.idRangeCount))
            operations.append(.owner(uid: start, gid: start))
        }
        return operations
    }

    // MARK: File system

    private var fileSystem: [LaunchOperation] {
        var operations = rootOperations
        operations += temporaryOperations
        if case .hostView(let additional) = root { operations += HostView.additional(additional) }
        // Outer mounts before those inside them, whatever order the pod names them in.
        for mount in mounts.sorted(by: { $0.path.utf8.count < $1.path.utf8.count }) {
            var flags: MountFlags = [.noSuid, .noDev]
            if mount.readOnly { flags.insert(.readOnly) }
            if idRangeStart != nil { flags.insert(.idMapped) }
            operations.append(.bind(source: mount.source, path: mount.path, flags: flags))
        }
        operations += DeviceFileSystem.operations(
            own: isImage, sharedMemoryBytes: sharedMemoryBytes, owner: hostRoot)
        operations += ProcFileSystem.operations
        if readOnlyRoot { operations.append(.rootReadOnly) }
        operations += [.pivot, .hostname(hostname)]
        if network == .none { operations.append(.loopback) }
        return operations
    }

    private var rootOperations: [LaunchOperation] {
        switch root {
        case .hostView:
            return [
                .rootTmpfs(
                    at: rootMountPoint,
                    options: TmpfsOptions(bytes: 1 << 20, inodes: 1024, mode: 0o755, uid: hostRoot, gid: hostRoot))
            ] + HostView.operations
                + files.map { .file(path: $0.path, mode: $0.mode, contents: Array($0.contents.utf8)) }
        case .directory(let path):
            var flags: MountFlags = [.noSuid, .noDev]
            if idRangeStart != nil { flags.insert(.idMapped) }
            return [.rootBind(source: path, at: rootMountPoint, flags: flags)]
        }
    }

    private var temporaryOperations: [LaunchOperation] {
        switch temporary {
        case .directory(let path):
            var flags: MountFlags = [.noSuid, .noDev]
            if idRangeStart != nil { flags.insert(.idMapped) }
            return [.bind(source: path, path: "/tmp", flags: flags)]
        case .memory(let bytes):
            let inodes = max(1024, bytes / 16_384)
            return [
                .tmpfs(
                    path: "/tmp",
                    options: TmpfsOptions(bytes: bytes, inodes: inodes, mode: 0o1777, uid: hostRoot, gid: hostRoot),
                    flags: [.noSuid, .noDev])
            ]
        }
    }

    // MARK: The process

    private var identity: [LaunchOperation] {
        var operations: [LaunchOperation] = resourceLimits.map {
            .resourceLimit(name: $0.name, soft: $0.soft, hard: $0.hard)
        }
        if let oomScoreAdjustment { operations.append(.oomScoreAdjustment(oomScoreAdjustment)) }
        operations.append(.umask(umask))
        // Entering a user namespace fills the capability sets again, so they are emptied behind it.
        if idRangeStart != nil { operations.append(.enterUserNamespace) }
        operations += [
            .dropBoundingSet, .user(uid: uid, gid: gid, groups: groups), .dropCapabilities, .noNewPrivileges,
            .workingDirectory(workingDirectory),
        ]
        return operations
    }

    private var program: [LaunchOperation] {
        environment.map { .environment($0) } + arguments.map { .argument($0) } + (seccomp.map { [.seccomp($0)] } ?? [])
    }
}
