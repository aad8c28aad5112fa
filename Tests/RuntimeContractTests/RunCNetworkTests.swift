// A plugin's network under RunC: a pod's address, its neighbours, ports of the node that lead into it, and nothing of it afterwards.

import Glibc
import LocalRuntime
import RunC
import RuntimeInterface
import Spawn
import Testing

// One at a time: plugins change the machine's one table of address translation.
@Suite("RunC networks", .serialized, .enabled(if: Machine.canRun))
struct RunCNetworkTests {
    private static let plugins = "/usr/lib/cni"
    private static let programs: [String] = ["\(plugins)/bridge", "\(plugins)/portmap", "/usr/sbin/ip", "/usr/sbin/iptables"]
    private static let canAttach = programs.allSatisfy { access($0, X_OK) == 0 }

    private static func server(_ port: UInt16) -> String {
        """
        exec python3 -c 'import socket
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", \(port))); s.listen(); print("begin", flush=True)
        while True:
            c, _ = s.accept(); c.sendall(b"hello"); c.close()'
        """
    }

    private static func run(_ program: String, _ arguments: String...) async throws -> String {
        let words = [program] + arguments
        return try await Task.detached {
            String(decoding: try ProgramRun(program, arguments: words, deadlineMilliseconds: 60_000).output, as: UTF8.self)
        }.value
    }

    @Test(
        "a container has its network's address, is reached by its neighbours and by a port of the node, and leaves nothing of them",
        .enabled(if: canAttach), arguments: OCIPrograms.all)
    func bridge(program: OCIProgram) async throws {
        let suffix = String(UInt32.random(in: 0..<0xffffff), radix: 16)
        let (bridge, state, octet) = ("swt\(suffix)", "/var/tmp/swiftlet-cni.\(suffix)", UInt8.random(in: 1...250))
        let hostPort = UInt16.random(in: 23_000...29_000)
        try RecordFiles.makeDirectories(state)
        try RecordFiles.write(
            Array(
                """
                {"cniVersion": "1.0.0", "name": "psi", "plugins": [{"type": "bridge", "bridge": "\(bridge)", "isGateway": true,
                 "ipam": {"type": "host-local", "subnet": "10.214.\(octet).0/24", "dataDir": "\(state)/ipam"}},
                 {"type": "portmap", "capabilities": {"portMappings": true}}]}
                """.utf8), to: "\(state)/psi.conflist")
        let stage = try await RunCStage(program) { configuration in
            configuration.cniConfigurations = state
            configuration.cniPlugins = [Self.plugins]
        }
        do { try await converse(stage, hostPort: hostPort, gateway: "10.214.\(octet).1") } catch { Issue.record(error) }
        try await stage.close()
        #expect(stage.remains(stage.pod) == [])
        #expect(!(try await Self.run("/bin/ls", "\(state)/ipam/psi")).contains("10.214."), "an address is still leased")
        #expect(
            !(try await Self.run("/usr/sbin/iptables", "-w", "-t", "nat", "-S")).contains("--dport \(hostPort) "),
            "a port still leads somewhere")
        _ = try await Self.run("/usr/sbin/ip", "link", "del", bridge)
        try RecordFiles.removeTree(state)
    }

    private func converse(_ stage: RunCStage, hostPort: UInt16, gateway: String) async throws {
        var sandbox = stage.sandbox(stage.pod)
        sandbox.network = .cni(name: "psi")
        sandbox.portMappings = [PodPortMapping(hostPort: hostPort, containerPort: 5998, protocol: "TCP")]
        try await stage.runtime.runPodSandbox(sandbox)
        let address = try #require(try await stage.runtime.podAddress(podUID: stage.pod))
        #expect(address.hasPrefix(gateway.dropLast(1)) && address != gateway)
        let server = try await stage.runtime.createContainer(
            podUID: stage.pod, config: stage.container(Self.server(5998), name: "server"))
        try await stage.runtime.startContainer(server)
        try await stage.waitUntilBegun(server)
        // A neighbour, and the node itself by its own port.
        var other = stage.sandbox("99999999-2222-3333-4444-555555555555")
        other.network = .cni(name: "psi")
        try await stage.runtime.runPodSandbox(other)
        let client = try await stage.runtime.createContainer(
            podUID: other.podUID, config: stage.container(NetworkTests.client(5998, address), name: "client"))
        try await stage.runtime.startContainer(client)
        #expect(try await stage.exit(client).exitCode == 0)
        #expect(stage.lines(client) == ["hello"])
        var answer = ""
        for _ in 0..<60 where answer != "hello\n" {
            // The client gives up after some seconds by itself; others may be changing the table meanwhile.
            answer = try await Self.run("/bin/sh", "-c", NetworkTests.client(hostPort, gateway))
            if answer != "hello\n" { try await Task.sleep(for: .seconds(1)) }  // within 60 tries
        }
        #expect(answer == "hello\n")
        #expect(try await stage.isRunning(server))
    }
}
