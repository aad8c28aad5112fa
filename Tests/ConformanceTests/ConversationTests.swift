// The stock kube-scheduler's and kubelet's conversations with their API server, replayed with their identities.
import Glibc
import PKI
import Testing

@Suite("Recorded conversations")
struct ConversationTests {
    private static let place = "\(MasterLaboratory.repository)/Tests/ConformanceTests"

    /// Who speaks in the files, and with which certificate.
    private static let callers: [(name: String, commonName: String, organizations: [String])] = [
        ("admin", "kubernetes-admin", ["system:masters"]), ("scheduler", "system:kube-scheduler", []),
        ("kubelet", "system:node:stock-node", ["system:nodes"]),
    ]

    @Test(
        "each answer is what the recorded client needs, and its watches see what follows", .timeLimit(.minutes(2)),
        arguments: ["kube-scheduler", "kubelet"])
    func replay(conversation: String) async throws {
        try await MasterLaboratory.run { laboratory in
            let authority = try laboratory.file("authority.crt", laboratory.authorityPEM)
            for caller in Self.callers {
                let pair = try laboratory.certificate(caller.commonName, caller.organizations)
                _ = try laboratory.file("\(caller.name).crt", pair.certificatePEM)
                _ = try laboratory.file("\(caller.name).key", pair.privateKeyPEM)
            }
            let python = "\(MasterLaboratory.repository)/.venv/kubernetes/bin/python"
            guard access(python, X_OK) == 0 else { throw LaboratoryFailure("no \(python): Scripts/setup --test installs it") }
            let result = try await Program.run(
                [
                    python, "\(Self.place)/Clients/replay.py", laboratory.server, authority, laboratory.directory,
                    "\(Self.place)/Conversations/\(conversation).jsonl",
                ], environment: ["PYTHONDONTWRITEBYTECODE": "1"], directory: laboratory.directory, within: .seconds(100))
            #expect(result.status == 0, "\(result)")
        }
    }
}
