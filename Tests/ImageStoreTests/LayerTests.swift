// What unpacked layers promise, by small tars.
import CLinux
import Glibc
import Testing

@testable import ImageStore

@Suite(
    "Layers", .enabled(if: Privilege.isRoot, "unpacking gives files to their owners, which needs root"), .timeLimit(.minutes(2)))
struct LayerTests {
    @Test("owners, modes, times, links, pipes, attributes and holes are what the archive says")
    func everything() throws {
        let stage = try StoreStage()
        let image = try stage.image { tar in
            tar.directory("./")
            tar.directory("bin/", mode: 0o1777, uid: 7, time: 1_500_000_000)
            tar.add("bin/tool", data: Array("run".utf8), mode: 0o4755, uid: 12, gid: 13, time: 1_400_000_000)
            tar.hardLink("bin/same", to: "bin/tool")
            tar.link("lib", to: "/usr/lib")
            tar.add("pipe", type: "6", mode: 0o600)
            tar.pax([("mtime", Array("1234567890.123456789".utf8)), ("SCHILY.xattr.user.note", Array("kept".utf8))])
            tar.file("noted")
            tar.pax([
                ("GNU.sparse.major", [49]), ("GNU.sparse.minor", [48]), ("GNU.sparse.name", Array("holes".utf8)),
                ("GNU.sparse.realsize", Array("1048576".utf8)),
            ])
            tar.add(
                "GNUSparseFile.0/holes",
                data: Array("1\n524288\n4\n".utf8) + [UInt8](repeating: 0, count: 501) + Array("data".utf8))
        }
        let tree = try stage.tree(of: image)
        #expect(Tree.line("bin", in: tree) == "bin 0o41777 7:0 time=1500000000000000000")
        #expect(Tree.line("bin/tool", in: tree).hasPrefix("bin/tool 0o104755 12:13 size=3 links=2 time=1400000000000000000"))
        #expect(Tree.line("bin/tool", in: tree).hasSuffix("same as b'bin/same'"))
        #expect(Tree.line("lib", in: tree).contains("-> /usr/lib"))
        #expect(Tree.line("pipe", in: tree).hasPrefix("pipe 0o10600"))
        #expect(Tree.line("noted", in: tree).contains("time=1234567890123456789 user.note=6b657074"))
        #expect(Tree.line("holes", in: tree).contains("size=1048576"))
        let holes = try #require(try stage.store.layers.chainIDs().first.map { stage.store.layers.tree($0) + "/holes" })
        var facts = stat()
        #expect(stat(holes, &facts) == 0 && facts.st_blocks * 512 < 65_536, "a hole takes no room")
    }

    @Test(
        "a layer may end with its last file's content: some builders write neither padding nor end blocks; one that ends sooner is cut off"
    )
    func endsWithContent() throws {
        let stage = try StoreStage()
        var tar = TarText()
        tar.file("first", "one")
        tar.file("last", "no padding")
        let whole = Array(tar.bytes.prefix(tar.bytes.count - 512 + "no padding".utf8.count))
        for (name, layer) in [("plain", whole), ("gzip", Compressed.gzip(whole))] {
            let image = try stage.image([layer], uncompressed: [whole], name: "localhost/\(name):1")
            let tree = try stage.tree(of: image, id: name)
            #expect(Tree.line("last", in: tree).contains("size=10"), "\(name): \(tree)")
        }
        let cut = try stage.image([Array(whole.dropLast(1))], name: "localhost/cut:1")
        #expect(throws: ImageStoreError.self) { try stage.tree(of: cut, id: "cut") }
    }

    @Test("a whiteout removes what is below it and nothing of its own layer; an opaque directory hides all of theirs")
    func whiteouts() throws {
        let stage = try StoreStage()
        let image = try stage.image(
            { tar in
                tar.directory("a")
                for name in ["a/one", "a/two", "a/deep/er/three", "b/one", "b/own", "c/one", "top"] { tar.file(name, "below") }
            },
            { tar in
                tar.file("b/own", "above")
                tar.file("a/.wh.one", "")
                tar.file("a/.wh.deep", "")
                tar.file("b/.wh..wh..opq", "")
                tar.file("b/later", "above")
                tar.file("c/one", "above")
                tar.file("c/.wh.one", "")
                tar.file(".wh.top", "")
                tar.file(".wh.never-there", "")
                tar.file(".wh..wh.plnk/1", "bookkeeping of AUFS")
            })
        #expect(Tree.paths(try stage.tree(of: image)) == [".", "a", "a/two", "b", "b/later", "b/own", "c", "c/one"])
    }

    @Test("what is below a directory that a later layer names again stays; its mode and owner are the later one's")
    func directories() throws {
        let stage = try StoreStage()
        let image = try stage.image(
            { tar in
                tar.directory("etc", mode: 0o755, time: 1_000_000_000)
                tar.file("etc/kept")
                tar.directory("var", mode: 0o1777, uid: 5, time: 1_100_000_000)
                tar.directory("replaced")
                tar.file("replaced/gone")
            },
            { tar in
                tar.directory("etc", mode: 0o700, uid: 9, time: 1_200_000_000)
                // No entry of its own for "var": it stays as it is below.
                tar.file("var/new")
                tar.file("replaced", "now a file")
            })
        let tree = try stage.tree(of: image)
        #expect(Tree.line("etc", in: tree) == "etc 0o40700 9:0 time=1200000000000000000")
        #expect(Tree.line("var", in: tree) == "var 0o41777 5:0 time=1100000000000000000")
        #expect(Tree.paths(tree).contains("etc/kept"))
        #expect(Tree.line("replaced", in: tree).hasPrefix("replaced 0o100644"))
        #expect(!Tree.paths(tree).contains("replaced/gone"))
    }

    @Test(
        "a link of a lower layer leads where the image says: /lib/x lies in /usr/lib when /lib is a link there; hard links reach down too"
    )
    func linksAcrossLayers() throws {
        let stage = try StoreStage()
        let image = try stage.image(
            { tar in
                tar.directory("usr/lib")
                tar.link("lib", to: "usr/lib")
                tar.file("usr/lib/first", "first")
            },
            { tar in
                tar.file("lib/second", "second")
                tar.hardLink("lib/again", to: "usr/lib/first")
            })
        let tree = try stage.tree(of: image)
        #expect(Tree.paths(tree) == [".", "lib", "usr", "usr/lib", "usr/lib/again", "usr/lib/first", "usr/lib/second"])
        #expect(Tree.line("usr/lib/first", in: tree).contains("links=2"))
    }

    @Test("names are bytes: no UTF-8 is asked for, nothing is composed anew")
    func names() throws {
        let stage = try StoreStage()
        let image = try stage.image { tar in
            tar.add([0x66, 0xff, 0xfe])
            tar.pax([("path", Array("e\u{301}-decomposed".utf8))])
            tar.file("short")
            tar.pax([("path", [0xc3, 0x28])])
            tar.file("short2")
            tar.file("new\nline")
        }
        let paths = Tree.paths(try stage.tree(of: image))
        #expect(paths == [".", #"e\xcc\x81-decomposed"#, #"f\xff\xfe"#, #"new\nline"#, #"\xc3("#])
    }

    @Test("gzip, zstd and no compression are told apart by what is in them; several gzip members are one layer")
    func compressions() throws {
        let stage = try StoreStage()
        let tar = TarText.finished { $0.file("hello") }
        let halves = [Array(tar[..<700]), Array(tar[700...])]
        for (index, layer) in [tar, Compressed.gzip(tar), Compressed.zstd(tar), halves.flatMap { Compressed.gzip($0) }]
            .enumerated()
        {
            let image = try stage.image([layer], uncompressed: [tar], name: "localhost/c:\(index)")
            #expect(Tree.paths(try stage.tree(of: image)) == [".", "hello"])
        }
    }

    @Test("an empty layer, and an image without layers, have an empty root")
    func empty() throws {
        let stage = try StoreStage()
        #expect(Tree.paths(try stage.tree(of: try stage.image([[UInt8](repeating: 0, count: 1024)]))) == ["."])
        #expect(Tree.paths(try stage.tree(of: try stage.image([]))) == ["."])
    }

    @Test("200 layers are one root")
    func manyLayers() throws {
        let stage = try StoreStage()
        let image = try stage.image((0..<200).map { number in TarText.finished { $0.file("layer-\(number)") } })
        #expect(Tree.paths(try stage.tree(of: image)).count == 201)
    }

    @Test("device nodes: refused, left out or made, as the node says")
    func devices() throws {
        func make(_ devices: DeviceNodePolicy) throws -> String {
            var policy = ExtractionPolicy()
            policy.devices = devices
            let stage = try StoreStage(policy: policy)
            return try stage.tree(of: try stage.image { $0.add("dev/null", type: "3", mode: 0o666, device: (1, 3)) })
        }
        #expect(throws: ImageStoreError.self) { try make(.refuse) }
        #expect(!Tree.paths(try make(.leaveOut)).contains("dev/null"))
        #expect(Tree.line("dev/null", in: try make(.make)).hasPrefix("dev/null 0o20666 0:0"))
    }

    @Test("layers are unpacked once, however many ask at once, and shared by images that have them")
    func once() async throws {
        let stage = try StoreStage()
        let base = TarText.finished { tar in for number in 0..<500 { tar.file("file-\(number)") } }
        let one = try stage.image([base, TarText.finished { $0.file("one") }], name: "localhost/one:1")
        let two = try stage.image([base, TarText.finished { $0.file("two") }], name: "localhost/two:1")
        let store = stage.store
        try await withThrowingTaskGroup(of: Void.self) { group in
            for image in [one, two, one, two, one] { group.addTask { try store.unpack(image) } }
            try await group.waitForAll()
        }
        #expect(try stage.layers().count == 3)
        #expect(try Tree.paths(stage.tree(of: one)).count == 502)
    }

    @Test("what a crash left half-done is no layer: it is made anew, and a collection removes it")
    func crash() throws {
        let stage = try StoreStage()
        let image = try stage.image { $0.file("whole") }
        let chainID = try #require(LayerChain(diffIDs: try stage.store.contents(of: image).config.rootfs.diffIDs).ids.first)
        // Killed while unpacking; killed while removing.
        for path in [".new-\(chainID.hex)/fs", "sha256-\(chainID.hex)/fs", ".new-" + String(repeating: "0", count: 64) + "/fs"] {
            try DurableFile.makeDirectories([
                "\(stage.store.layers.directory)/\(path.split(separator: "/")[0])", "\(stage.store.layers.directory)/\(path)",
            ])
            try stage.write("half", to: "\(stage.store.layers.directory)/\(path)/half")
        }
        #expect(Tree.paths(try stage.tree(of: image)) == [".", "whole"])
        _ = try stage.store.collect(now: 2)
        #expect(try stage.layers() == ["sha256-\(chainID.hex)"])
    }

    @Test("a tree of any depth is removed")
    func deepRemoval() throws {
        let stage = try StoreStage()
        var directory = clinux_open(stage.path, clinux_o_path | O_DIRECTORY, 0)
        try #require(mkdirat(directory, "deep", 0o755) == 0)
        var name = "deep"
        for _ in 0..<3000 {
            let next = clinux_openat(directory, name, clinux_o_path | O_DIRECTORY, 0)
            close(directory)
            directory = next
            name = "d"
            try #require(mkdirat(directory, name, 0o755) == 0)
        }
        close(directory)
        try TreeRemoval.remove("\(stage.path)/deep")
        #expect(access("\(stage.path)/deep", F_OK) != 0)
    }
}
