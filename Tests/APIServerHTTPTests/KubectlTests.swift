// The stock kubectl against our server: what users type. Skipped where there is no kubectl in PATH.
import APIServer
import Dispatch
import Glibc
import KubernetesClient
import KubernetesClientHTTP
import KubernetesModel
import PKI
import Testing

@testable import APIServerHTTP

/// Runs kubectl with a kubeconfig of its own in a fresh directory.
private struct Kubectl: Sendable {
    static let path: String? = {
        let places = String(cString: getenv("PATH")).split(separator: ":").map { "\($0)/kubectl" }
        return places.first { access($0, X_OK) == 0 }
    }()

    /// Not a global queue: its few threads are those of Swift's tasks, and a blocked one stops them all.
    private static let waiting = DispatchQueue(label: "kubectl", attributes: .concurrent)

    let directory: String

    init(_ laboratory: FrontLaboratory) throws {
        var template = Array("/tmp/kubectl-test-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        let admin = try laboratory.admin
        let kubeconfig = Kubeconfig(
            name: "test",
            cluster: .init(
                server: laboratory.server, certificateAuthorityData: base64(laboratory.authority.certificatePEM)),
            user: .init(
                clientCertificateData: base64(admin.certificatePEM ?? ""), clientKeyData: base64(admin.privateKeyPEM ?? "")))
        try CertificateFiles.write(kubeconfig.yaml(), to: "\(directory)/kubeconfig", mode: 0o600)
    }

    /// Output (both streams) of `kubectl arguments`, which must end with status `expected`.
    func callAsFunction(_ arguments: String..., manifest: String? = nil, expecting expected: Int32 = 0) async throws -> String {
        var arguments = arguments
        if let manifest {
            try CertificateFiles.write(manifest, to: "\(directory)/manifest.yaml", mode: 0o600)
            arguments += ["-f", "\(directory)/manifest.yaml"]
        }
        let program = try #require(Self.path)
        let argv = [program, "--kubeconfig", "\(directory)/kubeconfig", "--cache-dir", "\(directory)/cache"] + arguments
        let outputPath = "\(directory)/output-\(UInt64.random(in: .min ... .max))"
        let status = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int32, any Error>) in
            Self.waiting.async { continuation.resume(with: Result { try Self.spawn(argv, output: outputPath) }) }
        }
        let output = try Self.contents(outputPath)
        #expect(status == expected, "kubectl \(arguments.joined(separator: " ")): \(output)")
        return output
    }

    func remove() async throws {
        _ = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int32, any Error>) in
            let directory = directory
            Self.waiting.async {
                continuation.resume(with: Result { try Self.spawn(["/bin/rm", "-rf", directory], output: "/dev/null") })
            }
        }
    }

    /// Exit status; 124 when it had to be killed after 30 s (by `timeout`).
    private static func spawn(_ argv: [String], output: String) throws -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var pointers: [UnsafeMutablePointer<CChar>?] = (["timeout", "30"] + argv).map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, "timeout", &actions, nil, &pointers, environ)
        guard code == 0 else { throw PKIError.file(stage: "spawn", path: argv[0], errno: code) }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return (status >> 8) & 0xFF
    }

    private static func contents(_ path: String) throws -> String {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { text += chunk[..<count] }
        return String(decoding: text, as: UTF8.self)
    }
}

@Suite("kubectl works against our server", .enabled(if: Kubectl.path != nil, "no kubectl in PATH"))
struct KubectlTests {
    private func withKubectl(_ body: @escaping @Sendable (Kubectl, FrontLaboratory) async throws -> Void) async throws {
        try await FrontLaboratory.run { laboratory async throws in
            let kubectl = try Kubectl(laboratory)
            do {
                try await body(kubectl, laboratory)
            } catch {
                try await kubectl.remove()
                throw error
            }
            try await kubectl.remove()
        }
    }

    @Test("apply creates, leaves alone and changes; get, describe, label and delete follow") func pods() async throws {
        try await withKubectl { kubectl, _ in
            func pod(_ label: String) -> String {
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: web, namespace: alice, labels: {app: \(label)}}
                spec: {containers: [{name: main, image: "psi:0.9.5"}]}
                """
            }
            #expect(try await kubectl("apply", manifest: pod("one")).contains("pod/web created"))
            #expect(try await kubectl("apply", manifest: pod("one")).contains("pod/web unchanged"))
            #expect(try await kubectl("apply", manifest: pod("two")).contains("pod/web configured"))
            #expect(try await kubectl("get", "pods", "-n", "alice").contains("STATUS"))
            #expect(try await kubectl("get", "pods", "-A", "-l", "app=two", "-o", "name").contains("pod/web"))
            #expect(try await kubectl("describe", "pod", "web", "-n", "alice").contains("psi:0.9.5"))
            #expect(try await kubectl("label", "pod", "web", "-n", "alice", "x=y").contains("labeled"))
            _ = try await kubectl("delete", "pod", "web", "-n", "alice", "--grace-period=0", "--force")
            #expect(try await kubectl("get", "pod", "web", "-n", "alice", expecting: 1).contains("NotFound"))
        }
    }

    @Test("nodes can be shown, described, cordoned and uncordoned") func nodes() async throws {
        try await withKubectl { kubectl, _ in
            let node = """
                apiVersion: v1
                kind: Node
                metadata: {name: n1, labels: {domain: alice}}
                status: {conditions: [{type: Ready, status: "True"}]}
                """
            #expect(try await kubectl("create", manifest: node).contains("created"))
            #expect(try await kubectl("get", "nodes").contains("Ready"))
            #expect(try await kubectl("describe", "node", "n1").contains("domain=alice"))
            _ = try await kubectl("cordon", "n1")
            #expect(try await kubectl("get", "node", "n1").contains("SchedulingDisabled"))
            _ = try await kubectl("uncordon", "n1")
        }
    }

    @Test("namespaces, config maps and secrets are created from the command line") func protobufBodies() async throws {
        try await withKubectl { kubectl, _ in
            _ = try await kubectl("create", "namespace", "carol")
            _ = try await kubectl("create", "configmap", "one", "-n", "carol", "--from-literal=key=value")
            #expect(try await kubectl("get", "configmap", "one", "-n", "carol", "-o", "jsonpath={.data.key}") == "value")
            _ = try await kubectl("create", "secret", "generic", "two", "-n", "carol", "--from-literal=key=value")
            #expect(try await kubectl("get", "secret", "two", "-n", "carol", "-o", "jsonpath={.data.key}") == base64("value"))
            #expect(try await kubectl("auth", "can-i", "get", "pods").contains("yes"))
        }
    }

    @Test("KusciaJobs are applied, changed and deleted") func jobs() async throws {
        try await withKubectl { kubectl, _ in
            func manifest(_ parallelism: Int) -> String {
                """
                apiVersion: kuscia.secretflow/v1alpha1
                kind: AppImage
                metadata: {name: psi-image}
                spec:
                  image: {name: psi, tag: "0.9.5"}
                  deployTemplates:
                  - name: psi
                    replicas: 1
                    spec: {restartPolicy: Never, containers: [{name: psi, command: [sh, -c, "true"]}]}
                ---
                apiVersion: kuscia.secretflow/v1alpha1
                kind: Domain
                metadata: {name: alice}
                ---
                apiVersion: kuscia.secretflow/v1alpha1
                kind: KusciaJob
                metadata: {name: job, namespace: cross-domain}
                spec:
                  initiator: alice
                  maxParallelism: \(parallelism)
                  scheduleMode: Strict
                  tasks:
                  - {alias: t1, taskID: t1, appImage: psi-image, taskInputConfig: "{}", parties: [{domainID: alice}]}
                """
            }
            _ = try await kubectl("create", "namespace", "cross-domain")
            #expect(try await kubectl("apply", manifest: manifest(1)).contains("kusciajob.kuscia.secretflow/job created"))
            #expect(try await kubectl("apply", manifest: manifest(1)).contains("kusciajob.kuscia.secretflow/job unchanged"))
            #expect(try await kubectl("apply", manifest: manifest(2)).contains("kusciajob.kuscia.secretflow/job configured"))
            #expect(try await kubectl("get", "kj", "-A").contains("cross-domain"))
            #expect(try await kubectl("describe", "kj", "job", "-n", "cross-domain").contains("Max Parallelism:  2"))
            _ = try await kubectl("delete", "kj", "job", "-n", "cross-domain")
        }
    }

    @Test("wait sees a condition come, logs stream through the tunnel") func waitAndLogs() async throws {
        try await withKubectl { kubectl, laboratory in
            try await laboratory.bindPod("web", to: "n1")
            async let waiting = kubectl("wait", "--for=condition=Ready", "pod/web", "-n", "alice", "--timeout=20s")
            _ = try await kubectl(
                "patch", "pod", "web", "-n", "alice", "--subresource=status", "--type=merge",
                "-p", #"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#)
            #expect(try await waiting.contains("condition met"))
            #expect(try await kubectl("logs", "web", "-n", "alice", expecting: 1).contains("n1"))
            try await laboratory.client(laboratory.node("n1")) { node in
                let tunnel = try await node.openTunnel(node: "n1")
                async let log = kubectl("logs", "-f", "web", "-n", "alice")
                let request = try #require(try await tunnel.nextRequest())
                try await tunnel.respond(to: request.id, status: 200, contentType: "text/plain") { writer in
                    for number in 0..<3 { try await writer.write(Array("line \(number)\n".utf8)) }
                }
                #expect(try await log == "line 0\nline 1\nline 2\n")
                await tunnel.close()
            }
        }
    }
}
