// The registry that Debian ships, with TLS and passwords, filled by skopeo: what others push is pulled byte for byte.
import CLinux
import FoundationEssentials
import Glibc
import ImageStore
import JSON
import RegistryClient
import RuntimeInterface
import Spawn
import Testing

@Suite(.timeLimit(.minutes(3))) struct RealRegistryTests {
    /// Debian's docker-registry: installed, or unpacked beside the tests by Scripts/setup.
    static let program: String? = {
        let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        return ["/usr/bin/docker-registry", "\(repository)/.peers/usr/bin/docker-registry"].first { access($0, X_OK) == 0 }
    }()
    static let skopeo: String? = ["/usr/bin/skopeo"].first { access($0, X_OK) == 0 }

    @Test(
        "an image that skopeo pushed over TLS with a password is pulled whole; another password is refused",
        .enabled(if: program != nil && skopeo != nil, "docker-registry and skopeo are not installed (Scripts/setup)"))
    func pushedBySkopeo() async throws {
        let bench = try PullBench()
        let registry = try RealRegistry(program: #require(Self.program), directory: bench.directory)
        defer { registry.stop() }
        let image = try TestImage(layers: [TestImage.bytes(2_000_000), TestImage.bytes(70_000, seed: 5)])
        let layout = try Self.layout(image, in: "\(bench.directory)/source")
        try await registry.waitUntilReady()
        let push = try ProgramRun(
            #require(Self.skopeo),
            arguments: [
                "skopeo", "--insecure-policy", "copy", "--dest-cert-dir", registry.certificates, "--dest-creds", "me:s3cret",
                "--format", "oci",
                "oci:\(layout):1", "docker://\(registry.host)/team/app:1",
            ], environment: ["PATH=/usr/bin:/bin", "HOME=\(bench.directory)"], deadlineMilliseconds: 60_000)
        try #require(push.succeeded, "\(push.complaint)")
        let client = try RegistryClient(
            RegistrySettings(hosts: [RegistryHost(registry: registry.host, authorityFile: registry.certificate.certificateFile)]))
        let name = "\(registry.host)/team/app:1"
        let stranger = await bench.failure(name, client)
        #expect(stranger?.kind == .unauthorized, "\(String(describing: stranger))")
        let wrong = await bench.failure(
            name, client, credentials: [RegistryCredential(server: registry.host, username: "me", password: "guess")])
        #expect(wrong?.kind == .unauthorized)
        #expect(wrong?.message.contains("guess") == false)
        let stored = try await bench.pull(
            name, client, credentials: [RegistryCredential(server: registry.host, username: "me", password: "s3cret")])
        let contents = try bench.store.contents(of: stored)
        // skopeo compresses what it pushes; the contents are told by their diff ids.
        #expect(contents.config.rootfs.diffIDs == image.layers.map { ContentDigest(of: $0) })
        for layer in contents.manifest.layers { try bench.store.blobs.reader(layer.digest).verifyRest() }
        let missing = await bench.failure(
            "\(registry.host)/team/app:2", client,
            credentials: [RegistryCredential(server: registry.host, username: "me", password: "s3cret")])
        #expect(missing?.kind == .notFound)
        await client.shutdown()
    }

    /// An OCI layout as skopeo reads one.
    private static func layout(_ image: TestImage, in directory: String) throws -> String {
        let manager = FileManager.default
        try manager.createDirectory(atPath: "\(directory)/blobs/sha256", withIntermediateDirectories: true)
        for bytes in image.layers + [image.config, image.manifest] {
            try Data(bytes).write(to: URL(filePath: "\(directory)/blobs/sha256/\(ContentDigest(of: bytes).hex)"))
        }
        let descriptor = Descriptor(
            mediaType: MediaType.ociManifest, digest: image.digest, size: Int64(image.manifest.count),
            annotations: ["org.opencontainers.image.ref.name": "1"])
        try Data(JSON.encode(ImageIndex(manifests: [descriptor]))).write(to: URL(filePath: "\(directory)/index.json"))
        try Data(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)).write(to: URL(filePath: "\(directory)/oci-layout"))
        return directory
    }
}

/// docker-registry on 127.0.0.1 with a certificate of its own and one user, me:s3cret.
struct RealRegistry {
    let port: Int
    let certificate: TestCertificate
    /// For skopeo: a directory with the authority in it.
    let certificates: String
    private let process: Int32

    var host: String { "127.0.0.1:\(port)" }

    init(program: String, directory: String) throws {
        certificate = try TestCertificate(in: directory)
        certificates = "\(directory)/certs"
        try FileManager.default.createDirectory(atPath: certificates, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: certificate.certificateFile, toPath: "\(certificates)/ca.crt")
        // bcrypt of "s3cret" with a fixed salt.
        try Data("me:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n".utf8).write(
            to: URL(filePath: "\(directory)/htpasswd"))
        port = try Self.freePort()
        let configuration = """
            version: 0.1
            log: {level: error}
            storage: {filesystem: {rootdirectory: \(directory)/registry}}
            http: {addr: "127.0.0.1:\(port)", tls: {certificate: \(certificate.certificateFile), key: \(certificate.keyFile)}}
            auth: {htpasswd: {realm: test, path: \(directory)/htpasswd}}
            """
        let path = "\(directory)/registry.yml"
        try Data(configuration.utf8).write(to: URL(filePath: path))
        var pid: pid_t = 0
        let words: [String] = [program, "serve", path]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { (word: String) in strdup(word) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/bin:/bin"), nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        let result = clinux_spawn(&pid, program, &arguments, &environment, -1, -1)
        guard result == 0 else { throw TestFailure("\(program): \(result)") }
        process = clinux_pidfd_open(pid, 0)
        guard process >= 0 else { throw TestFailure("pidfd_open: \(errno)") }
    }

    func stop() {
        _ = clinux_pidfd_send_signal(process, SIGKILL)
        var ready = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        poll(&ready, 1, 10_000)
        var status: Int32 = 0
        _ = clinux_wait_pidfd(process, &status)
        close(process)
    }

    /// Until it accepts connections.
    func waitUntilReady() async throws {
        for _ in 0..<200 {
            if Self.connects(to: port) { return }
            // Its start has no other sign than its port.
            try await Task.sleep(for: .milliseconds(50))
        }
        throw TestFailure("docker-registry did not listen on \(port) in 10 s")
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return address
    }

    private static func connects(to port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = address(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw TestFailure("no free port: \(errno)") }
        return Int(in_port_t(bigEndian: address.sin_port))
    }
}
