// create and start: from the pod's words to a launch plan and what it expects to find.

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
            id: id, sandbox: sandbox, config: config, image: try await pods.image(try await images(config.image), for: container, in: sandbox), paths: container.paths,
            networkNamespace: pods.network(of: id.podUID).path, cgroup: container.cgroup, seccomp: try seccompProgram(config, sandbox.config), node: configuration,
            requiresSecondWall: sandbox.config.handler == Self.strictHandler)
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

    /// Everything on the machine that the launcher expects to be there. Repeatable.
    private static func prepare(_ input: ContainerSpecInput, spec: SandboxSpec, needsWork: Bool, plan: LaunchPlan) throws {
        try input.prepare(spec, needsWork: needsWork)
        try RecordFiles.write(plan.encoded(), to: input.paths.plan)
    }
}
