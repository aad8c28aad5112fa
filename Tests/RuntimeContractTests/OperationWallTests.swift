// The second wall and the filters against the kernel.

import CLinux
import Glibc
import SandboxPolicy
import Testing

@Suite("Operations: second wall and filters", .enabled(if: Machine.canRun))
struct OperationWallTests {
    private static func jail(_ rules: [LaunchOperation]) -> Jail {
        var jail = Jail()
        jail.process = [.noNewPrivileges]
        jail.wall = [.landlock(.required)] + rules
        return jail
    }

    private static let programs: [LaunchOperation] = [
        .landlockPath("/usr", rights: [.read, .execute]), .landlockPath("/dev/null", rights: [.read, .write]),
        .landlockPath("/proc", rights: [.read]), .landlockPath("/none", rights: [.read, .optional]),
    ]

    @Test("paths: what no rule names is refused, and each right is its own")
    func paths() throws {
        try withOperationLab { lab in
            for name in ["write", "make", "none"] { lab.make("data/\(name)", mode: 0o777) }
            lab.write("data/write/f", "x", mode: 0o666)
            var jail = Self.jail(
                Self.programs + [
                    .landlockPath("/data/write", rights: [.readFile, .readDirectory, .write, .truncate]),
                    .landlockPath("/data/make", rights: [.read, .makeRegular, .writeFile, .makeDirectory, .removeFile]),
                ])
            jail.files = [.bind(source: "\(lab.directory)/data", path: "/data", flags: [])]
            let tries = [
                "echo y > /data/write/f", "cat /data/write/f", "touch /data/write/new", "rm /data/write/f", "touch /data/make/f",
                "mkdir /data/make/d",
                "rmdir /data/make/d", "rm /data/make/f", "mkfifo /data/make/p", "ls /data/none", "ls /",
                "mv /data/write/f /data/make/f",
            ]
            let result = try lab.run(jail, tries.map { "(\($0)) >/dev/null 2>&1 && echo yes || echo no" }.joined(separator: "; "))
            #expect(
                result.output == ["yes", "yes", "no", "no", "yes", "yes", "no", "yes", "no", "no", "no", "no"],
                "\(zip(tries, result.output).map { $0 })")
        }
    }

    @Test("TCP ports and scopes")
    func portsAndScopes() throws {
        try withOperationLab { lab in
            var jail = Self.jail([
                .landlockPort(.bind, port: nil), .landlockPort(.connect, port: 1),
                .landlockScope([.abstractUnixSocket, .signal]),
            ])
            jail.namespaces = [.namespace(.net)]
            jail.system = [.loopback]
            let script = """
                import socket, os, signal
                def tried(f):
                    try: f(); print("ok")
                    except OSError as e: print(e.errno)
                tried(lambda: socket.socket().bind(("127.0.0.1", 8899)))
                tried(lambda: socket.socket().connect(("127.0.0.1", 1)))
                tried(lambda: socket.socket().connect(("127.0.0.1", 2)))
                tried(lambda: os.kill(1, 0))
                """
            let result = try lab.run(jail, "/usr/bin/python3 -c '\(script)'")
            // EACCES; nobody listens (ECONNREFUSED); EACCES; EPERM.
            #expect(result.output == ["13", "111", "13", "1"], "\(result)")
        }
    }

    @Test("one direction alone leaves the other free")
    func onlyBind() throws {
        try withOperationLab { lab in
            var jail = Self.jail([.landlockPort(.bind, port: 8899)])
            jail.namespaces = [.namespace(.net)]
            jail.system = [.loopback]
            let script =
                "import socket; s=socket.socket(); s.bind((\"127.0.0.1\",8899)); s.listen(); socket.socket().connect((\"127.0.0.1\",8899)); print(\"ok\")"
            try #expect(lab.run(jail, "/usr/bin/python3 -c '\(script)'").output == ["ok"])
        }
    }

    @Test("a path that is not there is named, unless it is optional")
    func missing() throws {
        try withOperationLab { lab in
            try #expect(lab.run(Self.jail([.landlockPath("/none", rights: [.read])]), "true").stage == "landlock-path(/none)")
        }
    }

    /// `return ALLOW`, and `return ERRNO | 7` for one system call.
    private static let allow: [UInt8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f]
    private static func refuse(_ number: UInt8) -> [UInt8] {
        [0x20, 0, 0, 0, 0, 0, 0, 0] + [0x15, 0, 0, 1, number, 0, 0, 0] + [6, 0, 0, 0, 7, 0, 5, 0] + allow
    }

    @Test("filters are stacked, with their flags")
    func stacked() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [.noNewPrivileges]
            // 83 is mkdir on x86_64.
            jail.filters = [.seccomp(Self.allow, flags: [.log, .speculationAllowed]), .seccomp(Self.refuse(83))]
            let result = try lab.run(jail, "grep -E 'Seccomp|NoNew' /proc/self/status; mkdir /x 2>&1")
            #expect(result.output.prefix(3) == ["NoNewPrivs:\t1", "Seccomp:\t2", "Seccomp_filters:\t2"], "\(result)")
            #if arch(x86_64)
                #expect(result.output.last?.contains("Argument list too long") == true, "\(result)")  // errno 7
            #endif
        }
    }

    @Test("without no_new_privs a filter is loaded before the capabilities go, and none of them stays")
    func beforeCapabilities() throws {
        try withOperationLab { lab in
            var jail = Jail()
            jail.process = [
                .boundingSet([.kill]), .user(uid: 1000, gid: 1000, groups: []),
                .capabilities(CapabilitySets(permitted: [.kill], inheritable: [.kill])),
            ]
            jail.filters = [.seccomp(Self.allow, flags: [.beforeCapabilities])]
            let result = try lab.run(jail, "grep -E '^Cap|Seccomp:|NoNew' /proc/self/status")
            #expect(
                result.output == [
                    "CapInh:\t0000000000000020", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                    "CapBnd:\t0000000000000020",
                    "CapAmb:\t0000000000000000", "NoNewPrivs:\t0", "Seccomp:\t2",
                ], "\(result)")
        }
    }
}
