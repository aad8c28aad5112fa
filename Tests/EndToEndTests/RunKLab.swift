// A cluster of our own and, beside its nodes, a Lite with RunK that sends its pods into the namespace of one of them.
import Glibc
import JSON
import KubernetesClient
import Testing

@testable import Swiftlet

enum RunKLab {
    static let domain = "bob"

    /// `up` runs the domains alice, and team: whose node plays the organisation's cluster. Bob's Lite sends its tasks there.
    private static func configuration(_ cluster: TestCluster) async throws -> String {
        let token =
            try await cluster.run("token", Self.domain, "--create").output.split(whereSeparator: \.isWhitespace).last.map(
                String.init) ?? ""
        let server = try Kubeconfig(parsing: FileText.read(cluster.state.kubeconfig) ?? "").connection().cluster.server
        let path = "\(cluster.directory)/bob.yaml"
        let text = """
            mode: lite
            domainID: \(Self.domain)
            liteDeployToken: \(token)
            masterEndpoint: \(server)
            runtime: runk
            runk:
              namespace: team
              kubeconfigFile: \(cluster.state.kubeconfig)
            agent:
              provider:
                k8s:
                  labelsToAdd: {sender: bob}
                  tolerations: [{operator: Exists}]
            capacity: {cpu: "8", memory: 16Gi}
            swiftlet:
              stateDirectory: \(cluster.directory)/bob
              masterCAFile: \(cluster.state.master)/pki/ca.crt
              nodeAddress: 127.0.0.1
              runk:
                claims: {domain-data: "*", "job-*": "*"}
                exposure: HostNetwork
            """
        try FileText.write(text, to: path)
        return path
    }

    static func with(options: [String] = [], _ body: (TestCluster, RunningCommand) async throws -> Void) async throws {
        try await TestCluster.with(domains: ["alice", "team"], options: options) { cluster in
            let lite = try cluster.start("lite", "--config", try await configuration(cluster))
            do {
                try await eventually("the node with RunK is Ready", within: .seconds(60), state: { lite.output + lite.errors }) {
                    try await cluster.object("node", Self.domain)?[path: "status", "conditions"]?.arrayValue?.contains {
                        $0["type"]?.stringValue == "Ready" && $0["status"]?.stringValue == "True"
                    } ?? false
                }
                try await body(cluster, lite)
            } catch {
                print("--- bob\n\(lite.output)\(lite.errors)")
                lite.identity.signal(SIGTERM)
                _ = try? await lite.result(within: .seconds(60))
                throw error
            }
            lite.identity.signal(SIGTERM)
            let result = try await lite.result(within: .seconds(60))
            #expect(result.status == 0, "\(result)")
        }
    }
}
