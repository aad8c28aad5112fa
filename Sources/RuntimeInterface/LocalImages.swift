// Images that are on the node as they are: nothing is pulled, nothing removed.

/// An ImageService over a list that somebody else keeps, as built-in images are.
public struct LocalImages: ImageService {
    private let names: @Sendable () -> [String]
    private let isPresent: @Sendable (String) -> Bool

    /// `isPresent` may know names by other spellings than `names` lists (without a tag).
    public init(names: @escaping @Sendable () -> [String], isPresent: @escaping @Sendable (String) -> Bool) {
        self.names = names
        self.isPresent = isPresent
    }

    public func imageStatus(_ image: String) async throws -> RuntimeImageStatus? {
        isPresent(image) ? RuntimeImageStatus(id: image, repoTags: [image], pinned: true) : nil
    }

    public func pullImage(_ image: String, credentials: [RegistryCredential]) async throws(ImagePullError) -> String {
        if isPresent(image) { return image }
        throw ImagePullError(.unsupported, "image \"\(image)\" is not present, and this node pulls none")
    }

    public func listImages() async throws -> [RuntimeImageStatus] {
        names().map { RuntimeImageStatus(id: $0, repoTags: [$0], pinned: true) }
    }

    public func removeImage(_ id: String) async throws {
        guard isPresent(id) else { return }
        throw RuntimeError.unavailable(stage: "removeImage(\(id))", reason: "a built-in image")
    }

    public func imageFilesystem() async throws -> ImageFilesystem { ImageFilesystem(mountPoint: "/") }
}
