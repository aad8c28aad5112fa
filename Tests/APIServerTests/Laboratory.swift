// A server over a fresh store, and short ways to talk to it.
import JSON
import KubernetesClient
import KubernetesModel
import ResourceStore
import Testing

@testable import APIServer

enum StoreKind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case memory, sqlite
    var testDescription: String { rawValue }
}

/// A handler with the initial namespaces, domains alice and bob, and an app image.
struct Laboratory: Sendable {
    static let now: Int64 = 1_795_000_000

    let handler: APIHandler
    let store: JournaledStore
    private let directory: TemporaryDirectory?

    init(_ kind: StoreKind = .memory, signer: (any CertificateSigning)? = nil) async throws {
        switch kind {
        case .memory:
            directory = nil
            store = try JournaledStore.inMemory()
        case .sqlite:
            let directory = try TemporaryDirectory()
            self.directory = directory
            store = try JournaledStore.sqlite(path: directory.path + "/store.db")
        }
        handler = APIHandler(store: store, now: { Self.now }, certificateSigner: signer)
        for name in ["default", "kube-system", "kube-node-lease", "cross-domain", "alice", "bob"] {
            try await must(.post, "/api/v1/namespaces", ["metadata": ["name": .string(name)]])
        }
        for domain in ["alice", "bob"] {
            try await must(.post, "/apis/kuscia.secretflow/v1alpha1/domains", ["metadata": ["name": .string(domain)]])
        }
        try await must(.post, "/apis/kuscia.secretflow/v1alpha1/appimages", Self.appImage)
    }

    var api: LocalKubernetesAPI { LocalKubernetesAPI(handler: handler) }

    struct Answer: Sendable {
        var status: Int
        var body: JSONValue
        var headers: [(name: String, value: String)]
        var contentType: String

        var reason: String? { body["reason"]?.stringValue }
        var message: String { body["message"]?.stringValue ?? "" }
        var fields: [String] { (body["details"]?["causes"]?.arrayValue ?? []).compactMap { $0["field"]?.stringValue } }
    }

    /// `path` may carry a query.
    func send(
        _ method: HTTPMethodName, _ path: String, _ body: JSONValue? = nil, type: String? = nil, accept: String? = nil,
        ifNoneMatch: String? = nil, as user: UserInfo = .master
    ) async throws -> Answer {
        let request = Self.request(method, path, body, type: type, accept: accept, ifNoneMatch: ifNoneMatch, as: user)
        guard case .document(let document) = await handler.handle(request) else {
            throw TestFailure("\(path) did not give a document")
        }
        let isJSON = document.contentType.hasPrefix("application/json") && !document.body.isEmpty
        return Answer(
            status: document.status,
            body: isJSON ? try JSONValue(parsing: document.body) : .string(String(decoding: document.body, as: UTF8.self)),
            headers: document.headers, contentType: document.contentType)
    }

    @discardableResult
    func must(
        _ method: HTTPMethodName, _ path: String, _ body: JSONValue? = nil, type: String? = nil, as user: UserInfo = .master
    ) async throws -> JSONValue {
        let answer = try await send(method, path, body, type: type, as: user)
        guard answer.status < 300 else { throw TestFailure("\(method.rawValue) \(path): \(answer.status) \(answer.message)") }
        return answer.body
    }

    func watch(_ path: String, accept: String? = nil, as user: UserInfo = .master) async throws -> APIWatch {
        guard case .watch(let watch) = await handler.handle(Self.request(.get, path, nil, accept: accept, as: user)) else {
            throw TestFailure("\(path) did not give a watch")
        }
        return watch
    }

    static func request(
        _ method: HTTPMethodName, _ path: String, _ body: JSONValue?, type: String? = nil, accept: String? = nil,
        ifNoneMatch: String? = nil, as user: UserInfo
    ) -> APIRequest {
        let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
        let text = parts.count < 2 ? "" : parts[1]
        let query = text.split(separator: "&").map { pair -> (name: String, value: String) in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return (name: sides[0], value: sides.count > 1 ? sides[1] : "")
        }
        return APIRequest(
            method: method, path: parts[0], query: query, contentType: type, accept: accept, ifNoneMatch: ifNoneMatch,
            body: body?.serialized() ?? [], user: user)
    }

    // MARK: Objects

    static func pod(_ name: String, namespace: String = "alice", node: String? = nil) -> JSONValue {
        var spec: JSONValue = ["containers": [["name": "c", "image": "busybox"]]]
        if let node { spec["nodeName"] = .string(node) }
        return [
            "kind": "Pod", "apiVersion": "v1", "metadata": ["name": .string(name), "namespace": .string(namespace)],
            "spec": spec,
        ]
    }

    static func node(_ name: String, domain: String, memory: String = "8Gi") -> JSONValue {
        [
            "metadata": [
                "name": .string(name),
                "labels": ["domain": .string(domain), "kuscia.secretflow/namespace": .string(domain)],
            ],
            "status": ["allocatable": ["cpu": "4", "memory": .string(memory)]],
        ]
    }

    static let appImage: JSONValue = [
        "kind": "AppImage", "apiVersion": "kuscia.secretflow/v1alpha1", "metadata": ["name": "psi"],
        "spec": [
            "image": ["name": "psi", "tag": "0.9.5"], "configTemplates": ["task.conf": "{{.TASK_ID}}"],
            "deployTemplates": [
                [
                    "name": "psi",
                    "spec": [
                        "containers": [
                            [
                                "name": "psi", "ports": [["name": "psi", "protocol": "HTTP", "scope": "Cluster"]],
                                "configVolumeMounts": [["mountPath": "/etc/task.conf", "subPath": "task.conf"]],
                            ]
                        ]
                    ],
                ]
            ],
        ],
    ]

    static let job: JSONValue = [
        "kind": "KusciaJob", "apiVersion": "kuscia.secretflow/v1alpha1",
        "metadata": ["name": "job", "namespace": "cross-domain"],
        "spec": [
            "initiator": "alice", "maxParallelism": 2,
            "tasks": [
                task("first", dependencies: []), task("second", dependencies: ["first"]),
            ],
        ],
    ]

    static func task(_ alias: String, dependencies: [String]) -> JSONValue {
        [
            "alias": .string(alias), "taskID": .string("job-\(alias)"), "appImage": "psi", "taskInputConfig": "{}",
            "dependencies": .array(dependencies.map { .string($0) }),
            "parties": [
                ["domainID": "alice", "resources": ["limits": ["memory": "1Gi"]]],
                ["domainID": "bob", "resources": ["limits": ["memory": "1Gi"]]],
            ],
        ]
    }

    static let jobs = "/apis/kuscia.secretflow/v1alpha1/namespaces/cross-domain/kusciajobs"
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension JSONValue {
    /// A copy with a place set; nil removes it. Array positions are numbers in the path.
    func with(_ path: [String], _ value: JSONValue?) -> JSONValue {
        guard let first = path.first else { return value ?? .null }
        let rest = Array(path.dropFirst())
        if case .array(var elements) = self, let index = Int(first) {
            elements[index] = elements[index].with(rest, value)
            return .array(elements)
        }
        var copy = self
        if rest.isEmpty { copy[first] = value } else { copy[first] = (self[first] ?? [:]).with(rest, value) }
        return copy
    }
}

extension UserInfo {
    static func lite(_ node: String, domain: String) -> UserInfo {
        UserInfo(name: "system:node:\(node)", groups: ["system:nodes", "kuscia:domain:\(domain)", "system:authenticated"])
    }
    static func deployToken(_ domain: String) -> UserInfo {
        UserInfo(
            name: "kuscia:deploy-token:\(domain)",
            groups: ["kuscia:deploy-tokens", "kuscia:domain:\(domain)", "system:authenticated"])
    }
}
