// The second wall as a task's spec makes it: the same answers as the mounts give, when the mounts are taken away.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Second wall", .enabled(if: Machine.canRun && clinux_landlock_abi() >= 6))
struct SecondWallTests {
    /// The wall of a spec in a jail whose mounts forbid nothing: everything is one writable tmpfs.
    private static func jail(_ change: (inout SandboxSpec) -> Void = { _ in }) -> Jail {
        var spec = SandboxSpec(
            id: "wall", arguments: ["x"], environment: [], hostname: "h", rootMountPoint: "/r", temporary: .memory(bytes: 4096),
            output: .inherit)
        change(&spec)
        var jail = Jail()
        jail.files = ["/tmp", "/data", "/keep", "/dev/shm", "/etc"].map { .makeDirectory(path: $0, mode: 0o1777) }
        jail.process = [.noNewPrivileges]
        jail.wall = LandlockPolicy(mirroring: spec).operations
        return jail
    }

    private static func tried(_ scripts: [String]) -> String {
        scripts.map { "(\($0)) >/dev/null 2>&1 && echo yes || echo no" }.joined(separator: "; ")
    }

    @Test("writing only where the spec has something writable, even where the mounts would let it")
    func files() throws {
        try withOperationLab { lab in
            let jail = Self.jail {
                $0.mounts = [
                    .init(source: "/v", path: "/data", readOnly: false), .init(source: "/w", path: "/keep", readOnly: true),
                ]
            }
            let tries = [
                "touch /tmp/a", "mkdir /tmp/d && mv /tmp/a /tmp/d/b", "touch /data/a", "ln -s x /data/l", "rm /data/a",
                "echo x > /dev/null",
                "touch /dev/shm/a", "ls /etc", "touch /a", "touch /keep/a", "touch /etc/a", "mkfifo /etc/p", "rm /etc",
                "mv /tmp/d/b /keep/b",
                "cp /bin/true /keep/t", "cp /bin/true /tmp/t && /tmp/t", "mknod /tmp/n c 1 3",
            ]
            let result = try lab.run(jail, Self.tried(tries))
            let expected = Array(repeating: "yes", count: 8) + Array(repeating: "no", count: 7) + ["yes", "no"]
            #expect(result.output == expected, "\(zip(tries, result.output).map { $0 })")
        }
    }

    @Test("a task may write what of its own /proc it may write without the wall")
    func proc() throws {
        try withOperationLab { lab in
            let result = try lab.run(
                Self.jail(),
                Self.tried(["echo x > /proc/self/comm", "echo 500 > /proc/self/oom_score_adj", "cat /proc/self/status"]))
            #expect(result.output == ["yes", "yes", "yes"], "\(result)")
        }
    }

    @Test("TCP ports of a task on the node's network, and its abstract sockets")
    func hostNetwork() throws {
        try withOperationLab { lab in
            var jail = Self.jail {
                $0.tcpPorts = .init(bind: [24_571], connect: [24_571])
                $0.secondWall = .required
            }
            jail.namespaces = [.namespace(.net)]
            jail.system = [.loopback]
            let script = """
                import socket, errno
                def tried(f):
                    try: f(); print("ok")
                    except OSError as e: print(errno.errorcode[e.errno])
                listener = socket.socket()
                tried(lambda: listener.bind(("127.0.0.1", 24571)))
                listener.listen()
                tried(lambda: socket.socket().bind(("127.0.0.1", 24572)))
                tried(lambda: socket.socket().connect(("127.0.0.1", 24571)))
                tried(lambda: socket.socket().connect(("127.0.0.1", 22)))
                own = socket.socket(socket.AF_UNIX); own.bind(b"\\0own"); own.listen()
                tried(lambda: socket.socket(socket.AF_UNIX).connect(b"\\0own"))
                """
            lab.write("script.py", script)
            jail.files.append(.bind(source: "\(lab.directory)/script.py", path: "/etc/script.py", flags: [.readOnly]))
            let result = try lab.run(jail, "/usr/bin/python3 /etc/script.py")
            #expect(result.output == ["ok", "EACCES", "ok", "EACCES", "ok"], "\(result)")
        }
    }

    @Test("an abstract socket of the node is out of reach")
    func abstractSocket() throws {
        try withOperationLab { lab in
            let name = "swiftlet-wall-\(getpid())"
            let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            try #require(socket >= 0)
            defer { close(socket) }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: [0] + Array(name.utf8)) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + name.utf8.count)
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(socket, $0, length) }
            }
            try #require(bound == 0 && listen(socket, 1) == 0)
            let script =
                "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(b\"\\0\(name)\")' 2>&1 | tail -1"
            #expect(try lab.run(Self.jail(), script).output == ["PermissionError: [Errno 1] Operation not permitted"])
            var open = Self.jail()
            open.wall = []
            #expect(try lab.run(open, script).output == [])
        }
    }
}
