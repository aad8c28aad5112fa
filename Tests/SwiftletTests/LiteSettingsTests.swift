// What a Lite makes of its configuration and of a node's kubeconfig.
import Foundation
import KubernetesClient
import PKI
import Testing

@testable import Swiftlet

@Suite struct LiteSettingsTests {
    /// Gone with what is in it when the body returns.
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/swiftlet-join-\(UInt64.random(in: 0...UInt64.max))"
        try FileText.makeDirectory(path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    private func kubeconfig(_ directory: String, commonName: String, organizations: [String]) throws -> String {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        let pair = try authority.issueClient(commonName: commonName, organizations: organizations)
        let file = Kubeconfig(
            name: "c", cluster: .init(server: "https://127.0.0.1:6443"),
            user: .init(
                clientCertificateData: Base64.encode(Array(pair.certificatePEM.utf8)),
                clientKeyData: Base64.encode(Array(pair.privateKeyPEM.utf8))))
        let path = "\(directory)/node.conf"
        try FileText.write(try file.yaml(), to: path)
        return path
    }

    @Test("the node's name is its certificate's; a configuration that says another is refused")
    func nodeName() throws {
        try inDirectory { directory in
            let path = try kubeconfig(directory, commonName: "system:node:lab-1", organizations: ["system:nodes"])
            let membership = try ClusterMembership(kubeconfigPath: path)
            var configuration = KusciaConfiguration(mode: .lite, domainID: "")
            let settings = try LiteSettings(configuration, configurationPath: "\(directory)/none.yaml", membership: membership)
            #expect(settings.nodeName == "lab-1" && settings.domain == nil && settings.masterURL == "https://127.0.0.1:6443")
            let agent = settings.agentConfig(stopPolicy: .leave)
            #expect(agent.domain == nil && !agent.publishesMetrics)
            configuration.extensions.nodeName = "lab-2"
            #expect(throws: CommandFailure.self) {
                try LiteSettings(configuration, configurationPath: "\(directory)/none.yaml", membership: membership)
            }
        }
    }

    @Test("an administrator's kubeconfig does not make a node")
    func notANode() throws {
        try inDirectory { directory in
            let path = try kubeconfig(directory, commonName: "kubernetes-admin", organizations: ["system:masters"])
            #expect(throws: CommandFailure.self) { try ClusterMembership(kubeconfigPath: path) }
        }
    }

    @Test("labels that NodeRestriction refuses are refused at the start")
    func labels() throws {
        try inDirectory { directory in
            let path = try kubeconfig(directory, commonName: "system:node:lab-1", organizations: ["system:nodes"])
            let text =
                "swiftlet: {node: {labels: {kubernetes.io/role: agent, team: blue}, evictionHard: 'memory.available<1Gi', metricsPort: 10255}}"
            let configuration = try KusciaConfiguration.parse(text, source: "f", joining: true).configuration
            #expect(configuration.extensions.node.labels["team"] == "blue" && configuration.extensions.node.metricsPort == 10255)
            let membership = try ClusterMembership(kubeconfigPath: path)
            #expect {
                try LiteSettings(configuration, configurationPath: "f", membership: membership)
            } throws: { "\($0)".contains("kubernetes.io/role") }
        }
    }

    @Test("two Lites do not share a state directory")
    func lock() throws {
        try inDirectory { directory in
            let first = try StateLock(directory: directory)
            #expect(throws: CommandFailure.self) { try StateLock(directory: directory) }
            first.release()
            try StateLock(directory: directory).release()
        }
    }
}
