// Images from files and into files.
import CLinux
import Glibc
import Spawn
import Testing

@testable import ImageStore

@Suite(
    "Image archives", .enabled(if: Privilege.isRoot, "unpacking gives files to their owners, which needs root"),
    .timeLimit(.minutes(2)))
struct ArchiveTests {
    private static func open(_ bytes: [UInt8]) throws -> Int32 {
        let file = clinux_memfd("archive")
        try #require(file >= 0)
        let written = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        try #require(written == bytes.count && lseek(file, 0, SEEK_SET) == 0)
        return file
    }

    private static func load(_ stage: StoreStage, _ bytes: [UInt8], name: String? = nil) throws -> [StoredImage] {
        let file = try open(bytes)
        defer { close(file) }
        return try stage.store.load(fd: file, subject: "archive.tar", name: try name.map { try ImageReference($0) }, now: 5)
    }

    @Test("what is saved is loaded again as the same image, with its names, and skopeo reads it")
    func roundTrip() throws {
        let (one, two) = (try StoreStage(), try StoreStage())
        let layer = TarText.finished { $0.file("hello") }
        let image = try one.image(
            [Compressed.gzip(layer), TarText.finished { $0.file("second") }],
            uncompressed: [layer, TarText.finished { $0.file("second") }])
        let path = one.path + "/saved.tar"
        let file = clinux_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        defer { close(file) }
        try one.store.save([image], to: file, subject: path)
        lseek(file, 0, SEEK_SET)
        let loaded = try two.store.load(fd: file, subject: path, now: 5)
        #expect(loaded.map(\.reference) == [image.reference])
        #expect(loaded.map(\.id) == [image.id])
        #expect(try two.tree(of: loaded[0]) == one.tree(of: image))
        for transport in ["oci-archive", "docker-archive"] {
            let run = try ProgramRun(
                "/usr/bin/skopeo", arguments: ["skopeo", "inspect", "--raw", "\(transport):\(path)"],
                environment: ["PATH=/usr/bin:/bin", "HOME=/root"],
                deadlineMilliseconds: 30_000)
            #expect(run.succeeded, "\(transport): \(run.complaint)")
        }
    }

    @Test("docker-archives: layers named by links, several tags, a manifest that comes last")
    func docker() throws {
        let stage = try StoreStage()
        let layer = TarText.finished { $0.file("hello") }
        let config = try ImageDocument.encode(
            ImageConfig(platform: .current, diffIDs: [ContentDigest(of: layer), ContentDigest(of: layer)]), "")
        let archive = TarText.finished { tar in
            tar.add("abc/layer.tar", data: layer)
            tar.link("def/layer.tar", to: "../abc/layer.tar")
            tar.add("conf.json", data: config)
            tar.file(
                "manifest.json",
                #"[{"Config":"conf.json","RepoTags":["example.com/a/b:1","c:2"],"Layers":["abc/layer.tar","def/layer.tar"]}]"#)
        }
        let images = try Self.load(stage, Compressed.gzip(archive))
        #expect(images.map(\.reference.description) == ["example.com/a/b:1", "docker.io/library/c:2"])
        #expect(Tree.paths(try stage.tree(of: images[0])) == [".", "hello"])
        #expect(try Self.load(stage, archive, name: "mine:1").map(\.reference.description) == ["docker.io/library/mine:1"])
    }

    struct Broken: Sendable, CustomTestStringConvertible {
        var name: String
        var words: String
        var tar: @Sendable (inout TarText) -> Void
        var testDescription: String { name }
    }

    private static let config = #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#

    static let broken = [
        Broken(name: "no index of any kind", words: "no image archive") { $0.file("hello") },
        Broken(name: "no image in it", words: "none") { $0.file("manifest.json", "[]") },
        Broken(name: "a config that is not there", words: "lacks") { $0.file("manifest.json", #"[{"Config":"c","Layers":[]}]"#) },
        Broken(name: "a config above the archive", words: "leads out") {
            $0.file("manifest.json", #"[{"Config":"../../../etc/passwd","Layers":[]}]"#)
        },
        Broken(name: "a config by a link out of the archive", words: "lacks") { tar in
            tar.link("c", to: "../../../../../../etc/hostname")
            tar.file("manifest.json", #"[{"Config":"c","Layers":[]}]"#)
        },
        Broken(name: "links that chase each other", words: "links behind each other") { tar in
            tar.link("a", to: "b")
            tar.link("b", to: "a")
            tar.file("manifest.json", #"[{"Config":"a","Layers":[]}]"#)
        },
        Broken(name: "a layer that is not the config's", words: "expected one for each") { tar in
            tar.file("c", config)
            tar.file("l", "layer")
            tar.file("manifest.json", #"[{"Config":"c","Layers":["l"]}]"#)
        },
        Broken(name: "a layer of another content", words: "digest") { tar in
            tar.file("c", config.replacing("[]", with: #"["sha256:\#(String(repeating: "0", count: 64))"]"#))
            tar.file("l", "layer")
            tar.file("manifest.json", #"[{"Config":"c","Layers":["l"]}]"#)
        },
        Broken(name: "a tag that is none", words: "RepoTags") { tar in
            tar.file("c", config)
            tar.file("manifest.json", #"[{"Config":"c","RepoTags":["../x"],"Layers":[]}]"#)
        },
        Broken(name: "a blob of another content", words: "digest") { tar in
            let hex = String(repeating: "1", count: 64)
            tar.file("blobs/sha256/\(hex)", "else")
            tar.file(
                "index.json",
                #"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:\#(hex)","size":4}]}"#
            )
        },
        Broken(name: "a device in the archive", words: "neither file nor link") {
            $0.add("manifest.json", type: "3", device: (1, 3))
        },
        Broken(name: "a name that climbs out", words: "leads out") { $0.file("../../manifest.json", "[]") },
        Broken(name: "an index as deep as one likes", words: "") { tar in
            let text = #"{"schemaVersion":2,"manifests":[]}"#
            let digest = ContentDigest(of: Array(text.utf8))
            tar.file("blobs/sha256/\(digest.hex)", text)
            tar.file(
                "index.json",
                #"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"\#(digest)","size":\#(text.utf8.count)}]}"#
            )
        },
    ]

    @Test("a broken archive is refused with its reason, and no image of it is there", arguments: broken)
    func refused(_ broken: Broken) throws {
        let stage = try StoreStage()
        let before = try stage.surroundings()
        do {
            _ = try Self.load(stage, TarText.finished(broken.tar))
            Issue.record("it was loaded")
        } catch let error as ImageStoreError {
            #expect(error.description.contains(broken.words), "\(error)")
        }
        #expect(try stage.store.references.all().isEmpty)
        #expect(try stage.surroundings() == before)
        #expect(try Tree.names(stage.store.directory).allSatisfy { !$0.hasPrefix(".loading-") })
    }

    @Test("a plain tar becomes an image of one layer")
    func imported() throws {
        let stage = try StoreStage()
        let tar = TarText.finished { tar in
            tar.directory("bin")
            tar.file("bin/tool")
        }
        for (number, bytes) in [tar, Compressed.gzip(tar), Compressed.zstd(tar)].enumerated() {
            let file = try Self.open(bytes)
            defer { close(file) }
            var process = ImageConfig.Process()
            process.cmd = ["/bin/tool"]
            let image = try stage.store.importTree(
                fd: file, subject: "tree.tar", name: try ImageReference("localhost/tree:\(number)"), process: process, now: 5)
            #expect(Tree.paths(try stage.tree(of: image)) == [".", "bin", "bin/tool"])
            #expect(try stage.store.contents(of: image).config.process.cmd == ["/bin/tool"])
        }
        let nothing = try Self.open(Array("no tar".utf8))
        defer { close(nothing) }
        #expect(throws: ImageStoreError.self) {
            try stage.store.importTree(fd: nothing, subject: "x", name: try ImageReference("localhost/x:1"), now: 5)
        }
    }
}
