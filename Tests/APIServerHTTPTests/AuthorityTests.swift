// Promises of the cluster's own certificate authority: what it issues, signs and refuses.
import Glibc
import Testing

@testable import PKI

@Suite("The cluster's authority")
struct AuthorityTests {
    private func withDirectory<Value>(_ body: (String) throws -> Value) throws -> Value {
        var template = Array("/tmp/pki-test-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["ca", "server", "admin"] {
                unlink("\(path)/\(name).crt")
                unlink("\(path)/\(name).key")
            }
            rmdir(path)
        }
        return try body(path)
    }

    @Test("survives in its directory, its key readable for the owner only")
    func persists() throws {
        try withDirectory { path in
            let files = CertificateFiles(directory: path)
            let first = try files.loadOrCreateAuthority()
            let second = try files.loadOrCreateAuthority()
            #expect(first.certificatePEM == second.certificatePEM)
            var status = stat()
            #expect(stat(files.keyPath("ca"), &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            #expect(try first.fingerprint == second.fingerprint)
            #expect(try first.fingerprint.utf8.count == "sha256:".utf8.count + 64)
        }
    }

    @Test("issues a server certificate again only when names are missing or the authority is another")
    func serverCertificate() throws {
        try withDirectory { path in
            let files = CertificateFiles(directory: path)
            let authority = try files.loadOrCreateAuthority()
            let names = ServerNames(dnsNames: ["master.test"], ipAddresses: ["127.0.0.1", "::1"])
            func issue(_ names: ServerNames, _ authority: CertificateAuthority) throws -> String {
                try files.loadOrIssueServer("server", authority: authority, commonName: "m", names: names).certificatePEM
            }
            let first = try issue(names, authority)
            #expect(try issue(ServerNames(ipAddresses: ["0:0:0:0:0:0:0:1"]), authority) == first)
            let info = try CertificateInfo(pem: first)
            #expect(info.isForServers && !info.isForClients && !info.isAuthority)
            #expect(info.names == names)
            let wider = try issue(ServerNames(dnsNames: ["other.test"]), authority)
            #expect(wider != first)
            let other = try CertificateAuthority(CertificateAuthority.makeNew())
            #expect(try issue(ServerNames(dnsNames: ["other.test"]), other) != wider)
        }
    }

    @Test("gives a client its name and groups, and knows when to renew")
    func clientCertificate() throws {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        let now: Int64 = 1_800_000_000
        let pair = try authority.issueClient(
            commonName: "system:node:n1", organizations: ["system:nodes", "kuscia:domain:alice"], validitySeconds: 9000,
            now: now)
        let info = try CertificateInfo(pem: pair.certificatePEM)
        #expect(info.commonName == "system:node:n1")
        #expect(info.organizations == ["system:nodes", "kuscia:domain:alice"])
        #expect(info.isForClients && !info.isForServers && !info.isAuthority)
        #expect(!info.isRenewalDue(now: now))
        #expect(info.isRenewalDue(now: now + 6500))
        #expect(!info.isExpired(now: now + 8999) && info.isExpired(now: now + 9000))
        #expect(authority.hasIssued(pair.certificatePEM))
    }

    @Test("signs a request with the request's key and subject, and nothing else from it")
    func signsRequests() throws {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        let made = try CertificateRequest.make(commonName: "system:node:n2", organizations: ["system:nodes"])
        let request = try CertificateRequest(pem: made.requestPEM)
        #expect(request.commonName == "system:node:n2" && request.organizations == ["system:nodes"])
        let info = try CertificateInfo(pem: authority.signClient(request, validitySeconds: 100 * 365 * 86400))
        #expect(info.commonName == "system:node:n2" && info.isForClients && !info.isAuthority)
        #expect(info.notAfter - info.notBefore <= CertificateAuthority.leafValiditySeconds + 600)
    }

    @Test(
        "refuses what is no request",
        arguments: ["", "rubbish", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"])
    func refusesRubbish(_ text: String) throws {
        #expect(throws: PKIError.self) { try CertificateRequest(pem: text) }
    }

    @Test("refuses a request whose signature is not by its key")
    func refusesForgedRequest() throws {
        let pem = try CertificateRequest.make(commonName: "a", organizations: []).requestPEM
        var lines = pem.split(separator: "\n").map(String.init)
        // The last line of base64 holds the end of the signature.
        let last = lines.count - 2
        let index = lines[last].startIndex
        lines[last].replaceSubrange(index...index, with: lines[last].first == "B" ? "C" : "B")
        #expect(throws: PKIError.self) { try CertificateRequest(pem: lines.joined(separator: "\n") + "\n") }
    }

    @Test("refuses a key that is not its certificate's")
    func refusesForeignKey() throws {
        let one = try CertificateAuthority.makeNew()
        let two = try CertificateAuthority.makeNew()
        #expect(throws: PKIError.self) {
            try CertificateAuthority(
                CertificateAndKey(certificatePEM: one.certificatePEM, privateKeyPEM: two.privateKeyPEM))
        }
    }

    @Test("refuses a name that is no address") func refusesAddress() throws {
        let authority = try CertificateAuthority(CertificateAuthority.makeNew())
        #expect(throws: PKIError.self) {
            try authority.issueServer(commonName: "m", names: ServerNames(ipAddresses: ["300.1.1.1"]))
        }
    }
}
