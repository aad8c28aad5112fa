// What the store of built-in images promises.
import Glibc
import Testing

@testable import ImageStore

@Suite("built-in images")
struct BuiltinImagesTests {
    private final class State {
        let path: String
        init() throws {
            var template = Array("/tmp/swiftlet-images-XXXXXX".utf8CString)
            try #require(mkdtemp(&template) != nil)
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        func write(_ name: String, _ text: String) {
            guard let file = fopen("\(path)/images/builtin/\(name)", "w") else { return }
            defer { fclose(file) }
            fputs(text, file)
        }
        deinit {
            // Only what these tests make: files in images/builtin of this test's own temporary directory.
            let directory = path + "/images/builtin"
            if let stream = opendir(directory) {
                while let entry = readdir(stream) {
                    let name = withUnsafePointer(to: &entry.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                    if name != ".", name != ".." { unlink(directory + "/" + name) }
                }
                closedir(stream)
            }
            for part in ["/images/builtin", "/images", ""] { rmdir(path + part) }
        }
    }

    @Test("a manifest put there by hand is found, with its defaults, under name and name:latest alike")
    func found() throws {
        let state = try State()
        let images = try BuiltinImages(stateDirectory: state.path)
        state.write("psi.json", #"{"name":"psi:0.9.5","rootfs":"host","readOnlyPaths":["/opt/venv"],"env":["A=b"]}"#)
        state.write("plain.json", #"{"name":"plain","rootfs":"/srv/rootfs"}"#)
        #expect(images.resolve("psi:0.9.5") == BuiltinImage(name: "psi:0.9.5", readOnlyPaths: ["/opt/venv"], env: ["A=b"]))
        #expect(images.resolve("plain:latest")?.rootfs == .directory("/srv/rootfs"))
        #expect(images.resolve("psi:1") == nil)
        #expect(images.images().count == 2)
    }

    @Test("in a directory that has long been the same, too: a file that comes, goes or changes counts at the next question")
    func settled() throws {
        let state = try State()
        let images = try BuiltinImages(stateDirectory: state.path)
        let directory = state.path + "/images/builtin"
        /// As if nothing had happened there for a minute.
        func settle() {
            let then = timespec(tv_sec: time(nil) - 60, tv_nsec: 0)
            utimensat(AT_FDCWD, directory, [then, then], 0)
            #expect(images.resolve("none") == nil)
        }
        state.write("a.json", #"{"name":"a","rootfs":"host"}"#)
        settle()
        #expect(images.resolve("a") != nil)
        state.write("b.json", #"{"name":"b","rootfs":"host"}"#)
        #expect(images.resolve("b") != nil)
        settle()
        state.write("b.json", #"{"name":"changed","rootfs":"host"}"#)
        #expect(images.resolve("changed") != nil && images.resolve("b") == nil)
        settle()
        unlink(directory + "/a.json")
        #expect(images.resolve("a") == nil && images.resolve("changed") != nil)
    }

    @Test("a changed file counts at the next question")
    func changed() throws {
        let state = try State()
        let images = try BuiltinImages(stateDirectory: state.path)
        state.write("a.json", #"{"name":"a","rootfs":"host"}"#)
        #expect(images.resolve("a") != nil)
        state.write("a.json", #"{"name":"renamed","rootfs":"host"}"#)
        #expect(images.resolve("a") == nil)
        #expect(images.resolve("renamed") != nil)
    }

    @Test(
        "a wrong manifest is named by file and field and costs only itself",
        arguments: [
            (#"{"name":"","rootfs":"host"}"#, "name"), (#"{"name":"x","rootfs":"relative"}"#, "rootfs"),
            (#"{"name":"x","rootfs":"host","readOnlyPaths":["/ok","/a/../b"]}"#, "readOnlyPaths[1]"),
            (#"{"name":"x","rootfs":"host","readOnlyPaths":["/"]}"#, "readOnlyPaths[0]"),
            (#"{"name":"x","rootfs":"host","env":["=b"]}"#, "env[0]"), (#"{"rootfs":"host"}"#, "manifest"), ("{", "manifest"),
        ])
    func wrong(_ text: String, _ field: String) throws {
        let state = try State()
        let images = try BuiltinImages(stateDirectory: state.path)
        state.write("bad.json", text)
        state.write("good.json", #"{"name":"good","rootfs":"host"}"#)
        guard case .invalid(let file, let found, _) = try #require(images.defects().first) else {
            Issue.record("no defect")
            return
        }
        #expect(file.hasSuffix("/bad.json"))
        #expect(found == field)
        #expect(images.resolve("good") != nil)
    }

    @Test("a registered manifest survives and replaces its namesake; a wrong one is refused")
    func register() throws {
        let state = try State()
        try BuiltinImages(stateDirectory: state.path).register(BuiltinImage(name: "org/app:1", cmd: ["run"]))
        let images = try BuiltinImages(stateDirectory: state.path)
        #expect(images.resolve("org/app:1")?.cmd == ["run"])
        try images.register(BuiltinImage(name: "org/app:1", cmd: ["other"]))
        #expect(images.images().map(\.cmd) == [["other"]])
        #expect(throws: ImageStoreError.self) { try images.register(BuiltinImage(name: "a b")) }
    }
}
