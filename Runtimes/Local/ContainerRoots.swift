// A container's own root from an image of the node's store.

import RuntimeInterface

/// What a container's root is made for.
public struct ContainerRootRequest: Sendable, Hashable {
    public var container: ContainerID
    /// The runtime's directory of the container: what it writes lies there, in `upper`.
    public var directory: String
    /// As the pod says it (`runAsUser`); nil: as the image says.
    public var user: Int64?
    /// What the container may write; held by measuring (`LimitWatches`).
    public var bytes: Int64?
    /// What 0 inside is on the host; nil: 0.
    public var idRangeStart: UInt32?
}

/// The node's image store, as runtimes see it.
public protocol ContainerRoots: Sendable {
    /// The image with the root of this container, and the account that its process runs as. Unpacks what is not unpacked; repeatable.
    func prepare(_ image: RuntimeImage, _ request: ContainerRootRequest) async throws -> RuntimeImage
    /// Gives it back; what was never prepared is no error. Blocks.
    func remove(_ container: ContainerID) throws
}

extension LocalPods {
    /// The container's image, ready to be run: as it is, or with a root of the container's own.
    package func image(_ image: RuntimeImage, for container: SupervisedContainer, in sandbox: SandboxRecord) async throws
        -> RuntimeImage
    {
        guard case .stored(let id) = image.root else { return image }
        guard let roots = configuration.roots else { throw RuntimeError.imageNotPresent(id) }
        // Nothing but what the container writes may be there yet: its record lies elsewhere where records lie in memory.
        let scratch = container.paths.scratch
        try await Blocking.run { try RecordFiles.makeDirectories(scratch) }
        return try await roots.prepare(
            image,
            ContainerRootRequest(
                container: container.id, directory: container.paths.scratch, user: container.config.runAsUser,
                bytes: container.config.limits.ephemeralStorageBytes ?? sandbox.config.limits.ephemeralStorageBytes,
                idRangeStart: sandbox.idRangeStart))
    }
}
