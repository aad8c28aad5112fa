// create, start, stop, remove.

import Cgroups
import Glibc
import JSON
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        try RecordName.check("podUID", podUID)
        try RecordName.check("name", config.name)
        guard let sandbox = state.withLock({ $0.sandboxes[podUID] }) else { throw RuntimeError.notFound("pod sandbox \(podUID)") }
        let id = ContainerID(podUID: podUID, name: config.name, attempt: config.attempt)
        if container(id) != nil { return id }
        // Before anything is made: what cannot be run is refused here, with its field.
        _ = try await images(config.image)
        _ = try seccompProgram(config, sandbox.config)
        try refuseUnenforceable(config, sandbox.config)
        if !config.devices.isEmpty {
            try await Blocking.run { try DeviceNodes.check(config.devices, hasOwnIDs: sandbox.idRangeStart != nil) }
        }
        let paths = paths.container(id)
        try await Blocking.run {
            try RecordFiles.makeDirectories(paths.directory)
            try RecordFiles.write(JSON.encode(config), to: paths.config)
        }
        let made = makeContainer(id, config)
        state.withLock { if $0.containers[id] == nil { $0.containers[id] = made } }
        return id
    }

    public func startContainer(_ id: ContainerID) async throws {
        guard let container = container(id), let sandbox = state.withLock({ $0.sandboxes[id.podUID] }) else {
            throw RuntimeError.notFound("container \(id)")
        }
        guard case .created = await container.phase else { return }
        let config = container.config
        let input = ContainerSpecInput(
            id: id, sandbox: sandbox, config: config, image: try await images(config.image), paths: container.paths,
            networkNamespace: network(of: id.podUID).path, cgroup: container.cgroup, seccomp: try seccompProgram(config, sandbox.config), node: configuration)
        let (spec, needsWork) = try SandboxSpec.container(input)
        let plan = try Self.plan(for: spec)
        try await container.start(launcher: launcher) {
            try Self.prepare(input, spec: spec, needsWork: needsWork, plan: plan)
        }
        await watches.follow(container, limits: SandboxSpec.limits(input))
    }

    private static func plan(for spec: SandboxSpec) throws(RuntimeError) -> LaunchPlan {
        do { return try spec.plan() } catch { throw error.asRuntimeError }
    }

    public func stopContainer(_ id: ContainerID, graceSeconds: Int) async throws {
        try await container(id)?.stop(graceSeconds: graceSeconds)
    }

    public func removeContainer(_ id: ContainerID) async throws {
        guard let container = container(id) else { return }
        try await container.stop(graceSeconds: 0)
        let (cgroup, directory) = (container.cgroup, container.paths.directory)
        try await Blocking.run {
            // The record last: as long as it is there, a restart finds what is left to remove.
            do throws(CgroupError) { try cgroup.remove() } catch { throw error.asRuntimeError }
            try RecordFiles.removeTree(directory)
        }
        state.withLock { _ = $0.containers.removeValue(forKey: id) }
    }

    /// What an image needs may lie below the host's /tmp, in the place of which the task has its own. The launcher cannot make
    /// mount points in an id-mapped directory (its own ids have no place there: EOVERFLOW), so they are made on this side.
    private static func makeMountPointsInTemporary(_ spec: SandboxSpec) throws(RuntimeError) {
        guard case .directory(let temporary) = spec.temporary, case .hostView(let paths) = spec.root else { return }
        for path in paths where path.hasPrefix("/tmp/") {
            let place = temporary + path.dropFirst("/tmp".count)
            var facts = stat()
            guard stat(path, &facts) == 0 else { throw RecordFiles.failure("stat", path) }
            if facts.st_mode & S_IFMT == S_IFDIR {
                try RecordFiles.makeDirectories(place, mode: 0o755)
            } else {
                if let slash = place.lastIndex(of: "/") { try RecordFiles.makeDirectories(String(place[..<slash]), mode: 0o755) }
                try RecordFiles.write([], to: place)
            }
        }
    }

    /// Everything on the machine that the launcher expects to be there. Repeatable.
    private static func prepare(_ input: ContainerSpecInput, spec: SandboxSpec, needsWork: Bool, plan: LaunchPlan) throws {
        do throws(CgroupError) { try ContainerGroups(input).make() } catch { throw error.asRuntimeError }
        try RecordFiles.makeDirectories(input.paths.rootMountPoint)
        if case .directory(let path) = spec.temporary { try makeScratch(path, mode: 0o1777, spec) }
        try makeMountPointsInTemporary(spec)
        if needsWork { try makeScratch(input.paths.work, mode: 0o755, spec) }
        if case .directory = spec.root {
            try RecordFiles.makeDirectories(input.paths.files, mode: 0o755)
            for file in SandboxSpec.accountFiles(input, spec: spec) {
                let path = "\(input.paths.files)/\(file.path.split(separator: "/").last ?? "")"
                try RecordFiles.write(Array(file.contents.utf8), to: path)
                chmod(path, mode_t(file.mode))
            }
        }
        if let slash = input.config.logPath.lastIndex(of: "/") {
            try RecordFiles.makeDirectories(String(input.config.logPath[..<slash]), mode: 0o755)
        }
        try RecordFiles.write(plan.encoded(), to: input.paths.plan)
    }

    /// On disk the owner is the id that the task has inside: the mount maps it to the pod's private range.
    private static func makeScratch(_ path: String, mode: mode_t, _ spec: SandboxSpec) throws {
        try RecordFiles.makeDirectories(path)
        guard chown(path, spec.uid, spec.gid) == 0, chmod(path, mode) == 0 else { throw RecordFiles.failure("chown", path) }
    }
}

extension SandboxPolicyError {
    var asRuntimeError: RuntimeError {
        switch self {
        case .invalid(let field, let found, let expected): .invalid(field: field, reason: "found \(found), expected \(expected)")
        case .profile(let reason): .invalid(field: "seccompProfile", reason: reason)
        }
    }
}

extension CgroupError {
    var asRuntimeError: RuntimeError {
        stage == "unenforceable"
            ? .unenforceable(hint.isEmpty ? path : "\(path); \(hint)")
            : .unavailable(stage: "cgroup \(stage)(\(path))", reason: String(cString: strerror(self.errno)))
    }
}
