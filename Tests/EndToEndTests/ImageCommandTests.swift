// `swiftlet image` as a person calls it: an image's life without a registry, and what is said when something is wrong.
import FoundationEssentials
import Glibc
import JSON
import Testing

@testable import Swiftlet

@Suite("Images on the command line", .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct ImageCommandTests {
    /// A store of its own and a tar of a tree with one file, "word"; goes with the test, mounts too.
    private final class Bench {
        let directory: String
        var tar: String { "\(directory)/tree.tar" }

        init() async throws {
            directory = "/tmp/swiftlet-e2e-image-\(getpid())-\(UUID().uuidString.prefix(8))"
            try FileText.makeDirectory("\(directory)/tree", mode: 0o755)
            try FileText.write(bytes: Array("here\n".utf8), to: "\(directory)/tree/word")
            let made = try await RunningCommand(
                ["/usr/bin/tar", "-C", "\(directory)/tree", "-cf", tar, "."], directory: directory
            ).result(within: .seconds(60))
            try #require(made.status == 0, "\(made.errors)")
        }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        /// `swiftlet image VERB --store ... ARGUMENTS`
        func image(_ verb: String, _ arguments: String..., store: String = "store") async throws -> CommandResult {
            let words = [try EndToEnd.program("swiftlet"), "image", verb, "--store", "\(directory)/\(store)"] + arguments
            return try await RunningCommand(words, directory: directory).result(within: .seconds(120))
        }
    }

    @Test("a tar becomes an image that is listed, named, mounted, saved, removed, and loaded by another node")
    func life() async throws {
        let bench = try await Bench()
        #expect(try await bench.image("import", bench.tar, "team/tool:1", "--env", "A=b", "--cmd", "/word").status == 0)
        #expect(try await bench.image("tag", "team/tool:1", "tool:latest").status == 0)
        let listed = try JSONValue(parsing: try await bench.image("ls", "-o", "json").output).arrayValue ?? []
        #expect(Set(listed.compactMap { $0["name"]?.stringValue }) == ["docker.io/team/tool:1", "docker.io/library/tool:latest"])
        #expect(Set(listed.compactMap { $0["id"]?.stringValue }).count == 1)
        #expect(try await bench.image("ls", "team", "-o", "name").output == "docker.io/team/tool:1\n")
        let shown = try JSONValue(parsing: try await bench.image("inspect", "team/tool:1").output)
        #expect(shown["config"]?["config"]?["Env"] == ["A=b"])
        #expect(try await bench.image("verify").output.contains("team/tool:1: verified"))

        let mounted = try await bench.image("mount", "team/tool:1")
        #expect(FileText.read(mounted.output.trimmingCharacters(in: .whitespacesAndNewlines) + "/word") == "here\n")
        #expect(try await bench.image("unmount").status == 0)

        let archive = "\(bench.directory)/saved.tar"
        #expect(try await bench.image("save", "-o", archive, "team/tool:1").status == 0)
        #expect(try await bench.image("rm", "team/tool:1", "tool:latest").status == 0)
        #expect(try await bench.image("ls", "-o", "name").output == "")
        #expect(try await bench.image("load", "-i", archive, store: "other").output == "team/tool:1\n")
        #expect(try await bench.image("verify", "team/tool:1", store: "other").status == 0)
    }

    @Test("a mount's name belongs to one image: another under it is refused, with what is there and what helps")
    func mountName() async throws {
        let bench = try await Bench()
        for name in ["one", "two"] {
            #expect(try await bench.image("import", bench.tar, "\(name):1", "--env", "N=\(name)").status == 0)
        }
        #expect(try await bench.image("mount", "one:1").status == 0)
        #expect(try await bench.image("mount", "one:1").status == 0, "the same again is no mistake")
        let refused = try await bench.image("mount", "two:1")
        #expect(refused.status != 0)
        #expect(
            refused.errors.contains("mounted: image") && refused.errors.contains("swiftlet image unmount mounted"),
            "\(refused.errors)")
        #expect(try await bench.image("unmount").status == 0)
        #expect(try await bench.image("mount", "two:1").status == 0)
        #expect(try await bench.image("unmount").status == 0)
    }

    @Test("what is not there, is no image or is damaged is said with its name and a way on; half an archive does not stay")
    func mistakes() async throws {
        let bench = try await Bench()
        let misspelt = try await bench.image("ls")
        #expect(misspelt.status != 0 && misspelt.errors.contains("there is no state directory"), "\(misspelt.errors)")
        #expect(!FileText.exists("\(bench.directory)/store"), "who only looks makes nothing")
        let plain = try await bench.image("load", "-i", bench.tar)
        #expect(plain.status != 0 && plain.errors.contains("neither manifest.json nor index.json"), "\(plain.errors)")
        #expect(try await bench.image("ls").errors.contains("no images yet"))
        let unknown = try await bench.image("inspect", "nonesuch:1")
        #expect(
            unknown.status != 0 && unknown.errors.contains("image nonesuch:1: not found")
                && unknown.errors.contains("swiftlet image ls"))

        #expect(try await bench.image("import", bench.tar, "tool:1").status == 0)
        let shown = try JSONValue(parsing: try await bench.image("inspect", "tool:1").output)
        let layer = try #require(shown["manifest"]?["layers"]?.arrayValue?.first?["digest"]?.stringValue).dropFirst(
            "sha256:".count)
        let blob = "\(bench.directory)/store/images/layout/blobs/sha256/\(layer)"
        var bytes = try #require(FileText.bytes(blob))
        bytes[bytes.count / 2] ^= 1
        try FileText.write(bytes: bytes, to: blob)
        let verified = try await bench.image("verify", "tool:1")
        #expect(
            verified.status != 0 && verified.output.contains("tool:1: ") && verified.errors.contains("1 of 1 images"),
            "\(verified.errors)")
        let archive = "\(bench.directory)/saved.tar"
        #expect(try await bench.image("save", "-o", archive, "tool:1").status != 0)
        #expect(!FileText.exists(archive))
    }
}
