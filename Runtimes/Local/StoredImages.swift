// The node's image store as runtimes use it: names to images, images to containers' roots.

import ImageStore
import RuntimeInterface

/// One for all runtimes of a node.
public final class StoredImages: ContainerRoots {
    private let store: ImageStore
    private let defaultRegistry: String?

    public init(_ store: ImageStore, defaultRegistry: String? = nil) {
        self.store = store
        self.defaultRegistry = defaultRegistry
    }

    /// By name, or by id as the agent gives it: a built-in image, or one of the store. Throws `imageNotPresent`.
    public func resolve(_ name: String) async throws -> RuntimeImage {
        if let builtin = store.builtin.resolve(name) { return RuntimeImage(builtin: builtin) }
        let (store, defaultRegistry) = (store, defaultRegistry)
        return try await Blocking.run {
            guard let image = try store.image(named: name, defaultRegistry: defaultRegistry), let id = image.id else {
                throw RuntimeError.imageNotPresent(name)
            }
            let process = try store.contents(of: image).config.process
            return RuntimeImage(
                root: .stored(id: id.description),
                environment: (process.env ?? []).map { entry in
                    let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    return EnvironmentVariable(name: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "")
                },
                command: process.entrypoint ?? [], args: process.cmd ?? [],
                workingDirectory: process.workingDir.flatMap { $0.isEmpty ? nil : $0 }, stopSignal: process.stopSignal)
        }
    }

    public func prepare(_ image: RuntimeImage, _ request: ContainerRootRequest) async throws -> RuntimeImage {
        guard case .stored(let id) = image.root else { return image }
        let store = store
        return try await Blocking.run {
            guard let stored = try store.image(named: id) else { throw RuntimeError.imageNotPresent(id) }
            let account: ImageAccount
            let rootfs: Rootfs
            do throws(ImageStoreError) {
                rootfs = try store.prepareRootfs(
                    stored, id: request.container.description, in: request.directory, sizeLimit: request.bytes,
                    idShift: request.idRangeStart ?? 0)
                account = try store.account(of: stored, user: request.user.map { "\($0)" })
            } catch {
                throw RuntimeError.unavailable(stage: "image", reason: error.description)
            }
            var result = image
            switch rootfs.form {
            case .overlay(let lower, let upper, let work): result.root = .layers(lower: lower, upper: upper, work: work)
            case .directory(let path): result.root = .directory(path)
            }
            result.hasOwnRoot = true
            result.account = .init(uid: account.uid, gid: account.gid, groups: account.groups, home: account.home)
            return result
        }
    }

    public func remove(_ container: ContainerID) throws {
        do throws(ImageStoreError) { try store.removeRootfs(container.description) } catch {
            throw RuntimeError.unavailable(stage: "image", reason: error.description)
        }
    }
}

extension RuntimeImage {
    /// A built-in image: a view of the host, or a directory of it.
    public init(builtin image: BuiltinImage) {
        let root: Root
        switch image.rootfs {
        case .host: root = .hostView(readOnlyPaths: image.readOnlyPaths)
        case .directory(let path): root = .directory(path)
        }
        self.init(
            root: root,
            environment: image.env.map { entry in
                let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return EnvironmentVariable(name: String(parts[0]), value: parts.count > 1 ? String(parts[1]) : "")
            },
            command: image.entrypoint, args: image.cmd, workingDirectory: image.workingDirectory)
    }
}
