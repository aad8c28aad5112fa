// create and start: from the pod's words to a bundle, and to the supervisor that has a runtime make a container of it.

import Glibc
import LocalRuntime
import RuntimeInterface
import SandboxPolicy

extension RunCRuntime {
    public func createContainer(podUID: String, config: ContainerConfig) async throws -> ContainerID {
        try await pods.createContainer(podUID: podUID, config: config, images: images) { _ in _ = try seccomp(config) }
    }

    public func startContainer(_ id: ContainerID) async throws {
        guard let (container, sandbox) = try await pods.startable(id) else { return }
        guard let program = program(sandbox.config.handler) else {
            throw RuntimeError.invalid(
                field: "runtimeClassName", reason: "no OCI runtime serves \(sandbox.config.handler ?? name)")
        }
        // The runtime makes the filter's program.
        let input = try await pods.specInput(container, sandbox, images: images)
        let (spec, needsWork) = try SandboxSpec.container(input)
        do { try spec.check() } catch { throw error.asRuntimeError }
        let oci = OCIContainer(id: id, paths: container.paths, configuration: configuration, program: program)
        let bundle = OCIBundle(
            container: oci, program: program, spec: spec, input: input, namespaces: namespaces(of: sandbox.config),
            seccomp: try seccomp(container.config))
        let (launcher, paths) = (configuration.launcherPath, container.paths)
        try await container.start {
            try oci.release()
            try input.prepare(spec, needsWork: needsWork)
            try bundle.write()
        } launch: {
            try await Launcher.supervise(launcher: launcher, plan: paths.plan, directory: paths.directory)
        }
        await pods.watches.follow(container, limits: SandboxSpec.limits(input))
    }

    /// nil: unconfined.
    func seccomp(_ config: ContainerConfig) throws(RuntimeError) -> SeccompProfile? {
        do throws(SandboxPolicyError) {
            if config.privileges?.privileged == true { return nil }
            guard let document = try pods.seccompProfiles.document(for: try SeccompProfileReference(config.seccompProfile)) else {
                return nil
            }
            let kept = Set((config.privileges?.capabilities ?? []).compactMap { Capability(name: $0) })
            return try SeccompProfile(parsing: document, context: SeccompContext(capabilities: kept))
        } catch { throw error.asRuntimeError }
    }

    // MARK: Pause

    /// Stops the container's processes without their knowledge; `resume` lets them go on. Throws `unavailable` with the runtime's words
    /// where it cannot.
    public func pauseContainer(_ id: ContainerID) async throws { try await tell(id, "pause") }
    public func resumeContainer(_ id: ContainerID) async throws { try await tell(id, "resume") }

    private func tell(_ id: ContainerID, _ verb: String) async throws {
        guard let container = pods.container(id), case .running = await container.phase else {
            throw RuntimeError.notFound("running container \(id)")
        }
        let oci = OCIContainer(container, programs: programs, configuration: configuration)
        guard let program = oci.program else { throw RuntimeError.notFound("the OCI runtime of \(id)") }
        let run = try await Blocking.run { try oci.run(program, [verb, oci.name]) }
        guard run.succeeded else { throw RuntimeError.unavailable(stage: "\(program.name) \(verb)", reason: run.complaint) }
    }
}
