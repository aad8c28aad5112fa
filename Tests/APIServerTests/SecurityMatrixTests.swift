// The whole of authorisation on one page: who (columns) may do what (rows), as a table that is compared and printed.
import JSON
import Testing

@testable import APIServer

struct SecurityMatrixTests {
    private struct Question {
        var text: String
        var attributes: AuthorizationAttributes
    }

    /// "verb [group/]resource[/sub] [namespace/][name]" or "verb /path"; "-" as place: the whole cluster.
    private static func question(_ text: String, _ user: UserInfo) -> AuthorizationAttributes {
        let words = text.split(separator: " ").map(String.init)
        if words[1].hasPrefix("/") { return AuthorizationAttributes(user: user, verb: words[0], path: words[1]) }
        var parts = words[1].split(separator: "/").map(String.init)
        let group = parts[0].contains(".") ? parts.removeFirst() : ""
        let place = words.count > 2 ? words[2].split(separator: "/", omittingEmptySubsequences: false).map(String.init) : []
        let namespace = place.count == 2 && !place[0].isEmpty ? place[0] : nil
        let name = place.last.flatMap { $0.isEmpty ? nil : $0 }
        return AuthorizationAttributes(
            user: user, verb: words[0], group: group, resource: parts[0], subresource: parts.dropFirst().joined(separator: "/"),
            namespace: namespace, name: name)
    }

    private static let users: [(String, UserInfo)] = [
        ("admin", UserInfo(name: "kubernetes-admin", groups: ["system:masters", "system:authenticated"])),
        ("lite", .lite("alice-1", domain: "alice")),
        ("bobs", .lite("bob-1", domain: "bob")),
        ("kubelet", UserInfo(name: "system:node:k", groups: ["system:nodes", "system:authenticated"])),
        ("token", .deployToken("alice")),
        ("sched", UserInfo(name: "system:kube-scheduler", groups: ["system:authenticated"])),
        ("editor", UserInfo(name: "eve", groups: ["system:authenticated"])),
        ("viewer", UserInfo(name: "vic", groups: ["system:authenticated"])),
        (
            "sa",
            UserInfo(
                name: "system:serviceaccount:alice:runner",
                groups: ["system:serviceaccounts", "system:serviceaccounts:alice", "system:authenticated"])
        ),
        ("known", UserInfo(name: "someone", groups: ["system:authenticated"])),
        ("nobody", UserInfo(name: "system:anonymous", groups: ["system:unauthenticated"])),
    ]

    /// eve edits alice, vic sees alice, the service account reads one config map.
    static let policy: ClusterPolicy = {
        var policy = AuthorizerTests.policy
        policy.load([AuthorizerTests.podWithSecret("k", in: "bob", on: "k", "ks")])
        func binding(_ name: String, _ role: String, _ subject: JSONValue) -> JSONValue {
            [
                "kind": "RoleBinding", "metadata": ["name": .string(name), "namespace": "alice"],
                "roleRef": ["kind": .string(role == "one" ? "Role" : "ClusterRole"), "name": .string(role)],
                "subjects": [subject],
            ]
        }
        policy.load([
            [
                "kind": "Role", "metadata": ["name": "one", "namespace": "alice"],
                "rules": [PolicyRule.allow(["get"], ["configmaps"], named: ["c"]).json],
            ],
            binding("e", "edit", ["kind": "User", "name": "eve"]), binding("v", "view", ["kind": "User", "name": "vic"]),
            binding("s", "one", ["kind": "ServiceAccount", "name": "runner", "namespace": "alice"]),
        ])
        return policy
    }()

    /// y: allowed, a dot: refused.
    static let table = """
                                                                      admin   lite    bobs    kubelet token   sched   editor  viewer  sa      known   nobody
        get /healthz                                                  y       y       y       y       y       y       y       y       y       y       y
        get /api/v1                                                   y       y       y       y       y       y       y       y       y       y       .
        get /metrics                                                  y       .       .       .       .       .       .       .       .       .       .
        get /openid/v1/jwks                                           y       .       .       .       .       .       .       .       y       .       .
        create authorization.k8s.io/selfsubjectaccessreviews          y       y       y       y       y       y       y       y       y       y       .
        create authorization.k8s.io/subjectaccessreviews              y       .       .       y       .       y       .       .       .       .       .
        create authentication.k8s.io/tokenreviews                     y       .       .       y       .       y       .       .       .       .       .
        list pods /                                                   y       .       .       .       .       y       .       .       .       .       .
        list pods alice/                                              y       y       .       .       .       y       y       y       .       .       .
        get pods alice/p                                              y       y       .       .       .       y       y       y       .       .       .
        get pods bob/k                                                y       .       y       y       .       y       .       .       .       .       .
        get pods/log alice/p                                          y       .       .       .       .       .       y       y       .       .       .
        create pods alice/                                            y       y       .       y       .       .       y       .       .       .       .
        create pods/binding alice/p                                   y       .       .       .       .       y       .       .       .       .       .
        patch pods/status alice/p                                     y       y       .       .       .       y       .       .       .       .       .
        patch pods/status alice/q                                     y       .       .       .       .       y       .       .       .       .       .
        patch pods/status bob/k                                       y       .       .       y       .       y       .       .       .       .       .
        delete pods alice/p                                           y       y       .       .       .       y       y       .       .       .       .
        create pods/eviction alice/p                                  y       y       .       .       .       .       y       .       .       .       .
        get secrets alice/s                                           y       y       .       .       .       .       y       .       .       .       .
        get secrets alice/t                                           y       .       .       .       .       .       y       .       .       .       .
        get secrets bob/ks                                            y       .       .       y       .       .       .       .       .       .       .
        list secrets alice/                                           y       .       .       .       .       .       y       .       .       .       .
        get configmaps alice/c                                        y       y       .       .       .       .       y       y       y       .       .
        get configmaps alice/d                                        y       y       .       .       .       .       y       y       .       .       .
        update configmaps alice/c                                     y       .       .       .       .       .       y       .       .       .       .
        create serviceaccounts/token alice/default                    y       y       .       .       .       .       y       .       .       .       .
        create nodes                                                  y       y       y       y       .       .       .       .       .       .       .
        patch nodes/status alice-1                                    y       y       .       .       .       .       .       .       .       .       .
        list nodes                                                    y       .       .       .       .       y       .       .       .       .       .
        update coordination.k8s.io/leases kube-node-lease/alice-1     y       y       .       .       .       y       .       .       .       .       .
        get swiftlet.io/nodes/tunnel alice-1                          y       y       .       .       .       .       .       .       .       .       .
        create certificates.k8s.io/certificatesigningrequests         y       y       y       y       y       .       .       .       .       .       .
        update certificates.k8s.io/certificatesigningrequests/approval x  y       .       .       .       .       .       .       .       .       .       .
        create kuscia.secretflow/kusciajobs cross-domain/             y       .       .       .       .       .       .       .       .       .       .
        create kuscia.secretflow/kusciajobs alice/                    y       .       .       .       .       .       y       .       .       .       .
        create rbac.authorization.k8s.io/rolebindings alice/          y       .       .       .       .       .       .       .       .       .       .
        impersonate users root                                        y       .       .       .       .       .       .       .       .       .       .
        impersonate serviceaccounts alice/runner                      y       .       .       .       .       .       y       .       .       .       .
        """

    @Test("everybody may do what the table says, and nothing else of it") func matrix() {
        let lines = Self.table.split(separator: "\n").dropFirst().map(String.init)
        var printed = String(repeating: " ", count: 66) + Self.users.map { Self.cell($0.0) }.joined() + "\n"
        var wrong: [String] = []
        for line in lines {
            let marks = line.split(separator: " ").suffix(Self.users.count)
            let question = line.split(separator: " ").dropLast(Self.users.count).joined(separator: " ")
            var row = question.padding(to: 66)
            for ((name, user), mark) in zip(Self.users, marks) {
                let isAllowed = Self.policy.decide(Self.question(question, user)) == .allow
                row += Self.cell(isAllowed ? "y" : ".")
                if isAllowed != (mark == "y") { wrong.append("\(name): \(question) is \(isAllowed ? "allowed" : "refused")") }
            }
            printed += row + "\n"
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))\n\(printed)")
        print(printed)
    }

    private static func cell(_ text: String) -> String { text.padding(to: 8) }
}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(width - count, 1)) }
}
