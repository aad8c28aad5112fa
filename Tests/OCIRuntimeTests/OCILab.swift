// Bundles and runtimes for the tests: real processes of swiftlet-oci, and of runc where it is installed.

import CLinux
import Glibc
import JSON
import Synchronization
import Testing

@testable import OCIRuntime

enum Machine {
    /// Beside the tests, where a build puts every product; SWIFTLET_OCI names another.
    static let runtime: String? = {
        var candidates: [String] = []
        if let path = getenv("SWIFTLET_OCI") { candidates.append(String(cString: path)) }
        for argument in CommandLine.arguments where argument.contains(".xctest") || argument.contains("PackageTests") {
            candidates.append(argument.replacingLastComponent("swiftlet-oci"))
        }
        candidates.append(".build/debug/swiftlet-oci")
        return candidates.first { access($0, X_OK) == 0 }.flatMap { try? HostFile.resolved($0) }
    }()
    static let runc: String? = ["/usr/sbin/runc", "/usr/bin/runc"].first { path in access(path, X_OK) == 0 }
    static let busybox: String? = ["/bin/busybox", "/usr/bin/busybox"].first { path in access(path, X_OK) == 0 }

    /// Root, a static busybox (package busybox-static) and the built runtime.
    static let canRun = geteuid() == 0 && runtime != nil && busybox != nil
    static let canCompare = canRun && runc != nil
}

/// A bundle with a busybox root file system, and a state directory of its own; both go with the value.
final class Bundle {
    let directory: String
    var configuration: JSONValue
    private static let count = Atomic<Int>(0)

    init(_ change: (inout JSONValue) -> Void = { _ in }) throws {
        var template = Array("/tmp/swiftlet-oci-test-XXXXXX".utf8CString)
        let made = mkdtemp(&template)
        try #require(made != nil)
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(directory, 0o755)
        for name in ["rootfs", "rootfs/bin", "rootfs/etc", "rootfs/proc", "rootfs/sys", "rootfs/dev", "rootfs/tmp"] {
            mkdir("\(directory)/\(name)", 0o755)
        }
        let busybox = try #require(Machine.busybox)
        // One copy in the machine's cache is enough: a hard link where the file system allows it.
        if link(busybox, "\(directory)/rootfs/bin/busybox") != 0 {
            try HostFile.replace("\(directory)/rootfs/bin/busybox", with: try HostFile.read(busybox), mode: 0o755)
        }
        for name in [
            "sh", "cat", "ls", "id", "sleep", "true", "false", "echo", "mount", "stat", "hostname", "touch", "mkdir", "grep",
            "kill", "ps", "tty", "stty", "readlink", "env", "pwd", "dd",
        ] {
            symlink("busybox", "\(directory)/rootfs/bin/\(name)")
        }
        configuration = SpecCommand.document(rootless: nil)
        configuration.set(["process", "terminal"], to: false)
        configuration.set(["process", "args"], to: ["sleep", "60"])
        configuration.set(["root", "readonly"], to: false)
        change(&configuration)
        try write()
    }

    func write() throws { try HostFile.replace("\(directory)/config.json", with: configuration.serialized(), mode: 0o644) }

    func shell(_ script: String) throws {
        configuration.set(["process", "args"], to: ["sh", "-c", .string(script)])
        try write()
    }

    deinit {
        for runtime in [Machine.runtime, Machine.runc].compactMap({ $0 }) {
            let root = Runtime.root(of: runtime, in: directory)
            for id in HostFile.entries(root) { _ = Runtime(runtime, root: root).call(["delete", "--force", id]) }
        }
        _ = run("/bin/rm", ["rm", "-rf", "--one-file-system", directory])
    }

    /// What another runtime may leave behind is found by this.
    @TaskLocal static var prefix = "oci-test"

    static func newID() -> String { "\(prefix)-\(getpid())-\(count.add(1, ordering: .relaxed).newValue)" }
}

struct Outcome {
    var status: Int32
    var output: String
    var errors: String
    var lines: [String] { output.split(separator: "\n").map(String.init) }
    var succeeded: Bool { status == 0 }
}

struct Runtime: Sendable, CustomTestStringConvertible {
    let path: String
    let root: String

    init(_ path: String, root: String) {
        self.path = path
        self.root = root
    }

    /// Its state lies in the bundle's directory, so that the lab finds and removes it.
    init(_ path: String, for bundle: Bundle) { self.init(path, root: Self.root(of: path, in: bundle.directory)) }

    static func root(of path: String, in directory: String) -> String {
        "\(directory)/state-\(path.split(separator: "/").last ?? "")"
    }
    static func ours(_ bundle: Bundle) throws -> Runtime { Runtime(try #require(Machine.runtime), for: bundle) }

    var testDescription: String { path }

    @discardableResult
    func call(_ words: [String], _ options: [String] = []) -> Outcome { run(path, [path, "--root", root] + options + words) }

    func create(_ bundle: Bundle, _ id: String, _ flags: [String] = []) -> Outcome {
        call(["create", "--bundle", bundle.directory] + flags + [id])
    }

    func run(_ bundle: Bundle, _ id: String = Bundle.newID()) -> Outcome { call(["run", "--bundle", bundle.directory, id]) }

    func status(_ id: String) -> String? { state(id)?["status"]?.stringValue }

    func state(_ id: String) -> JSONValue? {
        let outcome = call(["state", id])
        return outcome.succeeded ? try? JSONValue(parsing: outcome.output) : nil
    }

    /// Waits, at most ten seconds, until the container has this status.
    func await(_ id: String, _ wanted: String) -> Bool { eventually { status(id) == wanted } }

    private func run(_ program: String, _ words: [String]) -> Outcome { OCIRuntimeTests.run(program, words) }
}

/// A condition with a deadline: nothing in these tests waits for time to pass.
func eventually(seconds: Int = 60, _ condition: () -> Bool) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let end = now.tv_sec + seconds
    while now.tv_sec <= end {
        if condition() { return true }
        usleep(10_000)
        clock_gettime(CLOCK_MONOTONIC, &now)
    }
    return false
}

/// Runs to the end, at most a minute. Output goes to memory files: a container's process may keep them open for longer.
func run(_ program: String, _ words: [String]) -> Outcome {
    let files = [clinux_memfd("out"), clinux_memfd("err")]
    defer { for file in files { close(file) } }
    var pid: pid_t = 0
    let path: [String] = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    let code = ChildProcess.withPointers(words) { argv in
        ChildProcess.withPointers(path) { envp in
            clinux_spawn_with_input(
                &pid, program, UnsafeMutablePointer(mutating: argv), UnsafeMutablePointer(mutating: envp), -1, files[0], files[1])
        }
    }
    guard code == 0 else { return Outcome(status: 126, output: "", errors: "\(program): \(OCIError.text(code))") }
    if let handle = ProcessHandle(pid: pid), !handle.waitUntilGone(milliseconds: 60_000) { kill(pid, SIGKILL) }
    let status = ChildProcess.reap(pid).map(ChildProcess.exitCode) ?? 255
    return Outcome(status: status, output: contents(files[0]), errors: contents(files[1]))
}

private func contents(_ file: Int32) -> String {
    lseek(file, 0, SEEK_SET)
    return String(decoding: (try? HostFile.readAll(file, "output")) ?? [], as: UTF8.self)
}
