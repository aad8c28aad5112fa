// The launcher as a program: where it is, and starting it on a plan, in our place or as a child.
import CLinux
import Glibc
import SandboxPolicy

public struct Launcher: Sendable, Hashable {
    /// Absolute path of `swiftlet-sandbox`.
    public let path: String

    public init(path: String) { self.path = path }

    /// Beside this executable, else where a package puts such programs.
    public static func find() throws(RunFailure) -> Launcher {
        var places = [
            "/usr/libexec/swiftlet/swiftlet-sandbox", "/usr/lib/swiftlet/swiftlet-sandbox", "/usr/local/bin/swiftlet-sandbox",
        ]
        if let own = RunPath.link("/proc/self/exe"), let slash = own.lastIndex(of: "/") {
            places.insert(own[..<slash] + "/swiftlet-sandbox", at: 0)
        }
        guard let path = places.first(where: RunPath.isExecutable) else {
            throw RunFailure(
                field: "launcher", found: "no swiftlet-sandbox in \(places[0])", expected: "the executable beside this one",
                hint: "build or install both: `swift build` makes swiftlet and swiftlet-sandbox")
        }
        return Launcher(path: path)
    }

    /// The plan as an unnamed file that a started program may read.
    static func file(of plan: LaunchPlan) throws(RunFailure) -> Int32 {
        let descriptor = clinux_memfd("plan")
        guard descriptor >= 0 else { throw .system("plan", "a file in memory") }
        guard SmallFile.write(plan.encoded(), to: descriptor), lseek(descriptor, 0, SEEK_SET) == 0 else {
            close(descriptor)
            throw .system("plan", "a file in memory")
        }
        return descriptor
    }

    private func words(_ plan: Int32, stateDirectory: String?) -> [String] {
        [path, "supervise", "--foreground", "--plan", "/proc/self/fd/\(plan)"]
            + (stateDirectory.map { ["--state-dir", $0] } ?? [])
    }

    /// Becomes the launcher: nothing of Swift stays in memory while the task runs. Returns only when it cannot.
    func become(_ plan: LaunchPlan) throws(RunFailure) -> Never {
        let descriptor = try Self.file(of: plan)
        _ = clinux_keep_on_exec(descriptor)
        // Swift's runtime blocks nothing on the main thread, but what our parent ignores stays ignored: as for any command.
        Self.withPointers(words(descriptor, stateDirectory: nil)) { arguments in _ = execve(path, arguments, [nil]) }
        throw .system("launcher", path)
    }

    /// Starts the launcher as a child in the foreground of our terminal. Returns its process id.
    func start(_ plan: LaunchPlan, stateDirectory: String?) throws(RunFailure) -> pid_t {
        let descriptor = try Self.file(of: plan)
        defer { close(descriptor) }
        var pid: pid_t = 0
        let result = Self.withPointers(words(descriptor, stateDirectory: stateDirectory)) { arguments in
            clinux_spawn_foreground(&pid, path, arguments, [nil], descriptor)
        }
        guard result == 0 else { throw .system("launcher", path, result) }
        return pid
    }

    /// C strings as execve(2) wants them, for as long as `body` runs.
    static func withPointers<Result>(_ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
        let pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}

extension RunFailure {
    /// A system call that failed: what for, on what, errno.
    static func system(_ field: String, _ subject: String, _ error: Int32 = errno) -> RunFailure {
        RunFailure(field: field, found: "\(subject): \(String(cString: strerror(error)))", expected: "this to work")
    }
}

extension RunPath {
    /// Where a symbolic link points; nil when it is none.
    static func link(_ path: String) -> String? {
        let bytes = [CChar](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = buffer.baseAddress.map { max(0, readlink(path, $0, buffer.count)) } ?? 0
        }
        return bytes.isEmpty ? nil : String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
