// The node's images for its agent: built-in ones, and those of the store, which registries fill.
import Glibc
import ImageStore
import Logging
import RegistryClient
import RuntimeInterface

/// One for the node, whatever runtimes it has. What a signature policy refuses is neither pulled nor, when it came otherwise, run.
struct NodeImages: ImageService {
    let store: ImageStore
    let client: RegistryClient
    let signatures: SignaturePolicy
    /// `image.pullPolicy: local`: what the node has is all there is.
    var isLocal = false

    private var defaultRegistry: String? { client.settings.defaultRegistry }

    func imageStatus(_ image: String) async throws -> RuntimeImageStatus? {
        if let builtin = store.builtin.resolve(image) { return Self.status(builtin) }
        let (store, signatures, defaultRegistry) = (store, signatures, defaultRegistry)
        return try await Self.blocking {
            guard let stored = try Self.find(image, store, defaultRegistry), let id = stored.id else { return nil }
            try signatures.verify(stored, in: store)
            let names = try store.references.all().filter { $0.id == id }
            return try Self.status(names.isEmpty ? [stored] : names, id, store)
        }
    }

    /// A name that is none is told as such (InvalidImageName), not as a store that cannot be looked at.
    private static func find(_ image: String, _ store: ImageStore, _ defaultRegistry: String?) throws -> StoredImage? {
        do throws(ImageStoreError) {
            return try store.image(named: image, defaultRegistry: defaultRegistry)
        } catch .invalid(_, field: "name", let reason) {
            throw ImagePullError(.invalidName, reason)
        }
    }

    func pullImage(_ image: String, credentials: [RegistryCredential]) async throws(ImagePullError) -> String {
        if let builtin = store.builtin.resolve(image) { return builtin.name }
        if isLocal { return try await localImage(image) }
        let store = store
        // Unpacked at once, so that a layer that cannot be is the pull's failure and the first container starts as fast as the second.
        let unpack: ImagePull.Unpack = { contents, layers, subject in
            try await Self.blocking { try store.unpack(contents, layers: layers, subject: subject) }
        }
        let pull = ImagePull(client: client, store: store, signatures: signatures, credentials: credentials, unpack: unpack)
        guard let id = try await pull.run(image).id else { throw ImagePullError(.invalidContent, "\(image): no container image") }
        return id.description
    }

    /// A pod whose policy is Always is content with what there is.
    private func localImage(_ image: String) async throws(ImagePullError) -> String {
        let status: RuntimeImageStatus?
        do { status = try await imageStatus(image) } catch {
            throw error as? ImagePullError ?? ImagePullError(.internal, "\(image): \(error)")
        }
        if let status { return status.id }
        throw ImagePullError(
            .notFound,
            "\(image): not on this node, whose image.pullPolicy is local; `swiftlet image load` or `swiftlet image pull` brings it"
        )
    }

    func listImages() async throws -> [RuntimeImageStatus] {
        let store = store
        return try await Self.blocking {
            var named: [ContentDigest: [StoredImage]] = [:]
            for image in try store.references.all() {
                if let id = image.id { named[id, default: []].append(image) }
            }
            let stored = try named.sorted { $0.key < $1.key }.map { try Self.status($0.value, $0.key, store) }
            return store.builtin.images().map(Self.status) + stored
        }
    }

    func removeImage(_ id: String) async throws {
        let store = store
        try await Self.blocking {
            guard let stored = try store.image(named: id), let digest = stored.id else { return }
            guard try !store.imageIDsInUse().contains(digest) else {
                throw RuntimeError.unavailable(stage: "removeImage(\(id))", reason: "a container uses it")
            }
            try store.references.change { images in images.removeAll { $0.id == digest } }
            do throws(ImageStoreError) {
                _ = try store.collect(now: Int64(time(nil)))
            } catch .busy {
                // Somebody pulls; the next collection takes it.
            }
        }
    }

    func imageFilesystem() async throws -> ImageFilesystem {
        let store = store
        return try await Self.blocking {
            let usage = try store.usage()
            return ImageFilesystem(mountPoint: store.directory, usedBytes: usage.bytes, inodesUsed: usage.inodes)
        }
    }

    // MARK: - Statuses

    private static func status(_ image: BuiltinImage) -> RuntimeImageStatus {
        RuntimeImageStatus(id: image.name, repoTags: [image.name], pinned: true)
    }

    /// `names`: all of one image; an image whose text is damaged is listed without what that says.
    private static func status(_ names: [StoredImage], _ id: ContentDigest, _ store: ImageStore) throws -> RuntimeImageStatus {
        let contents = try names.first.map { try store.contents(of: $0) }
        let user = contents?.config.process.user?.split(separator: ":").first.map(String.init) ?? ""
        let digests = names.flatMap { ["\($0.reference.name)@\($0.sourceDigest)", "\($0.reference.name)@\($0.manifest.digest)"] }
        return RuntimeImageStatus(
            id: id.description, repoTags: names.filter { $0.reference.tag != nil }.map(\.reference.description),
            repoDigests: Set(digests).sorted(),
            sizeBytes: contents?.size ?? 0, uid: Int64(user), username: user.isEmpty || Int64(user) != nil ? nil : user,
            createdAt: (names.map(\.added).min() ?? 0) * 1_000_000_000)
    }

    private static func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await BlockingCall.run { Result(catching: body) }.get()
    }
}
