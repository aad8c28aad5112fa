// A Lite's certificate and the request for it belong to one node of one domain: what a mistaken first start left is not used.
import Foundation
import JSON
import KubernetesClient
import KubernetesModel
import PKI
import Synchronization
import Testing

@testable import Swiftlet

/// A master that signs what it is asked for, or is away; it remembers whose certificates it was asked for.
private final class SigningMaster: KubernetesAPI, Sendable {
    let authority: CertificateAuthority
    let isAway: Mutex<Bool>
    let asked = Mutex<[String]>([])

    init(isAway: Bool) throws {
        authority = try CertificateAuthority(CertificateAuthority.makeNew())
        self.isAway = Mutex(isAway)
    }

    func create(
        _ resource: GroupVersionResource, namespace: String?, name: String?, subresource: String?, body: [UInt8]
    ) async throws -> [UInt8] {
        var request = try JSON.decode(CertificateSigningRequest.self, from: body)
        let pem = String(decoding: Base64.decode(request.spec.request) ?? [], as: UTF8.self)
        let wanted = try CertificateRequest(pem: pem)
        asked.withLock { $0.append("\(wanted.commonName) \(wanted.organizations.joined(separator: ","))") }
        if isAway.withLock({ $0 }) { throw KubernetesAPIError.transport("away") }
        request.status.certificate = Base64.encode(Array(try authority.signClient(wanted).utf8))
        return try JSON.encode(request)
    }

    func get(_: GroupVersionResource, namespace: String?, name: String, subresource: String?) async throws -> [UInt8] { [] }
    func list(_: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> [UInt8] { [] }
    func watch(_: GroupVersionResource, namespace: String?, options: ListOptions) async throws -> any WatchStream {
        throw KubernetesAPIError.transport("no watch")
    }
    func update(_: GroupVersionResource, namespace: String?, name: String, subresource: String?, body: [UInt8]) async throws
        -> [UInt8]
    { [] }
    func patch(
        _: GroupVersionResource, namespace: String?, name: String, subresource: String?, type: PatchType, body: [UInt8]
    ) async throws -> [UInt8] { [] }
    func delete(_: GroupVersionResource, namespace: String?, name: String, options: DeleteOptions) async throws -> [UInt8] { [] }
}

@Suite struct LiteIdentityTests {
    /// Gone with what is in it when the body returns.
    private func inDirectory(_ body: (String) async throws -> Void) async throws {
        let path = "/tmp/swiftlet-identity-\(UInt64.random(in: 0...UInt64.max))"
        try FileText.makeDirectory("\(path)/pki")
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test("a request that was made under another name or for another domain is dropped; one's own is used again")
    func pendingRequest() async throws {
        try await inDirectory { directory in
            let master = try SigningMaster(isAway: true)
            func ask(_ node: String, _ domain: String) async throws -> LiteIdentity {
                try await LiteIdentity.request(stateDirectory: directory, node: node, domain: domain, api: master)
            }
            await #expect(throws: KubernetesAPIError.self) { try await ask("wrong", "alice") }
            let first = FileText.read("\(directory)/pki/request.json")
            await #expect(throws: KubernetesAPIError.self) { try await ask("wrong", "alice") }
            #expect(FileText.read("\(directory)/pki/request.json") == first && first != nil)
            await #expect(throws: KubernetesAPIError.self) { try await ask("alice-1", "bob") }
            master.isAway.withLock { $0 = false }
            let identity = try await ask("alice-1", "alice")
            #expect(try CertificateInfo(pem: identity.pair.certificatePEM).commonName == "system:node:alice-1")
            #expect(
                master.asked.withLock { $0 } == [
                    "system:node:wrong system:nodes,kuscia:domain:alice", "system:node:wrong system:nodes,kuscia:domain:alice",
                    "system:node:alice-1 system:nodes,kuscia:domain:bob",
                    "system:node:alice-1 system:nodes,kuscia:domain:alice",
                ])
            #expect(!FileText.exists("\(directory)/pki/request.json"))
        }
    }

    private func store(
        _ directory: String, node: String, domain: String, validitySeconds: Int64 = 86_400, now: Int64 = unixNow()
    ) throws {
        let pair = try CertificateAuthority(CertificateAuthority.makeNew()).issueClient(
            commonName: "system:node:\(node)", organizations: ["system:nodes", "kuscia:domain:\(domain)"],
            validitySeconds: validitySeconds, now: now)
        try CertificateFiles(directory: "\(directory)/pki").store(pair, name: "node")
    }

    private func settings(_ directory: String, node: String, domain: String, token: String? = "t") throws -> LiteSettings {
        var configuration = KusciaConfiguration(mode: .lite, domainID: domain)
        configuration.masterEndpoint = "https://127.0.0.1:1"
        configuration.liteDeployToken = token
        configuration.extensions.stateDirectory = directory
        configuration.extensions.nodeName = node
        return try LiteSettings(configuration, configurationPath: "\(directory)/kuscia.yaml")
    }

    @Test(
        "a stored certificate of another node or domain is refused, with the file, both names and what to do",
        arguments: [("other", "alice", "system:node:other"), ("alice-1", "bob", "domain bob")])
    func storedCertificate(node: String, domain: String, found: String) async throws {
        try await inDirectory { directory in
            try store(directory, node: node, domain: domain)
            let settings = try settings(directory, node: "alice-1", domain: "alice")
            let lite = LiteProcess(settings: settings, stopTasks: false, logger: .init(label: "test"))
            let error = await #expect(throws: CommandFailure.self) { try await lite.identity() }
            let text = error.map { "\($0)" } ?? ""
            for part in [
                "\(directory)/pki/node.crt", "system:node:alice-1 of domain alice", found, "Hint:", "swiftlet token alice",
            ] {
                #expect(text.contains(part), "no \"\(part)\" in \(text)")
            }
            let checks = await NodeChecks(settings: settings).run()
            #expect(checks.contains { $0.name == "certificate" && !$0.isFine && $0.finding.contains(found) })
        }
    }

    @Test("one's own stored certificate is taken")
    func ownCertificate() async throws {
        try await inDirectory { directory in
            try store(directory, node: "alice-1", domain: "alice")
            let settings = try settings(directory, node: "alice-1", domain: "alice")
            let identity = try await LiteProcess(settings: settings, stopTasks: false, logger: .init(label: "test")).identity()
            #expect(try identity.isOf(node: "alice-1"))
        }
    }

    @Test("a key that is not the certificate's is found when it is loaded, with both files")
    func swappedKey() async throws {
        try await inDirectory { directory in
            try store(directory, node: "alice-1", domain: "alice")
            let certificate = try #require(FileText.read("\(directory)/pki/node.crt"))
            try store(directory, node: "alice-1", domain: "alice")
            try FileText.write(certificate, to: "\(directory)/pki/node.crt")
            let error = #expect(throws: CommandFailure.self) { try LiteIdentity.load(stateDirectory: directory) }
            #expect(error?.message.contains("pki/node.key") == true && error?.message.contains("pki/node.crt") == true)
            #expect(error?.hint != nil)
        }
    }

    @Test(
        "a master whose server key, administrator's key or authority's key is another's says so at its start",
        arguments: ["server", "admin", "ca"])
    func swappedMasterKey(name: String) async throws {
        try await inDirectory { directory in
            let state = MasterState(directory)
            _ = try MasterIdentity(state, names: [])
            let other = try CertificateAuthority.makeNew()
            try FileText.write(other.privateKeyPEM, to: "\(directory)/pki/\(name).key", mode: 0o600)
            let error = #expect(throws: CommandFailure.self) { try MasterIdentity(state, names: []) }
            #expect(error?.message.contains("pki/\(name).key") == true && error?.message.contains("pki/\(name).crt") == true)
            #expect(error?.hint != nil)
        }
    }

    @Test("a certificate that is over is told with its file and its end, not as none")
    func expired() async throws {
        try await inDirectory { directory in
            try store(directory, node: "alice-1", domain: "alice", now: 1_600_000_000)
            let settings = try settings(directory, node: "alice-1", domain: "alice", token: nil)
            let lite = LiteProcess(settings: settings, stopTasks: false, logger: .init(label: "test"))
            let error = await #expect(throws: CommandFailure.self) { try await lite.identity() }
            #expect(error?.message.contains("\(directory)/pki/node.crt") == true)
            #expect(error?.message.contains("2020-09-14T12:26:40Z") == true, "\(error?.message ?? "")")
            let check = await NodeChecks(settings: settings).run().first { $0.name == "certificate" }
            #expect(check?.isFine == false && check?.finding.contains("2020-09-14") == true)
        }
    }
}
