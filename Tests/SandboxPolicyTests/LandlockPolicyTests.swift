// The second wall's rules as a spec makes them, and what a kernel of some version can hold of them.

import Testing

@testable import SandboxPolicy

@Suite("Landlock policy")
struct LandlockPolicyTests {
    static func operations(_ change: (inout SandboxSpec) -> Void = { _ in }) -> [LaunchOperation] {
        LandlockPolicy(mirroring: LaunchPlanTests.spec(change)).operations
    }

    @Test("the mounts once more: writing where something is writable, reading and executing elsewhere")
    func mirrors() {
        let operations = Self.operations {
            $0.network = .none
            $0.mounts = [.init(source: "/v", path: "/data", readOnly: false), .init(source: "/w", path: "/keep", readOnly: true)]
            $0.temporaryFileSystems = [.init(path: "/run", bytes: 4096)]
        }
        let written = operations.compactMap { operation -> String? in
            if case .landlockPath(let path, let rights) = operation, rights.contains(.write) { return path }
            return nil
        }
        #expect(operations.first == .landlock(.best))
        #expect(operations.contains(.landlockPath("/", rights: [.read, .execute])))
        #expect(written == ["/tmp", "/run", "/data", "/dev", "/dev/shm", "/proc"])
        #expect(operations.last == .landlockScope([.signal]))
        for case .landlockPath(_, let rights) in operations {
            #expect(!rights.contains(.makeDevice) && !rights.contains(.makeCharacterDevice) && !rights.contains(.makeBlockDevice))
        }
    }

    @Test("a writable root is writable, once")
    func writableRoot() {
        let operations = Self.operations {
            $0.readOnlyRoot = false
            $0.mounts = [.init(source: "/v", path: "/tmp", readOnly: false)]
        }
        let paths = operations.compactMap { operation -> String? in
            if case .landlockPath(let path, _) = operation { return path }
            return nil
        }
        #expect(paths == ["/", "/tmp", "/dev", "/dev/shm", "/proc"])
        #expect(operations.contains(.landlockPath("/", rights: [.read, .execute, .write, .make, .remove, .refer, .truncate])))
    }

    @Test("on the node's network: the task's ports, and none of its abstract sockets")
    func hostNetwork() {
        let operations = Self.operations {
            $0.network = .host
            $0.tcpPorts = .init(bind: [20_001, 20_002], connect: [])
        }
        #expect(
            operations.suffix(4) == [
                .landlockPort(.bind, port: 20_001), .landlockPort(.bind, port: 20_002), .landlockPort(.connect, port: nil),
                .landlockScope([.abstractUnixSocket, .signal]),
            ])
    }

    @Test("off is off; a privileged task may mount, so only its ports are held")
    func offAndPrivileged() {
        #expect(Self.operations { $0.secondWall = .off }.isEmpty)
        let privileged = Self.operations {
            $0.privileged = true
            $0.network = .none
            $0.tcpPorts = .init(bind: [80])
        }
        #expect(privileged == [.landlock(.best), .landlockPort(.bind, port: 80)])
        #expect(
            Self.operations {
                $0.privileged = true
                $0.network = .none
            }.isEmpty)
        #expect(Self.operations { $0.secondWall = .required }.first == .landlock(.required))
    }

    @Test(
        "what a kernel cannot hold is said",
        arguments: [
            (0, "no Landlock"), (1, "not held by the second wall: files at all"),
            (3, "TCP ports that a task binds and connects to"),
            (5, "abstract sockets"), (6, "holds files, TCP ports"), (7, "holds files, TCP ports"),
        ])
    func features(version: Int, text: String) {
        #expect(LandlockFeature.summary(version: version).contains(text), "\(LandlockFeature.summary(version: version))")
        #expect(LandlockFeature.missing(version: version).isEmpty == (version >= 6))
    }
}
