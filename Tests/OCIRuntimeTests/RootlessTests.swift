// An ordinary user's containers: one id, or a range through newuidmap; no groups, no powers of the host's.

import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite(
    "Rootless containers",
    .enabled(if: Machine.canRun && access("/usr/bin/setpriv", X_OK) == 0, "needs root, setpriv and busybox-static"))
struct RootlessTests {
    private func asUser(_ runtime: Runtime, _ words: [String]) -> Outcome {
        run(
            "/usr/bin/setpriv",
            ["setpriv", "--reuid", "1500", "--regid", "1500", "--clear-groups", runtime.path, "--root", runtime.root] + words)
    }

    @Test("the bundle of spec --rootless runs, is listed, takes an exec and goes")
    func lifecycle() throws {
        let bundle = try Bundle { document in
            document = SpecCommand.document(rootless: (1500, 1500))
            document.set(["process", "terminal"], to: false)
            document.set(["process", "args"], to: ["sleep", "60"])
        }
        // The runtime and its launcher may lie where only root looks; copies lie in the bundle.
        let built = try #require(Machine.runtime)
        for name in ["swiftlet-oci", "swiftlet-sandbox"] {
            try HostFile.replace(
                "\(bundle.directory)/\(name)", with: try HostFile.readAllOfExecutable(built.replacingLastComponent(name)),
                mode: 0o755)
            chmod("\(bundle.directory)/\(name)", 0o755)
        }
        mkdir("\(bundle.directory)/state", 0o700)
        chown("\(bundle.directory)/state", 1500, 1500)
        let runtime = Runtime("\(bundle.directory)/swiftlet-oci", root: "\(bundle.directory)/state")
        let id = Bundle.newID()
        let started = asUser(runtime, ["run", "--detach", "--bundle", bundle.directory, id])
        try #require(started.succeeded, "\(started.errors)")
        defer { #expect(asUser(runtime, ["delete", "--force", id]).succeeded) }
        #expect(asUser(runtime, ["list", "-q"]).lines == [id])
        let inside = asUser(
            runtime,
            [
                "exec", id, "sh", "-c",
                "id -u; cat /proc/self/uid_map | while read a b c; do echo $a $b $c; done; mount -t tmpfs x /tmp 2>/dev/null || echo no",
            ])
        #expect(inside.lines == ["0", "0 1500 1", "no"], "\(inside.errors)")
    }
}

extension HostFile {
    /// A debug build of an executable is larger than any record.
    static func readAllOfExecutable(_ path: String) throws -> [UInt8] {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var info = stat()
        fstat(descriptor, &info)
        return [UInt8](unsafeUninitializedCapacity: Int(info.st_size)) { buffer, count in
            while count < buffer.count {
                let n = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
                if n <= 0 { break }
                count += n
            }
        }
    }
}
