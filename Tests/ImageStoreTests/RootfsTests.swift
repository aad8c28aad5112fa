// Containers' roots, collections, and archives, as they are promised.
import Glibc
import Testing

@testable import ImageStore

@Suite(
    "Roots of containers", .enabled(if: Privilege.isRoot, "unpacking gives files to their owners, which needs root"),
    .timeLimit(.minutes(2)))
struct RootfsTests {
    private static func layers() -> [[UInt8]] {
        [
            TarText.finished { tar in
                tar.directory("./", mode: 0o711, uid: 3, time: 1_300_000_000)
                tar.directory("etc")
                tar.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:2000::/home/alice:/bin/sh\nbroken\n")
                tar.file("etc/group", "root:x:0:\nstaff:x:50:alice,bob\nwheel:x:60:alice\nusers:x:2000:\n")
                tar.file("gone")
            },
            TarText.finished { $0.file(".wh.gone", "") },
        ]
    }

    @Test("what one container writes, no other sees; the image stays as it is; removal leaves nothing")
    func isolated() throws {
        let stage = try StoreStage()
        let image = try stage.image(Self.layers())
        let one = try stage.store.mountRootfs(try stage.store.prepareRootfs(image, id: "one"))
        let two = try stage.store.mountRootfs(try stage.store.prepareRootfs(image, id: "two"))
        try stage.write("mine", to: one + "/etc/passwd")
        try stage.write("mine", to: one + "/new")
        let other = Tree.paths(try Tree.listing(two))
        #expect(other == [".", "etc", "etc/group", "etc/passwd"])
        #expect(Tree.line(".", in: try Tree.listing(two)) == ". 0o40711 3:0 time=1300000000000000000")
        let usage = try stage.store.rootfsUsage("one")
        #expect(usage.bytes > 0 && usage.bytes < 1 << 20 && usage.inodes >= 3)
        try stage.store.removeRootfs("one")
        try stage.store.removeRootfs("one")
        try stage.store.removeRootfs("two")
        #expect(try stage.store.rootfses().isEmpty)
        #expect(try Tree.names(stage.store.directory + "/containers").isEmpty)
        #expect(!Tree.paths(try stage.tree(of: image)).contains("new"))
    }

    @Test("preparing again gives the same root with what was written; another object finds it too")
    func again() throws {
        let stage = try StoreStage()
        let image = try stage.image(Self.layers())
        let first = try stage.store.prepareRootfs(image, id: "c", sizeLimit: 5)
        try stage.write("kept", to: first.writable + "/kept")
        let later = try ImageStore(stateDirectory: stage.path)
        #expect(try later.prepareRootfs(image, id: "c") == first)
        #expect(access(first.writable + "/kept", F_OK) == 0)
        #expect(try later.rootfs("c") == first)
        try later.removeRootfs("c")
    }

    @Test(
        "an id that is no file name is refused",
        arguments: ["", "..", ".hidden", "a/b", "a\0b", String(repeating: "x", count: 300)])
    func ids(_ id: String) throws {
        let stage = try StoreStage()
        let image = try stage.image(Self.layers())
        #expect(throws: ImageStoreError.self) { try stage.store.prepareRootfs(image, id: id) }
        #expect(throws: ImageStoreError.self) { try stage.store.removeRootfs(id) }
    }

    @Test("in a place of the runtime's the writable layer belongs to the task's root")
    func shifted() throws {
        let stage = try StoreStage()
        let place = stage.path + "/runtime"
        try DurableFile.makeDirectories([place])
        let rootfs = try stage.store.prepareRootfs(try stage.image(Self.layers()), id: "c", in: place, idShift: 100_000)
        #expect(rootfs.writable == place + "/upper")
        var facts = stat()
        #expect(stat(rootfs.writable, &facts) == 0 && facts.st_uid == 100_003 && facts.st_gid == 100_000)
        try stage.store.removeRootfs("c")
        #expect(try Tree.names(place).isEmpty)
    }

    @Test("where overlays cannot be, the copied tree is the same, path by path")
    func copied() throws {
        let (overlaid, copied) = (try StoreStage(), try StoreStage(usesOverlays: false))
        let trees = try [overlaid, copied].map { stage in try stage.tree(of: try stage.image(Self.layers())) }
        #expect(trees[0] == trees[1])
        #expect(try copied.layers().isEmpty)
    }

    @Test("whom an image runs as: by number, by name, with groups; a name that is not there is refused")
    func accounts() throws {
        let stage = try StoreStage()
        let image = try stage.image(Self.layers())
        func account(_ text: String) throws -> ImageAccount { try stage.store.account(of: image, user: text) }
        #expect(try account("") == ImageAccount(uid: 0, gid: 0, groups: [], home: "/root"))
        #expect(try account("alice") == ImageAccount(uid: 1000, gid: 2000, groups: [50, 60], home: "/home/alice"))
        #expect(try account("1000") == ImageAccount(uid: 1000, gid: 2000, groups: [50, 60], home: "/home/alice"))
        #expect(try account("1234") == ImageAccount(uid: 1234, gid: 0, groups: [], home: nil))
        #expect(try account("alice:staff") == ImageAccount(uid: 1000, gid: 50, groups: [], home: "/home/alice"))
        #expect(try account("7:8") == ImageAccount(uid: 7, gid: 8, groups: [], home: nil))
        #expect(throws: ImageStoreError.self) { try account("mallory") }
        #expect(throws: ImageStoreError.self) { try account("alice:nobodies") }
    }

    @Test("an account file that is a link outside or a pipe is nobody's account")
    func hostileAccounts() throws {
        let stage = try StoreStage()
        try stage.write("evil:x:0:0::/:\n", to: stage.path + "/outside/passwd")
        let outside = stage.path + "/outside/passwd"
        let image = try stage.image { tar in
            tar.link("etc/passwd", to: outside)
            tar.add("etc/group", type: "6")
        }
        #expect(throws: ImageStoreError.self) { try stage.store.account(of: image, user: "evil") }
    }

    // MARK: - Collection

    @Test("while anybody works on contents, nothing is collected")
    func busy() throws {
        let stage = try StoreStage()
        let held = try stage.store.holdContents()
        #expect(throws: ImageStoreError.busy(stage.store.directory)) { try stage.store.collect(now: 10) }
        withExtendedLifetime(held) {}
    }

    @Test("a collection leaves a container's layers and named images whole, and takes the rest")
    func collected() throws {
        let stage = try StoreStage()
        let kept = try stage.image([TarText.finished { $0.file("kept") }], name: "localhost/kept:1")
        let used = try stage.image([TarText.finished { $0.file("used") }], name: "localhost/used:1")
        let gone = try stage.image([TarText.finished { $0.file("gone") }], name: "localhost/gone:1")
        for image in [kept, used, gone] { try stage.store.unpack(image) }
        let rootfs = try stage.store.prepareRootfs(used, id: "c")
        try stage.store.references.remove(used.reference)
        try stage.store.references.remove(gone.reference)
        let result = try stage.store.collect(now: 10)
        #expect(result.layers == 1 && result.blobs == 6 && result.freedBytes > 0)
        #expect(Tree.paths(try Tree.listing(try stage.store.mountRootfs(rootfs))) == [".", "used"])
        #expect(Tree.paths(try stage.tree(of: kept)) == [".", "kept"])
        try stage.store.removeRootfs("c")
        #expect(try stage.store.collect(now: 11).layers == 1)
        #expect(try stage.store.collect(now: 12) == ImageCollection())
    }

    @Test("a signature stays as long as what it signs, and goes with it")
    func signatures() throws {
        let stage = try StoreStage()
        let image = try stage.image([TarText.finished { $0.file("signed") }], name: "localhost/signed:1")
        let bytes = Array("{}".utf8)
        let signature = StoredImage(
            reference: image.reference.with(tag: "sha256-\(image.manifest.digest.hex).sig"),
            manifest: Descriptor(mediaType: MediaType.ociManifest, digest: try stage.store.blobs.add(bytes), size: 2), id: nil,
            added: 1)
        try stage.store.references.set(signature)
        #expect(try stage.store.collect(now: 10).blobs == 0)
        #expect(try stage.store.references.all().count == 2)
        #expect(try stage.store.removeUnusedImages(olderThan: 0, now: 10).images == [image.reference])
        #expect(try stage.store.references.all().isEmpty)
        #expect(try stage.store.blobs.digests().isEmpty)
    }

    @Test("unused images go by age; one that a container stands on stays, whatever its age")
    func unused() throws {
        let stage = try StoreStage()
        let used = try stage.image([TarText.finished { $0.file("used") }], name: "localhost/used:1")
        let old = try stage.image([TarText.finished { $0.file("old") }], name: "localhost/old:1")
        _ = try stage.store.prepareRootfs(used, id: "c")
        #expect(try stage.store.removeUnusedImages(olderThan: 100, now: 50).images.isEmpty)
        #expect(
            try stage.store.removeUnusedImages(olderThan: 100, now: 500, keeps: { $0.reference == old.reference }).images.isEmpty)
        #expect(try stage.store.removeUnusedImages(olderThan: 100, now: 500).images == [old.reference])
        #expect(try stage.store.references.all().map(\.reference) == [used.reference])
        try stage.store.removeRootfs("c")
    }
}
