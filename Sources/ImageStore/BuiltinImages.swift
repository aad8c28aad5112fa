// The node's built-in images: views of the node's own file system, each described by one JSON file.
import Glibc
import JSON
import Synchronization

/// Reads `<state>/images/builtin/*.json`. A file that changed is read again at the next question, so images may be added
/// while the node runs. A wrong file costs only its own image: it is listed in `defects`.
public final class BuiltinImages: Sendable {
    /// A manifest is a page of text; a larger file is not one.
    static let maximumManifestBytes = 1 << 20
    /// More files than this in the directory are an accident; the rest is ignored.
    static let maximumManifests = 10_000

    private struct Cached {
        var modified: timespec
        var size: Int
        var manifest: Result<BuiltinImage, ImageStoreError>
    }

    /// Which manifests there are, as of a directory that has stayed as it was.
    private struct Listing {
        var modified: timespec
        var paths: [String]
    }

    private struct Known {
        var manifests: [String: Cached] = [:]
        var listing: Listing?
    }

    /// A directory that changed so short a time before the look may change once more without another time: ext4's clock is the kernel's tick.
    private static let settledSeconds = 2

    public let directory: String
    private let known = Mutex(Known())

    /// `stateDirectory` is the node's; the directory for manifests is made when it is missing.
    public init(stateDirectory: String) throws(ImageStoreError) {
        directory = stateDirectory + "/images/builtin"
        for path in [stateDirectory, stateDirectory + "/images", directory] where mkdir(path, 0o755) != 0 && errno != EEXIST {
            throw .inputOutput(file: path, operation: "mkdir", errno: errno)
        }
    }

    /// The image of that name; "name" means "name:latest" as well. nil when there is none.
    public func resolve(_ image: String) -> BuiltinImage? {
        let wanted = Self.withTag(image)
        return images().first { Self.withTag($0.name) == wanted }
    }

    /// All usable images, by file name.
    public func images() -> [BuiltinImage] {
        readAll().compactMap { try? $0.get() }
    }

    /// What is wrong with the files that are not usable.
    public func defects() -> [ImageStoreError] {
        readAll().compactMap { result in
            if case .failure(let error) = result { error } else { nil }
        }
    }

    /// Stores the manifest durably; one of the same name is replaced.
    public func register(_ manifest: BuiltinImage) throws {
        let path = directory + "/" + Self.fileName(manifest.name)
        if let defect = manifest.defect() {
            throw ImageStoreError.invalid(file: path, field: defect.field, reason: defect.reason)
        }
        let bytes = try JSON.encodeToValue(manifest).serialized(pretty: true)
        try DurableFile.replace(path, with: bytes)
    }

    private func readAll() -> [Result<BuiltinImage, ImageStoreError>] {
        known.withLock { known in
            manifestPaths(&known).compactMap { path in
                var facts = stat()
                guard stat(path, &facts) == 0 else { return nil }
                if let read = known.manifests[path], read.size == facts.st_size, read.modified == facts.st_mtim {
                    return read.manifest
                }
                let manifest = Self.read(path)
                known.manifests[path] = Cached(modified: facts.st_mtim, size: Int(facts.st_size), manifest: manifest)
                return manifest
            }
        }
    }

    /// Several times for each container that starts, so the directory is not read again while it is the same.
    private func manifestPaths(_ known: inout Known) -> [String] {
        var (facts, now) = (stat(), timespec())
        let isThere = stat(directory, &facts) == 0
        if isThere, let listing = known.listing, listing.modified == facts.st_mtim { return listing.paths }
        clock_gettime(CLOCK_REALTIME, &now)
        let paths = listed()
        for path in known.manifests.keys where !paths.contains(path) { known.manifests[path] = nil }
        let isSettled = isThere && now.tv_sec - facts.st_mtim.tv_sec >= Self.settledSeconds
        known.listing = isSettled ? Listing(modified: facts.st_mtim, paths: paths) : nil
        return paths
    }

    private func listed() -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var paths: [String] = []
        while paths.count < Self.maximumManifests, let entry = readdir(stream) {
            // SAFETY: d_name is a NUL-terminated array inside the entry, which lives until the next readdir.
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".json"), !name.hasPrefix(".") { paths.append(directory + "/" + name) }
        }
        return paths.sorted()
    }

    private static func read(_ path: String) -> Result<BuiltinImage, ImageStoreError> {
        do {
            let manifest = try JSON.decode(BuiltinImage.self, from: try contents(path))
            if let defect = manifest.defect() {
                return .failure(.invalid(file: path, field: defect.field, reason: defect.reason))
            }
            return .success(manifest)
        } catch let error as ImageStoreError {
            return .failure(error)
        } catch {
            return .failure(.invalid(file: path, field: "manifest", reason: JSON.describe(error)))
        }
    }

    private static func contents(_ path: String) throws(ImageStoreError) -> [UInt8] {
        guard let file = fopen(path, "re") else { throw .inputOutput(file: path, operation: "open", errno: errno) }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: maximumManifestBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else { throw .inputOutput(file: path, operation: "read", errno: errno) }
        guard count < maximumManifestBytes else {
            throw .invalid(file: path, field: "manifest", reason: "larger than \(maximumManifestBytes) bytes")
        }
        return Array(bytes.prefix(count))
    }

    private static func withTag(_ image: String) -> String {
        let lastPart = image.split(separator: "/").last ?? ""
        return lastPart.contains(":") || lastPart.contains("@") ? image : image + ":latest"
    }

    static func fileName(_ image: String) -> String {
        String(image.map { $0.isLetter || $0.isNumber || "._-".contains($0) ? $0 : "_" }) + ".json"
    }
}

extension timespec {
    fileprivate static func == (left: timespec, right: timespec) -> Bool {
        left.tv_sec == right.tv_sec && left.tv_nsec == right.tv_nsec
    }
}
