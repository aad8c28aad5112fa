// A store in a directory of its own, images made of layers' bytes, and trees told as text.
import Glibc
import Spawn
import Testing

@testable import ImageStore

/// Removed with what is in it when the test is over.
final class StoreStage {
    let path: String
    let store: ImageStore
    private let outside: String

    init(policy: ExtractionPolicy = ExtractionPolicy(), usesOverlays: Bool? = nil) throws {
        var template = Array("/tmp/swiftlet-store-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        store = try ImageStore(stateDirectory: path, extractionPolicy: policy, usesOverlays: usesOverlays)
        // What attacks aim at.
        outside = path + "/outside"
        try #require(mkdir(outside, 0o755) == 0)
        try write("canary", to: outside + "/canary")
    }

    deinit { try? TreeRemoval.remove(path) }

    func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }

    /// An image of these layers, from the bottom to the top. `diffIDs` says otherwise what the layers' uncompressed digests are.
    func image(
        _ layers: [[UInt8]], uncompressed: [[UInt8]]? = nil, diffIDs: [ContentDigest]? = nil,
        name: String = "localhost/crafted:1",
        mediaType: String = MediaType.ociLayer, process: ImageConfig.Process = ImageConfig.Process()
    ) throws -> StoredImage {
        let config = ImageConfig(
            platform: .current, diffIDs: diffIDs ?? (uncompressed ?? layers).map { ContentDigest(of: $0) }, process: process)
        let text = try ImageDocument.encode(config, "config")
        let configDescriptor = Descriptor(
            mediaType: MediaType.ociConfig, digest: try store.blobs.add(text), size: Int64(text.count))
        let descriptors = try layers.map {
            Descriptor(mediaType: mediaType, digest: try store.blobs.add($0), size: Int64($0.count))
        }
        let manifest = try ImageDocument.encode(ImageManifest(config: configDescriptor, layers: descriptors), "manifest")
        let descriptor = Descriptor(
            mediaType: MediaType.ociManifest, digest: try store.blobs.add(manifest), size: Int64(manifest.count))
        let image = StoredImage(reference: try ImageReference(name), manifest: descriptor, id: configDescriptor.digest, added: 1)
        try store.references.set(image)
        return image
    }

    func image(_ layers: (inout TarText) -> Void...) throws -> StoredImage { try image(layers.map { TarText.finished($0) }) }

    /// The image's tree as a container sees it, told by `Tree.listing`.
    func tree(of image: StoredImage, id: String = "look") throws -> String {
        let rootfs = try store.prepareRootfs(image, id: id)
        defer { try? store.removeRootfs(id) }
        return try Tree.listing(try store.mountRootfs(rootfs))
    }

    /// What lies around the store: nothing of it may ever change.
    func surroundings() throws -> String { try Tree.listing(outside) }

    /// Names of layers that are visible, and of half-done ones.
    func layers() throws -> [String] {
        try Tree.names(store.layers.directory).filter { $0 != ".locks" && $0 != ".empty" }
    }
}

enum Tree {
    /// A line for each path: name, kind, mode, owner, size, time, link, links that are the same file, attributes, content's hash.
    private static let program = """
        import hashlib, os, stat, sys
        root = os.fsencode(sys.argv[1]); first = {}; lines = []
        for directory, names, files in os.walk(root):
            for name in [b"."] * (directory == root) + names + files:
                path = os.path.join(directory, name); s = os.lstat(path); kind = stat.S_IFMT(s.st_mode)
                text = [os.path.relpath(path, root), oct(s.st_mode), f"{s.st_uid}:{s.st_gid}"]
                if kind != stat.S_IFDIR: text += [f"size={s.st_size}", f"links={s.st_nlink}"]
                text += [f"time={s.st_mtime_ns}"]
                if kind == stat.S_IFLNK: text += [b"-> " + os.readlink(path)]
                if kind in (stat.S_IFCHR, stat.S_IFBLK): text += [f"device={os.major(s.st_rdev)}:{os.minor(s.st_rdev)}"]
                attributes = [a for a in os.listxattr(path, follow_symlinks=False)]
                text += [f"{a}={os.getxattr(path, a, follow_symlinks=False).hex()}" for a in sorted(attributes)]
                if kind == stat.S_IFREG:
                    text += [hashlib.sha256(open(path, "rb").read()).hexdigest()[:16]]
                    if s.st_nlink > 1: text += [s.st_ino]
                lines.append(text)
        lines.sort(key=lambda line: line[0])
        for line in lines:
            if isinstance(line[-1], int): line[-1] = "same as " + repr(first.setdefault(line[-1], line[0]))
            print(*[word if isinstance(word, str) else repr(word)[2:-1] for word in line])
        """

    static func listing(_ path: String) throws -> String {
        let run = try ProgramRun("/usr/bin/python3", arguments: ["python3", "-c", program, path], deadlineMilliseconds: 120_000)
        try #require(run.succeeded, "\(run.complaint)")
        return String(decoding: run.output, as: UTF8.self)
    }

    static func names(_ path: String) throws -> [String] {
        let stream = try #require(opendir(path))
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Paths alone.
    static func paths(_ listing: String) -> [String] { listing.split(separator: "\n").map { String($0.prefix { $0 != " " }) } }

    /// The line of one path.
    static func line(_ path: String, in listing: String) -> String {
        listing.split(separator: "\n").map(String.init).first { $0.hasPrefix(path + " ") } ?? "(no \(path))"
    }
}

/// Unpacking gives files away and mounts overlays.
enum Privilege {
    static let isRoot = geteuid() == 0
}
