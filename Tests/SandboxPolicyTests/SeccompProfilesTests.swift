// Which profile a task gets: references, the node's directory, and compiled filters kept between processes.

import Glibc
import KubernetesModel
import Testing

@testable import SandboxPolicy

@Suite("Seccomp selection")
struct SeccompProfilesTests {
    /// A directory of the test's own, removed at its end.
    final class Directory {
        let path: String

        init() throws {
            var template = Array("/tmp/swiftlet-seccomp-XXXXXX".utf8CString)
            path = try #require(mkdtemp(&template).map { String(cString: $0) })
        }

        func write(_ name: String, _ text: String) throws {
            let file = open("\(path)/\(name)", O_CREAT | O_TRUNC | O_WRONLY, 0o644)
            defer { close(file) }
            try #require(Glibc.write(file, text, text.utf8.count) == text.utf8.count)
        }

        func files(_ name: String) throws -> [String] { Self.names("\(path)/\(name)") }

        private static func names(_ path: String) -> [String] {
            guard let directory = opendir(path) else { return [] }
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            return names
        }

        private static func removeAll(_ path: String) {
            var info = stat()
            if lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFDIR {
                for name in names(path) { removeAll("\(path)/\(name)") }
            }
            remove(path)
        }

        deinit { Self.removeAll(path) }
    }

    static let tiny = #"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#

    @Test(
        "a pod's words become a reference, and back",
        arguments: [
            (nil, nil, "RuntimeDefault"), ("", nil, "RuntimeDefault"), ("RuntimeDefault", nil, "RuntimeDefault"),
            ("Unconfined", nil, "Unconfined"), ("Localhost", "profiles/engine.json", "Localhost/profiles/engine.json"),
            ("Localhost", "strict.json", "Localhost/strict.json"),
        ] as [(String?, String?, String)])
    func references(type: String?, name: String?, text: String) throws {
        let reference = try SeccompProfileReference(type.map { KubernetesModel.SeccompProfile(type: $0, localhostProfile: name) })
        #expect(reference.description == text)
        #expect(try SeccompProfileReference(text) == reference)
    }

    @Test(
        "what leads out of the profile directory, or is no reference, is refused with its field",
        arguments: [
            ("Localhost", "../x"), ("Localhost", "/etc/passwd"), ("Localhost", "a//b"), ("Localhost", ""),
            ("Localhost", "a/../b"),
            ("Localhost", ".hidden"), ("Localhost", nil), ("Host", nil), ("RuntimeDefault", "x.json"),
        ] as [(String, String?)])
    func refusedReferences(type: String, name: String?) {
        #expect {
            try SeccompProfileReference(KubernetesModel.SeccompProfile(type: type, localhostProfile: name))
        } throws: { error in
            guard case .invalid(let field, _, _) = error as? SandboxPolicyError else { return false }
            return field.hasPrefix("seccompProfile.")
        }
    }

    @Test("Unconfined only where the node permits it")
    func unconfined() throws {
        #expect(throws: SandboxPolicyError.self) { try SeccompProfiles().filter(for: .unconfined) }
        #expect(try SeccompProfiles(permitsUnconfined: true).filter(for: .unconfined) == nil)
    }

    @Test("a node's own file comes before a built-in profile of the same name; symbolic links are not followed")
    func localhost() throws {
        let directory = try Directory()
        try directory.write("strict.json", Self.tiny)
        try directory.write("mine.json", Self.tiny)
        mkdir("\(directory.path)/sub", 0o755)
        try directory.write("sub/own.json", Self.tiny)
        symlink("/etc/hostname", "\(directory.path)/link.json")
        symlink("/etc", "\(directory.path)/linked")
        let profiles = SeccompProfiles(directory: directory.path)
        for name in ["strict.json", "strict", "mine", "mine.json", "sub/own.json"] {
            #expect(try profiles.document(for: .localhost(name)) == Array(Self.tiny.utf8), "\(name)")
        }
        #expect(try profiles.document(for: .localhost("ray.json")) == Array(SeccompProfile.BuiltIn.ray.json.utf8))
        #expect(try SeccompProfiles().document(for: .localhost("python.json")) == Array(SeccompProfile.BuiltIn.python.json.utf8))
        for name in ["none.json", "link.json", "linked/hostname", "sub"] {
            #expect(throws: SandboxPolicyError.self, "\(name)") { try profiles.document(for: .localhost(name)) }
        }
    }

    @Test("a compiled filter is kept on disk and used again; a file that was changed is compiled anew")
    func diskCache() throws {
        let directory = try Directory()
        let profiles = SeccompProfiles(cacheDirectory: "\(directory.path)/seccomp")
        let program = try #require(try profiles.filter(for: .builtIn(.strict)))
        let name = try #require(try directory.files("seccomp").first)
        let path = "\(directory.path)/seccomp/\(name)"
        let key = SeccompFilterDirectory.key(document: Array(SeccompProfile.BuiltIn.strict.json.utf8), context: .plainTask)
        let cache = SeccompFilterDirectory(path: "\(directory.path)/seccomp")
        #expect(cache.program(for: key) == program)
        #expect(cache.program(for: key + [32]) == nil)

        let size = try #require(Golden.bytes(path)).count
        for (offset, what) in [(3, "magic"), (40, "key"), (size - 12, "program")] {
            let file = open(path, O_WRONLY)
            pwrite(file, "\u{7f}", 1, off_t(offset))
            close(file)
            #expect(cache.program(for: key) == nil, "\(what)")
            #expect(try profiles.filter(for: .builtIn(.strict)) == program)
            #expect(cache.program(for: key) == program, "\(what)")
        }
        truncate(path, off_t(size - 8))
        #expect(cache.program(for: key) == nil)
        #expect(try profiles.filter(for: .builtIn(.strict)) == program)
        chmod(path, 0o666)
        #expect(cache.program(for: key) == nil, "a file that others may write")
    }

    @Test("the cache is bounded: edited profiles do not fill the disk")
    func bounded() throws {
        let directory = try Directory()
        let cache = SeccompFilterDirectory(path: "\(directory.path)/seccomp")
        for number in 0..<300 { cache.write(FilterProgram.learning, for: Array("key \(number)".utf8)) }
        let count = try directory.files("seccomp").count
        #expect(count > 0 && count <= 128)
    }

    @Test("counting denials asks where the profile says EPERM, and changes nothing else")
    func countingDenials() throws {
        let profiles = SeccompProfiles()
        let plain = FilterMachine(program: try #require(try profiles.filter(for: .runtimeDefault)))
        let counting = FilterMachine(program: try #require(try profiles.filter(for: .runtimeDefault, countsDenials: true)))
        for number in UInt32(0)..<600 {
            let answer = try plain.answer(number: number, architecture: SeccompArchitecture.native.token)
            let asked = try counting.answer(number: number, architecture: SeccompArchitecture.native.token)
            #expect(asked == (answer == Answer.denied ? Answer.question : answer), "\(number)")
        }
        #expect(try counting.answer("clone3") == Answer.absent)
    }

    @Test("the filter for learning asks about every call and ends foreign entries")
    func learning() throws {
        #expect(FilterProgram.isWellFormed(FilterProgram.learning))
        let machine = FilterMachine(program: FilterProgram.learning)
        #expect(try machine.answer("read") == Answer.question)
        #expect(try machine.answer("mount") == Answer.question)
        #expect(try machine.answer(number: 3, architecture: 0x4000_0003) == Answer.killProcess)
        #if arch(x86_64)
            #expect(try machine.answer(number: 0x4000_0003, architecture: 0xc000_003e) == Answer.killProcess)
        #endif
    }
}
