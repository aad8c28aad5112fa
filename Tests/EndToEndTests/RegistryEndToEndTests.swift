// From a registry to a task: pushed by skopeo over TLS with a password, pulled by a Lite, run under RunP and RunC.
import FoundationEssentials
import Glibc
import JSON
import KubernetesClient
import Testing

@testable import Swiftlet

@Suite(.serialized, .enabled(if: EndToEnd.isRoot, EndToEnd.needsRoot))
struct RegistryEndToEndTests {
    private static let registryProgram = ["/usr/bin/docker-registry", "\(EndToEnd.repository)/.peers/usr/bin/docker-registry"]
        .first { FileText.exists($0) }

    /// Debian's docker-registry on 127.0.0.1; its user is me:s3cret.
    private struct Registry {
        var host: String
        var authority: String
        var process: RunningCommand

        init(in directory: String) async throws {
            let program = try #require(
                RegistryEndToEndTests.registryProgram, "docker-registry is not installed (Scripts/setup --test)")
            try FileText.makeDirectory("\(directory)/certs")
            authority = "\(directory)/certs/ca.crt"
            let certificate = try RunningCommand(
                [
                    "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj",
                    "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(directory)/registry.key", "-out",
                    authority,
                ], directory: directory)
            #expect(try await certificate.result(within: .seconds(20)).status == 0)
            // bcrypt of "s3cret" with a fixed salt.
            try FileText.write("me:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n", to: "\(directory)/htpasswd")
            let port = Int.random(in: 20_000...29_999)
            host = "127.0.0.1:\(port)"
            let configuration = """
                version: 0.1
                log: {level: error}
                storage: {filesystem: {rootdirectory: \(directory)/registry}}
                http: {addr: "\(host)", tls: {certificate: \(authority), key: \(directory)/registry.key}}
                auth: {htpasswd: {realm: test, path: \(directory)/htpasswd}}
                """
            try FileText.write(configuration, to: "\(directory)/registry.yml")
            process = try RunningCommand([program, "serve", "\(directory)/registry.yml"], directory: directory)
        }

        func stop() async throws {
            process.identity.signal(SIGKILL)
            _ = try await process.result(within: .seconds(10))
        }
    }

    /// busybox and a few files, in the store `images` below the directory, saved as an archive.
    private static func archive(_ cluster: TestCluster) async throws -> String {
        let root = "\(cluster.directory)/root"
        for path in ["", "/bin", "/etc", "/tmp"] { try FileText.makeDirectory(root + path) }
        try FileManager.default.copyItem(atPath: "/usr/bin/busybox", toPath: "\(root)/bin/busybox")
        try FileManager.default.createSymbolicLink(atPath: "\(root)/bin/sh", withDestinationPath: "busybox")
        try FileText.write("root:x:0:0:root:/:/bin/sh\napp:x:1234:1234:app:/tmp:/bin/sh\n", to: "\(root)/etc/passwd")
        try FileText.write("from the image\n", to: "\(root)/etc/motd")
        let (tar, archive, images) = (
            "\(cluster.directory)/root.tar", "\(cluster.directory)/image.tar", "\(cluster.directory)/images"
        )
        try await cluster.run(["/usr/bin/tar", "-C", root, "-cf", tar, "--owner=0", "--group=0", "."])
        try await cluster.run("image", "import", "--store", images, tar, "localhost/busy:1", "--env", "PATH=/bin")
        try await cluster.run("image", "save", "--store", images, "-o", archive, "localhost/busy:1")
        return archive
    }

    private static func configuration(_ cluster: TestCluster, _ registry: Registry) async throws -> String {
        let token =
            try await cluster.run("token", "carol", "--create").output.split(whereSeparator: \.isWhitespace).last.map(String.init)
            ?? ""
        let server = try Kubeconfig(parsing: FileText.read(cluster.state.kubeconfig) ?? "").connection().cluster.server
        let path = "\(cluster.directory)/carol.yaml"
        let text = """
            mode: lite
            domainID: carol
            liteDeployToken: \(token)
            masterEndpoint: \(server)
            image:
              registries: [{name: ours, endpoint: "https://\(registry.host)", caFile: \(registry.authority)}]
            swiftlet:
              stateDirectory: \(cluster.directory)/carol
              masterCAFile: \(cluster.state.master)/pki/ca.crt
              nodeAddress: 127.0.0.1
              cgroupParent: swiftlet.registry.\(getpid())
            """
        try FileText.write(text, to: path)
        return path
    }

    private static func pod(_ name: String, _ registry: Registry, runtime: String, script: String, secret: Bool = true) -> String
    {
        """
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"\(name)","namespace":"carol"},"spec":{"nodeName":"carol","restartPolicy":"Never",
        "runtimeClassName":"\(runtime)","imagePullSecrets":[\(secret ? "{\"name\":\"registry\"}" : "")],
        "containers":[{"name":"c","image":"\(registry.host)/team/busy:1","command":["/bin/sh","-c","\(script)"],
        "resources":{"limits":{"memory":"64Mi","cpu":"1"}}}]}}
        """
    }

    @Test(
        "an image from a registry with TLS and a password runs under RunP and RunC: limits, logs, exec, the end and the removal",
        .timeLimit(.minutes(8)))
    func registry() async throws {
        let kubectl = try #require(Kubectl.all.last, "no kubectl here: Scripts/setup --test installs one")
        try await TestCluster.with(domains: ["alice"]) { cluster in
            let registry = try await Registry(in: cluster.directory)
            let archive = try await Self.archive(cluster)
            try await cluster.run([
                "/usr/bin/skopeo", "--insecure-policy", "copy", "--dest-cert-dir", "\(cluster.directory)/certs", "--dest-creds",
                "me:s3cret",
                "docker-archive:\(archive)", "docker://\(registry.host)/team/busy:1",
            ])
            let lite = try cluster.start(
                "lite", "--stop-tasks-on-exit", "--config", try await Self.configuration(cluster, registry))
            do {
                try await eventually("the node is Ready", within: .seconds(60), state: { lite.output + lite.errors }) {
                    try await cluster.object("node", "carol")?[path: "status", "conditions"]?.arrayValue?.contains {
                        $0["type"]?.stringValue == "Ready" && $0["status"]?.stringValue == "True"
                    } ?? false
                }
                try await cluster.run([
                    kubectl.path, "create", "secret", "docker-registry", "registry", "-n", "carol",
                    "--docker-server=\(registry.host)",
                    "--docker-username=me", "--docker-password=s3cret",
                ])
                try await refused(cluster, kubectl.path, registry)
                for runtime in ["runp", "runc"] { try await life(cluster, kubectl.path, registry, runtime) }
            } catch {
                print("--- carol\n\(lite.output)\(lite.errors)")
                lite.identity.signal(SIGTERM)
                _ = try? await lite.result(within: .seconds(60))
                try? await registry.stop()
                throw error
            }
            lite.identity.signal(SIGTERM)
            #expect(try await lite.result(within: .seconds(60)).status == 0)
            try await registry.stop()
        }
    }

    private func apply(_ cluster: TestCluster, _ kubectl: String, _ name: String, _ text: String) async throws {
        let path = "\(cluster.directory)/\(name).json"
        try FileText.write(text, to: path)
        try await cluster.run([kubectl, "apply", "-f", path])
    }

    private func status(_ cluster: TestCluster, _ pod: String) async throws -> JSONValue {
        try await cluster.object("pod", pod)?[path: "status", "containerStatuses"]?[0] ?? .null
    }

    private func refused(_ cluster: TestCluster, _ kubectl: String, _ registry: Registry) async throws {
        try await apply(
            cluster, kubectl, "stranger", Self.pod("stranger", registry, runtime: "runp", script: "true", secret: false))
        try await eventually("without a secret nothing is pulled, and the reason says so", within: .seconds(60)) {
            let reason = try await status(cluster, "stranger")[path: "state", "waiting", "reason"]?.stringValue ?? ""
            return reason == "ErrImagePull" || reason == "ImagePullBackOff"
        }
        try await cluster.run([kubectl, "delete", "pod", "stranger", "-n", "carol", "--now"])
    }

    private func life(_ cluster: TestCluster, _ kubectl: String, _ registry: Registry, _ runtime: String) async throws {
        let name = "life-\(runtime)"
        let script = "cat /etc/motd; echo more > /tmp/written && cat /tmp/written; exec sleep 600"
        try await apply(cluster, kubectl, name, Self.pod(name, registry, runtime: runtime, script: script))
        try await eventually("\(name) runs", within: .seconds(90)) { try await cluster.phase("pod", name) == "Running" }
        #expect(try await status(cluster, name)["imageID"]?.stringValue?.contains("sha256:") == true)
        try await eventually("\(name) has spoken") {
            try await cluster.run([kubectl, "logs", "-n", "carol", name], expecting: nil).output == "from the image\nmore\n"
        }
        let exec = try await cluster.run(
            [kubectl, "exec", "-n", "carol", name, "--", "/bin/sh", "-c", "cat /etc/motd; exit 5"], expecting: nil)
        #expect(exec.output == "from the image\n" && exec.status == 5, "\(exec)")
        try await cluster.run([kubectl, "delete", "pod", name, "-n", "carol", "--grace-period=1"])
        try await eventually("\(name) is gone") { try await !cluster.exists("pod", name) }
        let greedy = "greedy-\(runtime)"
        try await apply(
            cluster, kubectl, greedy, Self.pod(greedy, registry, runtime: runtime, script: "exec /bin/busybox tail /dev/zero"))
        try await eventually("\(greedy) is stopped by its limit", within: .seconds(90)) {
            try await status(cluster, greedy)[path: "state", "terminated", "reason"]?.stringValue == "OOMKilled"
        }
        try await cluster.run([kubectl, "delete", "pod", greedy, "-n", "carol", "--now"])
    }
}
