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
        let body = target.with(["metadata"], ["name": "p", "annotations": ["x": "y"]])
        #expect(try await lab.send(.post, "\(pods)/p/binding", body).status == 201)
        let pod = try await lab.must(.get, "\(pods)/p")
        #expect(pod["spec"]?["nodeName"] == "n")
        #expect(pod["metadata"]?["annotations"]?["x"] == "y")
        #expect(pod["status"]?["conditions"]?[0]?["type"] == "PodScheduled")
        let again = try await lab.send(.post, "\(pods)/p/binding", body)
        #expect(again.status == 409)
        #expect(again.message.contains("pod p is already assigned to node \"n\""))
        #expect(try await lab.send(.post, "\(pods)/p/binding", ["metadata": ["name": "p"]]).status == 422)
        let nobody = target.with(["metadata"], ["name": "nope"])
        #expect(try await lab.send(.post, "\(pods)/nope/binding", nobody).status == 404)
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

    @Test("a binding's annotations are an object's, and its name is the pod's")
    func bindingChecks() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p"))
        for annotations in [
            ["bad": 1, "Obj": ["a": [1]]], ["a b/c": "x"], ["x": .string(String(repeating: "y", count: 257 << 10))],
        ]
            as [JSONValue]
        {
            let body = target.with(["metadata"], ["name": "p", "annotations": annotations])
            let answer = try await lab.send(.post, "\(pods)/p/binding", body)
            #expect(answer.status == 422, "\(answer.status) \(answer.message)")
            #expect(answer.fields.allSatisfy { $0.hasPrefix("metadata.annotations") } && !answer.fields.isEmpty)
        }
        for name in ["", "q"] {
            let answer = try await lab.send(.post, "\(pods)/p/binding", target.with(["metadata"], ["name": .string(name)]))
            #expect(answer.status == 400)
            #expect(answer.message == "name in URL does not match name in Binding object", "\(answer.message)")
        }
        let strange = try await lab.send(
            .post, "\(pods)/p/binding", ["metadata": ["name": "p"], "target": ["kind": "Node", "name": "a/b"]])
        #expect(strange.status == 422 && strange.fields == ["target.name"], "\(strange.message)")
        let pod = try await lab.must(.get, "\(pods)/p")
        #expect(pod["spec"]?["nodeName"] == nil && pod["metadata"]?["annotations"] == nil)
    }

    @Test("a pod that waits at a gate is not bound")
    func gated() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("g").with(["spec", "schedulingGates"], [["name": "x.io/wait"]]))
        let answer = try await lab.send(.post, "\(pods)/g/binding", target.with(["metadata"], ["name": "g"]))
        #expect(answer.status == 409)
        #expect(answer.message.contains("schedulingGates"), "\(answer.message)")
    }

    @Test("a binding may be sent to its namespace, as old schedulers do")
    func bindings() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let path = "/api/v1/namespaces/alice/bindings"
        let body = target.with(["metadata"], ["name": "p"])
        #expect(try await lab.send(.post, path, body, as: .lite("n", domain: "alice")).status == 403)
        #expect(try await lab.send(.post, path, body).status == 201)
        #expect(try await lab.must(.get, "\(pods)/p")["spec"]?["nodeName"] == "n")
        #expect(try await lab.send(.post, path, target).status == 400)
        #expect(try await lab.send(.get, path).status == 405)
    }

    @Test("an ephemeral container comes with a strategic merge, as kubectl debug sends it, and stays")
    func debug() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p", node: "n"))
        let path = "\(pods)/p/ephemeralcontainers"
        let strategic = "application/strategic-merge-patch+json"
        func patch(_ name: String, image: String = "busybox") -> JSONValue {
            [
                "spec": [
                    "ephemeralContainers": [
                        [
                            "name": .string(name), "image": .string(image), "imagePullPolicy": "IfNotPresent", "resources": [:],
                            "stdin": true, "targetContainerName": "c", "terminationMessagePolicy": "File", "tty": true,
                        ]
                    ]
                ]
            ]
        }
        let first = try await lab.must(.patch, path, patch("debugger-a"), type: strategic)
        #expect(first["spec"]?["ephemeralContainers"]?.arrayValue?.count == 1)
        let second = try await lab.must(.patch, path, patch("debugger-b"), type: strategic)
        #expect(second["spec"]?["ephemeralContainers"]?.arrayValue?.count == 2)
        #expect(try await lab.send(.patch, path, patch("debugger-a", image: "other"), type: strategic).status == 422)
        #expect(try await lab.send(.patch, "\(pods)/p", patch("debugger-c"), type: strategic).status == 422)
        let bad = try await lab.send(.patch, path, patch("Not a name"), type: strategic)
        #expect(bad.status == 422, "\(bad.status)")
    }

    @Test("booleans of the query are read as Kubernetes reads them, and sent to the node as true and false")
    func booleans() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p", node: "n"))
        for (text, isTrue) in [
            ("False", false), ("FALSE", false), ("0", false), ("false", false), ("True", true), ("1", true), ("yes", true),
            ("", true),
        ] {
            let request = Laboratory.request(.get, "\(pods)/p/log?follow=\(text)&timestamps=\(text)", nil, as: .master)
            guard case .podLog(let log) = await lab.handler.handle(request) else {
                Issue.record("follow=\(text): no log")
                continue
            }
            #expect(log.follow == isTrue && log.rawQuery == "follow=\(isTrue)&timestamps=\(isTrue)", "\(text): \(log.rawQuery)")
            let exec = Laboratory.request(
                .get, "\(pods)/p/exec?command=ls&stdout=true&stdin=\(text)&tty=\(text)", nil, as: .master)
            guard case .podStream(let stream) = await lab.handler.handle(exec) else {
                Issue.record("stdin=\(text): no stream")
                continue
            }
            #expect(stream.stdin == isTrue && stream.tty == isTrue, "\(text)")
        }
        for text in ["False", "FALSE", "0"] {
            #expect(try await lab.send(.get, "\(pods)?watch=\(text)").body["kind"] == "PodList")
            #expect(try await lab.send(.get, "\(pods)/p?watch=\(text)").body["kind"] == "Pod")
        }
        for text in ["?watch=True", "?watch=", "?watch"] { try await lab.watch("\(pods)\(text)").cancel() }
    }
}
