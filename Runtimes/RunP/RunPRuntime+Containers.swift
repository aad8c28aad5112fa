// create and start: from the pod's words to a launch plan and what it expects to find.

import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunPRuntime {
    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        try await pods.createContainer(podUID: podUID, config: config, images: images) {
            _ = try seccompProgram(config, $0.config)
        }
    }

    public func startContainer(_ id: ContainerID) async throws {
        guard let (container, sandbox) = try await pods.startable(id) else { return }
        let input = try await pods.specInput(
            container, sandbox, images: images, seccomp: try seccompProgram(container.config, sandbox.config),
            requiresSecondWall: sandbox.config.handler == Self.strictHandler)
        let (spec, needsWork) = try SandboxSpec.container(input)
        let plan = try Self.plan(for: spec)
        let (launcher, paths) = (launcher, container.paths)
        try await container.start {
            try input.prepare(spec, needsWork: needsWork)
            // Kept for the command, and for commands that join the container later.
            try RecordFiles.write(plan, to: paths.plan)
            return try launcher.attempt(plan: plan, file: paths.plan, directory: paths.directory)
        }
        await pods.watches.follow(container, limits: SandboxSpec.limits(input))
    }

    private static func plan(for spec: SandboxSpec) throws(RuntimeError) -> [UInt8] {
        do { return try spec.encodedPlan() } catch { throw error.asRuntimeError }
    }
}
