// The launcher's conversation in somebody else's hands: what it names is signalled when a set-up fails, so it may name only
// our own child. And what a hostile image has where the runtime looks.

import CLinux
import Glibc
import JSON
import Testing

@testable import OCIRuntime

@Suite("A hostile conversation", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct HostileConversationTests {
    /// A process of this machine that is no child of ours: its parent, a shell, is gone.
    private final class Stranger {
        let handle: ProcessHandle

        init() throws {
            let words = "sleep 300 </dev/null >/dev/null 2>&1 & echo $!"
            let pid = try #require(run("/bin/sh", ["sh", "-c", words]).lines.first.flatMap { Int32($0) })
            handle = try #require(ProcessHandle(pid: pid))
        }

        deinit { _ = handle.signal(SIGKILL) }
    }

    private static func process(_ pid: Int32) -> [UInt8] { Array("P\(pid)".utf8) + [0] }
    private static let failure: [UInt8] = [1, 0, 0, 0] + Array("stage".utf8) + [UInt8](repeating: 0, count: 247)

    /// A lifecycle whose launcher says this and ends.
    private static func lifecycle(_ root: String, saying messages: [[UInt8]]) -> ContainerLifecycle {
        var lifecycle = ContainerLifecycle(directory: StateDirectory(root: root))
        lifecycle.launch = { (_, _, _) throws(OCIError) -> LauncherSession in
            var ends: [Int32] = [-1, -1]
            guard clinux_message_pair(&ends) == 0 else { throw .system("socketpair", "test") }
            for message in messages { _ = send(ends[1], message, message.count, Int32(MSG_NOSIGNAL)) }
            close(ends[1])
            return LauncherSession(socket: ends[0], launcher: try ChildProcess.spawn("/bin/true", ["true"]))
        }
        return lifecycle
    }

    private static func create(_ bundle: Bundle, saying messages: [[UInt8]]) throws -> String {
        let lifecycle = lifecycle(try Runtime.ours(bundle).root, saying: messages)
        var options = ContainerLifecycle.CreateOptions()
        options.bundle = bundle.directory
        do throws(OCIError) {
            try lifecycle.create(Bundle.newID(), options)
            return ""
        } catch { return "\(error)" }
    }

    @Test("a process of the host is not taken for the container's, and outlives the create")
    func stranger() throws {
        let stranger = try Stranger()
        let bundle = try Bundle()
        let message = try Self.create(bundle, saying: [Self.process(stranger.handle.pid), Self.failure])
        #expect(stranger.handle.isAlive)
        #expect(message.contains("found process \(stranger.handle.pid), expected a new child"), "\(message)")
    }

    @Test("a second process is an error, and neither a stranger nor another child of ours is ended for it")
    func second() throws {
        let stranger = try Stranger()
        let bundle = try Bundle()
        for isChild in [false, true] {
            let first = try ChildProcess.spawn("/bin/sleep", ["sleep", "300"])
            let other = try ChildProcess.spawn("/bin/sleep", ["sleep", "300"])
            defer {
                kill(other, SIGKILL)
                ChildProcess.reap(other)
            }
            let named = isChild ? other : stranger.handle.pid
            let message = try Self.create(bundle, saying: [Self.process(first), Self.process(named), Self.failure])
            #expect(message.contains("found a second one, of process \(named)"), "\(message)")
            #expect(stranger.handle.isAlive)
            #expect(ProcessHandle(pid: other) != nil)
            // The one that it was told first is the container's, and goes with it.
            #expect(ProcessHandle(child: first) == nil)
        }
    }

    @Test("exec ends no process that is not its own")
    func exec() throws {
        let stranger = try Stranger()
        let bundle = try Bundle()
        let runtime = try Runtime.ours(bundle)
        let id = Bundle.newID()
        try #require(runtime.create(bundle, id).succeeded)
        var process = ProcessSpecification()
        process.arguments = ["true"]
        let lifecycle = Self.lifecycle(runtime.root, saying: [Self.process(stranger.handle.pid), Self.failure])
        #expect(throws: OCIError.self) { try lifecycle.exec(id, process, ContainerLifecycle.ExecOptions()) }
        #expect(stranger.handle.isAlive)
        withExtendedLifetime(bundle) {}
    }
}

@Suite("What an image offers", .enabled(if: Machine.canRun, "needs root, busybox-static and a built swiftlet-oci"))
struct HostileImageTests {
    @Test("a device node in the place of /etc/passwd is not opened")
    func deviceNode() throws {
        let bundle = try Bundle()
        let node = "\(bundle.directory)/rootfs/etc/passwd"
        try #require(mknod(node, S_IFCHR | 0o666, clinux_device(1, 5)) == 0)
        let watch = inotify_init1(Int32(O_NONBLOCK) | Int32(O_CLOEXEC))
        defer { close(watch) }
        try #require(inotify_add_watch(watch, node, UInt32(IN_OPEN)) >= 0)
        try bundle.shell("echo $HOME")
        #expect(try Runtime.ours(bundle).run(bundle).lines == ["/"])
        var buffer = [UInt8](repeating: 0, count: 4096)
        #expect(read(watch, &buffer, buffer.count) < 0 && errno == EAGAIN, "it was opened")
    }

    @Test("HOME comes from the image's /etc/passwd, through a link of the image too")
    func home() throws {
        let bundle = try Bundle()
        try HostFile.replace(
            "\(bundle.directory)/rootfs/etc/users", with: Array("root:x:0:0::/srv/me:/bin/sh\n".utf8), mode: 0o644)
        symlink("/../etc/users", "\(bundle.directory)/rootfs/etc/passwd")
        try bundle.shell("echo $HOME")
        #expect(try Runtime.ours(bundle).run(bundle).lines == ["/srv/me"])
    }
}
