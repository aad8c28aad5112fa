// create and start: from the pod's words to a launch plan and what it expects to find.

import Cgroups
import Glibc
import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        try RecordName.check("podUID", podUID)
        try RecordName.check("name", config.name)
        guard let sandbox = pods.sandbox(podUID) else { throw RuntimeError.notFound("pod sandbox \(podUID)") }
        let id = ContainerID(podUID: podUID, name: config.name, attempt: config.attempt)
        if pods.container(id) != nil { return id }
        // Before anything is made: what cannot be run is refused here, with its field.
        _ = try await images(config.image)
        _ = try seccompProgram(config, sandbox.config)
        try pods.refuseUnenforceable(config, sandbox.config)
        if !config.devices.isEmpty {
            try await Blocking.run { try DeviceNodes.check(config.devices, hasOwnIDs: sandbox.idRangeStart != nil) }
        }
        try await pods.addContainer(id, config)
        return id
    }

    public func startContainer(_ id: ContainerID) async throws {
        guard let container = pods.container(id), let sandbox = pods.sandbox(id.podUID) else {
            throw RuntimeError.notFound("container \(id)")
        }
        guard case .created = await container.phase else { return }
        let config = container.config
        let input = ContainerSpecInput(
            id: id, sandbox: sandbox, config: config, image: try await images(config.image), paths: container.paths,
            networkNamespace: pods.network(of: id.podUID).path, cgroup: container.cgroup, seccomp: try seccompProgram(config, sandbox.config), node: configuration)
        let (spec, needsWork) = try SandboxSpec.container(input)
        let plan = try Self.plan(for: spec)
        let (launcher, paths) = (launcher, container.paths)
        try await container.start {
            try Self.prepare(input, spec: spec, needsWork: needsWork, plan: plan)
        } launch: {
            try await launcher.launch(plan: paths.plan, directory: paths.directory)
        }
        await pods.watches.follow(container, limits: SandboxSpec.limits(input))
    }

    private static func plan(for spec: SandboxSpec) throws(RuntimeError) -> LaunchPlan {
        do { return try spec.plan() } catch { throw error.asRuntimeError }
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
        do throws(CgroupError) { try input.groups.make() } catch { throw error.asRuntimeError }
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
