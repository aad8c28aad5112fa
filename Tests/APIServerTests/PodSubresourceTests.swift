// Pods' subresources: status, binding, log.
import JSON
import KubernetesClient
import KubernetesModel
import Testing

@testable import APIServer

struct PodSubresourceTests {
    private let pods = "/api/v1/namespaces/alice/pods"
    private let target: JSONValue = ["kind": "Binding", "apiVersion": "v1", "target": ["kind": "Node", "name": "n"]]

    @Test("a pod is bound once", arguments: StoreKind.allCases)
    func binding(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let body = target.with(["metadata"], ["annotations": ["x": "y"]])
        #expect(try await lab.send(.post, "\(pods)/p/binding", body).status == 201)
        let pod = try await lab.must(.get, "\(pods)/p")
        #expect(pod["spec"]?["nodeName"] == "n")
        #expect(pod["metadata"]?["annotations"]?["x"] == "y")
        #expect(pod["status"]?["conditions"]?[0]?["type"] == "PodScheduled")
        let again = try await lab.send(.post, "\(pods)/p/binding", target)
        #expect(again.status == 409)
        #expect(again.message.contains("pod p is already assigned to node \"n\""))
        #expect(try await lab.send(.post, "\(pods)/p/binding", [:]).status == 422)
        #expect(try await lab.send(.post, "\(pods)/nope/binding", target).status == 404)
    }

    @Test("a gang is bound in one commit, or not at all", arguments: StoreKind.allCases)
    func gang(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        var bindings: [PodBinding] = []
        for (name, namespace) in [("a", "alice"), ("b", "bob")] {
            let pod = try await lab.must(
                .post, "/api/v1/namespaces/\(namespace)/pods", Laboratory.pod(name, namespace: namespace))
            let uid = pod["metadata"]?["uid"]?.stringValue ?? ""
            bindings.append(PodBinding(namespace: namespace, name: name, uid: uid, node: "n-\(namespace)"))
        }
        var wrong = bindings
        wrong[1].uid = "another"
        let revision = lab.store.revision
        await #expect(throws: KubernetesAPIError.self) { try await lab.api.bindTogether(wrong) }
        #expect(lab.store.revision == revision)
        try await lab.api.bindTogether(bindings)
        #expect(try await lab.must(.get, "\(pods)/a")["spec"]?["nodeName"] == "n-alice")
        #expect(try await lab.must(.get, "/api/v1/namespaces/bob/pods/b")["spec"]?["nodeName"] == "n-bob")
        do {
            try await lab.api.bindTogether(bindings)
            Issue.record("bound twice")
        } catch let error as KubernetesAPIError {
            #expect(error.isConflict)
        }
    }

    @Test("a log request is authorised and told where the pod runs")
    func log() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p", node: "n"))
        let request = Laboratory.request(.get, "\(pods)/p/log?follow=true&tailLines=5&bogus=1", nil, as: .master)
        guard case .podLog(let target) = await lab.handler.handle(request) else {
            Issue.record("no log")
            return
        }
        #expect(target.node == "n")
        #expect(target.container == "c")
        #expect(target.rawQuery == "follow=true&tailLines=5")
        #expect(target.follow)
        #expect(try await lab.send(.get, "\(pods)/p/log?container=x").status == 400)
        #expect(try await lab.send(.get, "\(pods)/p/log?tailLines=x").status == 422)
        try await lab.must(.post, pods, Laboratory.pod("unbound"))
        #expect(try await lab.send(.get, "\(pods)/unbound/log").message == "pod unbound does not have a host assigned")
        #expect(try await lab.send(.get, "\(pods)/p/log", as: .lite("n", domain: "alice")).status == 403)
    }
}
