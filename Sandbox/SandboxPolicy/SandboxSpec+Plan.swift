// From a spec to the launch plan: the order of the jail. Pure; compared with golden files in the tests.

extension SandboxSpec {
    /// Ids in a private range.
    public static let idRangeCount: UInt32 = 65_536

    public func plan() throws(SandboxPolicyError) -> LaunchPlan { try checkedPlan().plan }

    /// The plan as the bytes of its file, for who needs nothing else of it: they are made once, to be measured.
    public func encodedPlan() throws(SandboxPolicyError) -> [UInt8] { try checkedPlan().bytes }

    private func checkedPlan() throws(SandboxPolicyError) -> (plan: LaunchPlan, bytes: [UInt8]) {
        try check()
        let plan = LaunchPlan(
            operations: supervision + controlGroups + namespaces + fileSystem + system + identity + wall + program)
        let bytes = plan.encoded()
        guard bytes.count <= LaunchPlan.maximumBytes else {
            throw .invalid(
                field: "command and environment", found: "a plan of \(bytes.count) bytes",
                expected: "at most \(LaunchPlan.maximumBytes)"
            )
        }
        return (plan, bytes)
    }

    private var isImage: Bool {
        if case .hostView = root { return false }
        return true
    }
    private var isIDMapped: Bool { rootless == nil && !userMaps.uid.isEmpty }
    /// A mount namespace that an ordinary user makes holds the host's mounts together: a tree is bound with what is mounted in it.
    private var treeFlags: MountFlags { rootless == nil ? [] : [.recursive] }

    private var supervision: [LaunchOperation] {
        var operations = [LaunchOperation.id(id)]
        switch output {
        case .log(let path, let bytes, let files, let seconds, let late):
            operations.append(.log(path: path, maximumBytes: bytes, files: files, maximumAgeSeconds: seconds, late: late))
        case .inherit: operations.append(.inheritStandardStreams)
        case .terminal(let path, let rows, let columns):
            operations.append(.terminal(socketPath: path))
            if rows > 0, columns > 0 { operations.append(.consoleSize(rows: rows, columns: columns)) }
        }
        operations.append(.grace(milliseconds: graceMilliseconds))
        if let stopSignal { operations.append(.stopSignal(stopSignal)) }
        if let deadlineMilliseconds { operations.append(.deadline(milliseconds: deadlineMilliseconds)) }
        if let learnPath {
            operations.append(.learn(path: learnPath))
        } else if let countedDenials {
            operations.append(.denials(maximum: countedDenials))
        }
        if let attach { operations.append(.attach(stdin: attach.stdin, once: attach.once, terminal: attach.terminal)) }
        return operations
    }

    private var controlGroups: [LaunchOperation] {
        let made = madeCgroups.map { LaunchOperation.makeCgroup(version: $0.version, path: $0.path) }
        let set = cgroupSettings.map { LaunchOperation.setCgroup(path: $0.directory, file: $0.file, value: $0.value) }
        let joined = cgroups.map { LaunchOperation.cgroup(version: $0.version, controller: $0.controller, path: $0.path) }
        return made + set + joined + madeCgroups.map { .removeCgroup(path: $0.path) }
    }

    // MARK: Namespaces

    private var namespaces: [LaunchOperation] {
        var operations: [LaunchOperation] = []
        if !userMaps.uid.isEmpty { operations.append(.namespace(.user)) }
        operations += [.namespace(.mount), .namespace(.pid)] + [LaunchOperation.Namespace.ipc, .uts, .cgroup].map(own)
        switch network {
        case .host: break
        case .none: operations.append(own(.net))
        case .joined(let path): operations.append(.joinNamespace(.net, path: path))
        }
        if !timeOffsets.isEmpty { operations.append(own(.time)) }
        operations += timeOffsets.map { .timeOffset($0.clock, seconds: $0.seconds, nanoseconds: $0.nanoseconds) }
        return operations + idMapOperations
    }

    /// A task without capabilities has no use for power over its namespaces, and is not given it.
    private func own(_ namespace: LaunchOperation.Namespace) -> LaunchOperation {
        let hasPower = isIDMapped && (privileged || !capabilities.isEmpty)
        return hasPower ? .ownedNamespace(namespace) : .namespace(namespace)
    }

    // MARK: File system

    private var fileSystem: [LaunchOperation] {
        var operations = rootOperations
        // Before anything is mounted: what lies in a volume is the volume's affair.
        if makesWorkingDirectory, !isMounted(workingDirectory) {
            operations.append(.makeDirectory(path: workingDirectory, mode: 0o755))
        }
        if !isImage { operations += cgroupView(inRoot: true) }
        operations += temporaryOperations
        if case .hostView(let additional) = root { operations += HostView.additional(additional, treeFlags) }
        // Outer mounts before those inside them, whatever order the pod names them in.
        let ordered = mounts.sorted { $0.path.utf8.count < $1.path.utf8.count }
        operations += ordered.filter { $0.path != Self.terminationFile }.map(bind)
        operations += DeviceFileSystem.operations(own: isImage, sharedMemoryBytes: sharedMemoryBytes, owner: rootIDs)
        if isImage { operations += cgroupView(inRoot: false) }
        operations += ordered.filter { $0.path == Self.terminationFile }.map(bind)
        // Not id-mapped (a device's file system cannot be) and the only binds on which device nodes are such.
        operations += devices.map { .bind(source: $0.source, path: $0.path, flags: [.noSuid, .noExec, treeFlags]) }
        operations += ProcFileSystem.operations(
            unmasked: unmaskedProc || privileged, hasMachineIDs: rootless == nil && !isIDMapped)
        if readOnlyRoot { operations.append(.rootReadOnly) }
        return operations + [.pivot]
    }

    /// The path lies in something that is mounted over the root, or is the root.
    private func isMounted(_ path: String) -> Bool {
        let places = mounts.map(\.path) + temporaryFileSystems.map(\.path) + ["/tmp", "/dev", "/proc", "/sys"]
        return path == "/" || places.contains { path == $0 || path.hasPrefix($0 + "/") }
    }

    private func bind(_ mount: Mount) -> LaunchOperation {
        var flags: MountFlags = [.noSuid, .noDev, treeFlags]
        if mount.readOnly { flags.insert(.readOnly) }
        if mount.refusesLinks { flags.insert(.noFollow) }
        if isIDMapped { flags.insert(.idMapped) }
        return .bind(source: mount.source, path: mount.path, flags: flags)
    }

    private var rootOperations: [LaunchOperation] {
        switch root {
        case .hostView:
            return [
                .rootTmpfs(
                    at: rootMountPoint,
                    options: TmpfsOptions(bytes: 1 << 20, inodes: 1024, mode: 0o755, uid: rootIDs.uid, gid: rootIDs.gid))
            ] + HostView.operations(treeFlags)
                + files.map { .file(path: $0.path, mode: $0.mode, contents: Array($0.contents.utf8)) }
        case .directory(let path):
            var flags: MountFlags = [.noSuid, .noDev, treeFlags]
            if isIDMapped { flags.insert(.idMapped) }
            return [.rootBind(source: path, at: rootMountPoint, flags: flags)]
        case .layers(let lower, let upper, let work):
            var flags: MountFlags = [.noSuid, .noDev]
            if isIDMapped { flags.insert(.idMapped) }
            let options = OverlayOptions(lower: lower, upper: upper, work: work, volatile: true, userAttributes: rootless != nil)
            return [.rootOverlay(at: rootMountPoint, options: options, flags: flags)]
        }
    }

    private var temporaryOperations: [LaunchOperation] {
        let further = temporaryFileSystems.map { temporaryFileSystem($0.path, $0.bytes) }
        switch temporary {
        case .directory(let path):
            var flags: MountFlags = [.noSuid, .noDev, treeFlags]
            if isIDMapped { flags.insert(.idMapped) }
            return [.bind(source: path, path: "/tmp", flags: flags)] + further
        case .memory(let bytes): return [temporaryFileSystem("/tmp", bytes)] + further
        }
    }

    /// Bounded in inodes too: empty files cost kernel memory.
    private func temporaryFileSystem(_ path: String, _ bytes: Int64) -> LaunchOperation {
        .tmpfs(
            path: path,
            options: TmpfsOptions(
                bytes: bytes, inodes: max(1024, bytes / 16_384), mode: 0o1777, uid: rootIDs.uid, gid: rootIDs.gid),
            flags: [.noSuid, .noDev])
    }

    private var system: [LaunchOperation] {
        var operations = [LaunchOperation.hostname(hostname)]
        if let domainName { operations.append(.domainName(domainName)) }
        if network == .none { operations.append(.loopback) }
        return operations + sysctls.map { .sysctl(name: $0.name, value: $0.value) }
    }

    // MARK: The process

    private var identity: [LaunchOperation] {
        var operations: [LaunchOperation] = resourceLimits.map {
            .resourceLimit(name: $0.name, soft: $0.soft, hard: $0.hard)
        }
        if let oomScoreAdjustment { operations.append(.oomScoreAdjustment(oomScoreAdjustment)) }
        operations.append(.umask(umask))
        if let niceness { operations.append(.nice(niceness)) }
        // Entering a user namespace fills the capability sets again, so they are emptied behind it.
        if isIDMapped { operations.append(.enterUserNamespace) }
        let kept = privileged ? Capability.allCases : capabilities
        if kept.isEmpty {
            // Not even a root inside gets capabilities back by exec (capabilities(7), securebits).
            operations += [
                .secureBits([
                    .noRoot, .noRootLocked, .noSetuidFixup, .noSetuidFixupLocked, .keepCapabilitiesLocked, .noAmbientRaise,
                    .noAmbientRaiseLocked,
                ]), .dropBoundingSet, .user(uid: uid, gid: gid, groups: groupIDs), .dropCapabilities,
            ]
        } else {
            // Ambient, so that a user other than root has them behind exec too.
            operations += [
                .boundingSet(kept), .user(uid: uid, gid: gid, groups: groupIDs),
                .capabilities(CapabilitySets(effective: kept, permitted: kept, inheritable: kept, ambient: kept)),
            ]
        }
        return operations + [.noNewPrivileges, .workingDirectory(workingDirectory)]
    }

    private var groupIDs: [UInt32] { rootless == nil ? groups : [] }

    private var wall: [LaunchOperation] { LandlockPolicy(mirroring: self).operations }

    private var program: [LaunchOperation] {
        let filter = learnPath == nil ? seccomp : FilterProgram.learning
        return environment.map { .environment($0) } + arguments.map { .argument($0) } + (filter.map { [.seccomp($0)] } ?? [])
    }
}
