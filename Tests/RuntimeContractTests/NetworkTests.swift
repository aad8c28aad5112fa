// The networks that a pod may have, tried from inside: none, a plugin's, the node's with a rule for TCP.

import Glibc
import RuntimeInterface
import Spawn
import Testing

@testable import RunP

@Suite("RunP networks", .enabled(if: Machine.canRun))
struct NetworkTests {
    /// A Python one-liner that listens on `port`, says so, and answers one connection.
    static func server(_ port: UInt16, _ address: String = "127.0.0.1") -> String {
        """
        exec python3 -c 'import socket
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("\(address)", \(port))); s.listen(); print("listening", flush=True)
        c, _ = s.accept(); c.sendall(b"hello"); c.close()'
        """
    }

    static func client(_ port: UInt16, _ address: String = "127.0.0.1") -> String {
        """
        python3 -c 'import socket
        try: print(socket.create_connection(("\(address)", \(port)), 5).recv(5).decode())
        except OSError as e: print(type(e).__name__)'
        """
    }

    @Test("none: a loopback that the pod's containers share and that is not the node's")
    func none() async throws {
        try await withLab(network: PodNetwork.none) { lab in
            let server = try await lab.start(lab.config(Self.server(5999), name: "server"))
            #expect(lab.waitForLine("listening", in: "\(lab.directory)/log/server.log"))
            // The node's own 5999 would be another socket: nobody listens there, though the pod's server does.
            #expect(Self.canConnect(5999) == false)
            let interfaces = try await lab.run("ls /proc/sys/net/ipv4/conf; grep -c : /proc/net/dev", name: "look")
            #expect(interfaces.output == ["all", "default", "lo", "1"])
            let client = try await lab.run(Self.client(5999), name: "client")
            #expect(client.output == ["hello"])
            _ = try await lab.exit(server)
        }
    }

    @Test("calls that make a pod's sandbox at once make one, and each returns to a pod whose network is there")
    func atOnce() async throws {
        try await withLab { lab in
            var config = lab.sandboxConfig(podUID: "22222222-2222-3333-4444-555555555555")
            config.network = PodNetwork.none
            let wanted = config
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await lab.runtime.runPodSandbox(wanted)
                        return Lab.text("/proc/self/mounts").contains("pods/\(wanted.podUID)/netns")
                    }
                }
                for try await isThere in group { #expect(isThere) }
            }
            let mounts = Lab.text("/proc/self/mounts").split(separator: "\n").count { $0.contains("pods/\(wanted.podUID)/netns") }
            #expect(mounts == 1)
            try await lab.runtime.removePodSandbox(podUID: wanted.podUID)
        }
    }

    @Test("a pod's network is found again by the next agent, and gone with the pod")
    func adopted() async throws {
        try await withLab(network: PodNetwork.none) { lab in
            let again = try Lab.makeRuntime(lab.configuration)
            _ = try await again.adopt()
            try await again.runPodSandbox(lab.sandboxConfig())
            #expect(Lab.text("/proc/self/mounts").contains("\(lab.directory)/runp/pods/\(lab.podUID)/netns"))
        }
    }

    @Test("host: TCP only on the ports of the rule, where the kernel has Landlock")
    func tcpRule() async throws {
        let rule = TCPRule(bind: [21_731], connect: [21_731])
        try await withLab(network: .host(rule)) { lab in
            let bind = { (port: UInt16) in
                "python3 -c 'import socket; s = socket.socket()\ntry: s.bind((\"127.0.0.1\", \(port))); print(\"bound\")\nexcept OSError as e: print(type(e).__name__)'"
            }
            let permitted = try await lab.run(bind(21_731), name: "permitted")
            #expect(permitted.output == ["bound"])
            let other = try await lab.run(bind(21_732), name: "other")
            #expect(other.output == ["PermissionError"])
            let connect = try await lab.run(Self.client(22), name: "connect")
            #expect(connect.output == ["PermissionError"])
            // Nobody listens there: the refusal comes from the network, not from the rule.
            let allowed = try await lab.run(Self.client(21_731), name: "allowed")
            #expect(allowed.output == ["ConnectionRefusedError"])
        }
    }

    @Test(
        "cni: an address of the network's, other pods in reach, the node's loopback out of reach, nothing left behind",
        .enabled(if: access("/usr/lib/cni/bridge", X_OK) == 0 && access("/usr/sbin/ip", X_OK) == 0))
    func cni() async throws {
        let suffix = String(UInt32.random(in: 0..<0xffffff), radix: 16)
        let (bridge, state) = ("swt\(suffix)", "/var/tmp/swiftlet-cni.\(suffix)")
        let octet = UInt8.random(in: 1...250)
        mkdir(state, 0o700)
        defer {
            Self.ip("link", "del", bridge)
            _ = try? ProgramRun("/bin/rm", arguments: ["rm", "-rf", state], deadlineMilliseconds: 10_000)
        }
        try Self.write(
            """
            {"cniVersion": "1.0.0", "name": "psi", "plugins": [{"type": "bridge", "bridge": "\(bridge)", "isGateway": true,
             "ipam": {"type": "host-local", "subnet": "10.213.\(octet).0/24", "dataDir": "\(state)/ipam"}}]}
            """, to: "\(state)/psi.conflist")
        try await withLab(
            network: .cni(name: "psi"),
            configure: { configuration in
                configuration.cniConfigurations = state
                configuration.cniPlugins = ["/usr/lib/cni"]
            }
        ) { lab in
            let address = try #require(try await lab.runtime.podAddress(podUID: lab.podUID))
            #expect(address.hasPrefix("10.213.\(octet)."))
            let server = try await lab.start(lab.config(Self.server(5998, address), name: "server"))
            #expect(lab.waitForLine("listening", in: "\(lab.directory)/log/server.log"))
            let other = "99999999-2222-3333-4444-555555555555"
            try await lab.runtime.runPodSandbox(lab.sandboxConfig(podUID: other))
            let client = lab.config(Self.client(5998, address), name: "client")
            let id = try await lab.runtime.createContainer(podUID: other, config: client)
            try await lab.runtime.startContainer(id)
            _ = try await lab.exit(id)
            #expect(lab.lines(client.logPath) == ["hello"])
            _ = try await lab.exit(server)
            try await lab.runtime.removePodSandbox(podUID: other)
        }
        let leases = try ProgramRun("/bin/ls", arguments: ["ls", "\(state)/ipam/psi"], deadlineMilliseconds: 10_000)
        #expect(!String(decoding: leases.output, as: UTF8.self).contains("10.213."), "an address is still leased")
    }

    @Test("a network that the node does not have is a failure that names it and the directory")
    func missing() async throws {
        try await withLab { lab in
            var config = lab.sandboxConfig(podUID: "88888888-2222-3333-4444-555555555555")
            config.network = .cni(name: "absent")
            let error = await #expect(throws: RuntimeError.self) { try await lab.runtime.runPodSandbox(config) }
            #expect("\(try #require(error))".contains("/etc/cni/net.d"))
            try await lab.runtime.removePodSandbox(podUID: config.podUID)
        }
    }

    private static func canConnect(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func ip(_ arguments: String...) {
        _ = try? ProgramRun("/usr/sbin/ip", arguments: ["ip"] + arguments, deadlineMilliseconds: 10_000)
    }

    private static func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "we"))
        fputs(text, file)
        fclose(file)
    }
}
