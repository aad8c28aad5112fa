// Where records lie, which name programs that run as we do: a directory that somebody else made or may write to is refused.
// And the lock on a container: bounded, with the name of who holds it.

import CLinux
import Glibc
import Testing

@testable import OCIRuntime

@Suite("The state directory", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct StateRootTests {
    @Test(
        "a link, another user's directory and one that others may write to are refused by every verb, with the way out"
    )
    func refused() throws {
        let bundle = try Bundle()
        let path = try #require(Machine.runtime)
        let root = "\(bundle.directory)/root"
        let cases: [(expected: String, make: () -> Void)] = [
            ("a symbolic link", { symlink(bundle.directory, root) }),
            (
                "a directory of user 1500",
                {
                    mkdir(root, 0o700)
                    chown(root, 1500, 1500)
                }
            ),
            (
                "a directory of mode 777",
                {
                    mkdir(root, 0o700)
                    chmod(root, 0o777)
                }
            ),
            (
                "a directory of mode 770",
                {
                    mkdir(root, 0o700)
                    chmod(root, 0o770)
                }
            ),
            ("no directory", { close(clinux_open(root, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600)) }),
        ]
        for (expected, make) in cases {
            make()
            let runtime = Runtime(path, root: root)
            let verbs = [
                ["list"], ["state", "x"], ["delete", "x"], ["kill", "x"], ["create", "--bundle", bundle.directory, "x"],
            ]
            for outcome in verbs.map({ runtime.call($0) }) {
                #expect(!outcome.succeeded)
                for part in [root, "found \(expected)", "expected a directory of user 0", "XDG_RUNTIME_DIR or --root"] {
                    #expect(outcome.errors.contains(part), "\(outcome.errors)")
                }
            }
            if unlink(root) != 0 { rmdir(root) }
        }
    }

    @Test(
        "what is planted under an ordinary user's well-known name is not taken",
        .enabled(if: access("/usr/bin/setpriv", X_OK) == 0))
    func planted() throws {
        let bundle = try Bundle()
        let built = try #require(Machine.runtime)
        for name in ["swiftlet-oci", "swiftlet-sandbox"] {
            let bytes = try HostFile.readAllOfExecutable(built.replacingLastComponent(name))
            try HostFile.replace("\(bundle.directory)/\(name)", with: bytes, mode: 0o755)
            chmod("\(bundle.directory)/\(name)", 0o755)
        }
        let user = "\(200_000 + getpid() % 100_000)"
        let root = "/tmp/swiftlet-oci-\(user)"
        mkdir(root, 0o755)
        mkdir("\(root)/planted", 0o755)
        defer {
            rmdir("\(root)/planted")
            rmdir(root)
        }
        let outcome = run(
            "/usr/bin/setpriv",
            [
                "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "\(bundle.directory)/swiftlet-oci", "delete",
                "planted",
            ])
        #expect(!outcome.succeeded && outcome.errors.contains("found a directory of user 0"), "\(outcome.errors)")
    }

    @Test("it is made for its user alone")
    func mode() throws {
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        try #require(runtime.create(bundle, Bundle.newID()).succeeded)
        var info = stat()
        #expect(stat(runtime.root, &info) == 0 && info.st_mode & 0o7777 == 0o700)
        withExtendedLifetime(bundle) {}
    }

    @Test("a lock that is not given up ends the wait, and who holds it is told")
    func lock() throws {
        let bundle = try Bundle()
        let directory = StateDirectory(root: try Runtime.ours(bundle).root)
        let id = Bundle.newID()
        try directory.reserve(id)
        defer { rmdir(directory.directory(id)) }
        let held = try directory.lock(id)
        let error = #expect(throws: OCIError.self) { try directory.lock(id, milliseconds: 50) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("container \(id) is busy: process \(getpid()) (") && text.contains("50 ms"), "\(text)")
        withExtendedLifetime(held) {}
    }
}
