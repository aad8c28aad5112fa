// A domain gets its namespace and exactly one unused deploy token.
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import Testing

@testable import Controllers

@Suite("DomainController", .timeLimit(.minutes(1)))
struct DomainControllerTests {
    private func tokens(_ domains: [Domain], _ state: String) -> [String] {
        domains.first.map { $0.status.deployTokenStatuses.filter { $0.state == state }.map(\.token) } ?? []
    }

    @Test("a domain gets a namespace, one unused token and a report of its nodes; a used token is replaced")
    func domain() async throws {
        let lab = try ControllerLab()
        try await lab.master {
            try await lab.api.create(Domain(metadata: ObjectMeta(name: "alice")))
            var domains = try await lab.wait("a token", Domain.self) { tokens($0, "unused").count == 1 }
            let first = try #require(tokens(domains, "unused").first)
            #expect(first.count == DomainController.tokenLength)
            #expect(try lab.api.object(Namespace.self, name: "alice") != nil)
            domains = try await lab.wait("nodes", Domain.self) { $0.first?.status.nodeStatuses.count == 1 }
            #expect(domains.first?.status.nodeStatuses.first?.name == "alice-node")
            #expect(domains.first?.status.nodeStatuses.first?.status == "Ready")

            let used = DeployTokenStatus(token: first, state: "used")
            try await lab.api.patchStatus(
                Domain.self, name: "alice", merge: ["status": ["deployTokenStatuses": try JSON.encodeToValue([used])]])
            domains = try await lab.wait("another token", Domain.self) {
                tokens($0, "unused").count == 1 && tokens($0, "used") == [first]
            }
            #expect(tokens(domains, "unused").first != first)

            lab.api.remove(Node.resource, name: "alice-node")
            try await lab.wait("no node", Domain.self) { $0.first?.status.nodeStatuses.isEmpty == true }
            #expect(tokens(try lab.api.objects(Domain.self), "unused").count == 1, "exactly one, however often it is looked at")
        }
    }

    @Test("podMaxCount is the quota of the domain's namespace, follows it, and goes with it; another's quota of that name stays")
    func quota() async throws {
        let lab = try ControllerLab()
        let foreign = ObjectMeta(name: DomainController.quotaName, namespace: "bob")
        try lab.api.put(ResourceQuota(metadata: foreign, spec: ResourceQuotaSpec(hard: ["pods": 7])))
        func pods(_ quotas: [ResourceQuota], _ namespace: String) -> Quantity? {
            quotas.first { $0.metadata.namespace == namespace }?.spec.hard["pods"]
        }
        try await lab.master {
            for name in ["alice", "bob"] {
                try await lab.api.create(
                    Domain(
                        metadata: ObjectMeta(name: name),
                        spec: DomainSpec(resourceQuota: DomainResourceQuota(podMaxCount: 3))))
            }
            try await lab.wait("the quota", ResourceQuota.self) { pods($0, "alice") == 3 }
            func set(_ quota: JSONValue) async throws {
                try await lab.api.patch(Domain.self, name: "alice", merge: ["spec": ["resourceQuota": quota]])
            }
            try await set(["podMaxCount": 5])
            try await lab.wait("the new number", ResourceQuota.self) { pods($0, "alice") == 5 }
            try await set(.null)
            try await lab.wait("no quota", ResourceQuota.self) { pods($0, "alice") == nil }
            #expect(pods(try lab.api.objects(ResourceQuota.self), "bob") == 7)
        }
    }

    @Test("the more nodes a domain has, the less often its report of them is written")
    func longReport() async throws {
        let lab = try ControllerLab()
        let nodes = 1000
        func node(_ number: Int, _ ready: ConditionStatus) -> Node {
            Node(
                metadata: ObjectMeta(name: "carol-\(number)", labels: [KusciaLabel.nodeNamespace: "carol"]),
                status: NodeStatus(conditions: [NodeCondition(type: "Ready", status: ready)]))
        }
        for number in 0..<nodes { try lab.api.put(node(number, .true)) }
        try await lab.master {
            try await lab.api.create(Domain(metadata: ObjectMeta(name: "carol")))
            func written() -> Int { lab.api.calls.count { $0.verb == .patch && $0.resource == Domain.resource } }
            try await lab.wait("all nodes", Domain.self) { $0.first?.status.nodeStatuses.count == nodes }
            let (before, start) = (written(), ContinuousClock.now)
            for number in 0..<10 {
                try lab.api.put(node(number, .false))
                try await lab.wait("its silence", Domain.self) {
                    $0.first?.status.nodeStatuses.count { $0.status == "NotReady" } == number + 1
                }
            }
            // One in a fifth of a second at a thousand nodes; twice that, and some, for those that met another's write.
            let most = (ContinuousClock.now - start) / .milliseconds(200) * 2 + 3
            #expect(Double(written() - before) <= most)
        }
    }

    @Test("tokens are of letters and digits, and differ")
    func randomTokens() {
        let tokens = (0..<50).map { _ in DomainController.randomToken() }
        #expect(Set(tokens).count == 50)
        #expect(tokens.allSatisfy { $0.count == 32 && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } })
    }
}
