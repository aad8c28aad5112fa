// An image of a real builder: its tree is, path by path, what umoci makes of it.
import CLinux
import Glibc
import Spawn
import Testing

@testable import ImageStore

@Suite(
    "Images of a real builder", .enabled(if: Privilege.isRoot, "unpacking gives files to their owners, which needs root"),
    .timeLimit(.minutes(5)))
struct BuiltImageTests {
    private static let script =
        #filePath.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" } + "/Images/build-image.sh"

    @Test(
        "four layers by buildah, with whiteouts, links, attributes and holes: as umoci unpacks them, from archives of both kinds, and copied"
    )
    func equalsUmoci() throws {
        for tool in ["buildah", "umoci"] {
            try #require(access("/usr/bin/\(tool)", X_OK) == 0, "\(tool) is needed: Scripts/setup installs it")
        }
        let stage = try StoreStage()
        let place = stage.path + "/built"
        try DurableFile.makeDirectories([place])
        let run = try ProgramRun(
            "/bin/sh", arguments: ["sh", Self.script, place],
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(place)", "LC_ALL=C"],
            deadlineMilliseconds: 240_000)
        try #require(run.succeeded, "\(run.complaint)")
        let expected = try Tree.listing(place + "/bundle/rootfs")
        try #require(Tree.paths(expected).count > 320)
        let copying = try StoreStage(usesOverlays: false)
        for (archive, store) in [("oci.tar", stage), ("docker.tar", stage), ("oci.tar", copying)] {
            let file = clinux_open("\(place)/\(archive)", O_RDONLY | O_CLOEXEC, 0)
            try #require(file >= 0)
            defer { close(file) }
            let image = try #require(try store.store.load(fd: file, subject: archive, now: 1).first)
            #expect(image.reference.description == "localhost/four:built")
            #expect(try store.store.contents(of: image).manifest.layers.count == 4)
            Self.compare(try store.tree(of: image), expected, archive)
        }
    }

    /// Line by line: a difference is told as it is, not as two trees.
    private static func compare(_ found: String, _ expected: String, _ archive: String) {
        let (found, expected) = (found.split(separator: "\n"), expected.split(separator: "\n"))
        let (missing, surplus) = (Set(expected).subtracting(found), Set(found).subtracting(expected))
        #expect(
            missing.isEmpty && surplus.isEmpty,
            "\(archive): umoci has \(missing.sorted().prefix(20)), the store \(surplus.sorted().prefix(20))")
    }
}
