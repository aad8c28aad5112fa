// Root, mounts, devices, masks: in the order in which runc and the specification have them.

import SandboxPolicy

extension ContainerPlan {
    func fileSystem() throws(OCIError) -> [LaunchOperation] {
        guard linux.makes("mount") else { return try withoutMountNamespace() }
        // Read-write, whatever the source's own mount says: read-only is the last thing that happens to it.
        var operations: [LaunchOperation] = [.rootBind(source: context.rootfs, at: context.rootfs, flags: [.recursive])]
        if let propagation = linux.rootfsPropagation.flatMap(MountPropagation.init(rawValue:)) {
            operations.append(.rootPropagation(propagation))
        }
        operations += try contents()
        if specification.root.isReadOnly { operations.append(.rootReadOnly) }
        operations.append(context.usesPivot ? .pivot : .changeRoot(.move))
        return operations
    }

    /// The container shares the runtime's mounts, or those of a namespace that it joins: its root is put together in a tree that is attached nowhere, so that nothing of it
    /// stays in the host's table when it ends.
    private func withoutMountNamespace() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = [.rootDetached(source: context.rootfs)]
        operations += try contents()
        if specification.root.isReadOnly { operations.append(.rootReadOnly) }
        return operations + [.changeRoot(.detached)]
    }

    private func contents() throws(OCIError) -> [LaunchOperation] {
        var operations: [LaunchOperation] = []
        for mount in specification.mounts { operations += try self.mount(mount) }
        operations += try devices()
        operations += madeWorkingDirectory
        let filled = specification.mounts.filter(isFilledBeforeReadOnly).map(\.destination)
        // The terminal is bound there when nobody may write any more.
        let isSupplied = specification.mounts.contains {
            $0.destination == "/dev/console" || $0.destination == "/dev" && $0.options.copiesUp
        }
        if filled.contains("/dev"), specification.process?.terminal == true, !isSupplied {
            operations.append(.file(path: "/dev/console", mode: 0o600, contents: []))
        }
        operations += filled.map { .readOnlyMount($0) }
        operations += Self.once(linux.readonlyPaths).map { .readOnly($0) }
        operations += Self.once(linux.maskedPaths).map { .mask($0) }
        return operations
    }

    /// A list of the caller's, each path where it stands first.
    private static func once(_ paths: [String]) -> [String] {
        var seen: Set<String> = []
        return paths.filter { seen.insert($0).inserted }
    }

    /// One that the image lacks is made, as engines expect and runc does; not in what the kernel fills itself.
    private var madeWorkingDirectory: [LaunchOperation] {
        guard let path = specification.process?.workingDirectory, path != "/" else { return [] }
        let around = specification.mounts.last { path == $0.destination || path.hasPrefix($0.destination + "/") }
        guard around.map({ $0.isBind || $0.type == "tmpfs" }) ?? true else { return [] }
        return [.makeDirectory(path: path, mode: 0o755)]
    }

    // MARK: Mounts

    private func mount(_ mount: MountSpecification) throws(OCIError) -> [LaunchOperation] {
        guard mount.destination != "/" else {
            throw .invalid(field: "\(mount.path).destination", reason: "the root file system is `root`'s affair")
        }
        if mount.isBind { return try bind(mount) }
        guard !mount.type.isEmpty else {
            throw .invalid(field: "\(mount.path).type", reason: "required for what is no bind mount")
        }
        if mount.type == "cgroup" || mount.type == "cgroup2" { return cgroupMounts(mount) }
        var flags = MountFlags(mount.options)
        if isFilledBeforeReadOnly(mount) { flags.remove(.readOnly) }
        if mount.options.copiesUp {
            guard mount.type == "tmpfs" else { throw .invalid(field: "\(mount.path).options", reason: "tmpcopyup is for tmpfs") }
            flags.insert(.copyUp)
        }
        return [
            .mount(
                type: mount.type, source: mount.source.isEmpty ? mount.type : mount.source, path: mount.destination, flags: flags,
                data: mount.options.data.joined(separator: ","))
        ]
    }

    /// A tmpfs begins empty: what stands in it needs its place made before nobody may write there.
    private func isFilledBeforeReadOnly(_ mount: MountSpecification) -> Bool {
        guard mount.type == "tmpfs", !mount.isBind, mount.options.attributes.contains("ro"),
            specification.mounts.last(where: { $0.destination == mount.destination })?.path == mount.path
        else { return false }
        return mount.destination == "/dev" || specification.mounts.contains { $0.destination.hasPrefix(mount.destination + "/") }
    }

    private func bind(_ mount: MountSpecification) throws(OCIError) -> [LaunchOperation] {
        var maps: [LaunchOperation] = []
        var flags = MountFlags(mount.options)
        if mount.options.isRecursive {
            flags.insert(.recursive)
            // "ro" is the mount's own, "rro" the whole tree's.
            if mount.options.recursiveAttributes.isEmpty { flags.insert(.topOnly) }
        }
        if mount.options.isIDMapped || !mount.uidMappings.isEmpty {
            let isOwn = linux.makes("user") && mount.uidMappings == linux.uidMappings && mount.gidMappings == linux.gidMappings
            guard linux.has("user") || !mount.uidMappings.isEmpty else {
                throw .invalid(
                    field: "\(mount.path).uidMappings",
                    reason: "id-mapped mounts need mappings, or a user namespace of the container's")
            }
            if !isOwn {
                maps = mount.uidMappings.map { .bindUIDMap(inside: $0.inside, host: $0.host, count: $0.count) }
                maps += mount.gidMappings.map { .bindGIDMap(inside: $0.inside, host: $0.host, count: $0.count) }
            }
            flags.insert(.idMapped)
            // "ridmap" is the whole tree's, everything else the mount's own (config.md, "Mounts").
            if mount.options.isRecursive, !mount.options.isRecursivelyIDMapped { flags.insert(.topMapping) }
        }
        // Options of a file system mean nothing to a mount of one that exists already; callers write them all the same.
        return [.bind(source: ContainerPath.absolute(mount.source, in: context.bundle), path: mount.destination, flags: flags)]
            + maps
    }

    /// The groups that the container joined, as it may see them: its own cgroup namespace mounts them, else they are bound.
    private func cgroupMounts(_ mount: MountSpecification) -> [LaunchOperation] {
        var flags = MountFlags(mount.options)
        let hasNamespace = linux.makes("cgroup")
        if context.cgroups.allSatisfy({ $0.version == 2 }) {
            guard let place = context.cgroups.first, !hasNamespace else {
                return [.mount(type: "cgroup2", source: "cgroup", path: mount.destination, flags: flags, data: "")]
            }
            return [.bind(source: place.directory, path: mount.destination, flags: flags)]
        }
        let isReadOnly = flags.contains(.readOnly)
        flags.remove(.readOnly)
        var operations: [LaunchOperation] = [
            .mount(type: "tmpfs", source: "cgroup", path: mount.destination, flags: flags, data: "mode=755")
        ]
        let below = isReadOnly ? flags.union(.readOnly) : flags
        for place in context.cgroups {
            let name = place.mount.split(separator: "/").last.map(String.init) ?? place.controller
            let path = "\(mount.destination)/\(name)"
            if hasNamespace, place.version == 1 {
                operations.append(
                    .mount(
                        type: "cgroup", source: "cgroup", path: path, flags: below, data: place.controllers.joined(separator: ",")
                    ))
            } else {
                operations.append(.bind(source: place.directory, path: path, flags: below))
            }
            for controller in place.controllers where controller != name && !controller.hasPrefix("name=") && place.version == 1 {
                operations.append(.symlink(target: name, path: "\(mount.destination)/\(controller)"))
            }
        }
        return operations + (isReadOnly ? [.readOnly(mount.destination)] : [])
    }

    // MARK: Devices

    /// Default devices (config-linux.md), as character 1:3 and so on.
    static let defaultDevices: [(name: String, major: UInt32, minor: UInt32)] = [
        ("null", 1, 3), ("random", 1, 8), ("full", 1, 7), ("tty", 5, 0), ("zero", 1, 5), ("urandom", 1, 9),
    ]

    static let defaultLinks: [(target: String, path: String)] = [
        ("pts/ptmx", "/dev/ptmx"), ("/proc/self/fd", "/dev/fd"), ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"), ("/proc/self/fd/2", "/dev/stderr"),
    ]

    private func devices() throws(OCIError) -> [LaunchOperation] {
        // A bound /dev is the caller's, nodes and links included (as runc has it).
        if specification.mounts.contains(where: { $0.destination == "/dev" && $0.isBind }) { return [] }
        var operations: [LaunchOperation] = []
        let configured = Set(linux.devices.map(\.path))
        for device in Self.defaultDevices where !configured.contains("/dev/\(device.name)") {
            operations.append(
                .deviceNode(
                    path: "/dev/\(device.name)", type: .character, major: device.major, minor: device.minor, mode: 0o666, uid: 0,
                    gid: 0))
        }
        for device in linux.devices {
            guard let type = DeviceType(rawValue: device.type), !["/dev/ptmx", "/dev/console"].contains(device.path) else {
                continue
            }
            operations.append(
                .deviceNode(
                    path: device.path, type: type, major: device.major, minor: device.minor, mode: device.mode, uid: device.uid,
                    gid: device.gid))
        }
        return operations + Self.defaultLinks.map { .symlink(target: $0.target, path: $0.path) }
    }
}

extension MountFlags {
    init(_ options: MountOptions) {
        self = []
        let words: [(String, MountFlags)] = [
            ("ro", .readOnly), ("nosuid", .noSuid), ("nodev", .noDev), ("noexec", .noExec), ("relatime", .relativeAccessTime),
            ("noatime", .noAccessTime), ("strictatime", .strictAccessTime), ("nodiratime", .noDirectoryAccessTime),
            ("nosymfollow", .noSymlinkFollow),
        ]
        for (word, flag) in words where options.attributes.contains(word) { insert(flag) }
        // The launcher's flags hold for the whole tree of a recursive bind; "rro" is what says so for read-only.
        for (word, flag) in words where options.recursiveAttributes.contains(word) {
            insert(word == "ro" ? .recursiveReadOnly : flag)
        }
        let propagation: [String: MountFlags] = [
            "private": .private, "rprivate": .recursivePrivate, "slave": .slave, "rslave": .recursiveSlave, "shared": .shared,
            "rshared": .recursiveShared, "unbindable": .unbindable, "runbindable": .recursiveUnbindable,
        ]
        if let last = options.propagation.last, let flag = propagation[last] { insert(flag) }
    }
}
