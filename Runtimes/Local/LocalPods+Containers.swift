// How a container comes to be, as far as every runtime of this machine does it alike: it is checked and recorded, then found again and
// given its root.

import RuntimeInterface

extension LocalPods {
    /// What cannot be run is refused before anything is made, with its field. `check`: what the runtime itself must be able to make.
    package func createContainer(
        podUID: String, config: ContainerConfig, images: RuntimeImageResolver, check: (SandboxRecord) throws -> Void
    ) async throws -> ContainerID {
        try RecordName.check("podUID", podUID)
        try RecordName.check("name", config.name)
        guard let sandbox = sandbox(podUID) else { throw RuntimeError.notFound("pod sandbox \(podUID)") }
        let id = ContainerID(podUID: podUID, name: config.name, attempt: config.attempt)
        if container(id) != nil { return id }
        _ = try await images(config.image)
        try check(sandbox)
        try refuseUnenforceable(config, sandbox.config)
        if !config.devices.isEmpty {
            try await Blocking.run { try DeviceNodes.check(config.devices, hasOwnIDs: sandbox.idRangeStart != nil) }
        }
        try await addContainer(id, config)
        return id
    }

    /// A container that may be started; nil when it was already.
    package func startable(_ id: ContainerID) async throws -> (container: SupervisedContainer, sandbox: SandboxRecord)? {
        guard let container = container(id), let sandbox = sandbox(id.podUID) else {
            throw RuntimeError.notFound("container \(id)")
        }
        guard case .created = await container.phase else { return nil }
        return (container, sandbox)
    }

    /// With its root, which is made of its image's layers here. `seccomp`: the filter's program, where the runtime loads one itself.
    package func specInput(
        _ container: SupervisedContainer, _ sandbox: SandboxRecord, images: RuntimeImageResolver, seccomp: [UInt8]? = nil,
        requiresSecondWall: Bool = false
    ) async throws -> ContainerSpecInput {
        let image = try await image(try await images(container.config.image), for: container, in: sandbox)
        return ContainerSpecInput(
            id: container.id, sandbox: sandbox, config: container.config, image: image, paths: container.paths,
            networkNamespace: network(of: container.id.podUID).path, cgroup: container.cgroup, seccomp: seccomp,
            node: configuration,
            requiresSecondWall: requiresSecondWall)
    }
}
