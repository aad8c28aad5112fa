// The verbs: create, read, update, delete, with Kubernetes' rules.
import JSON
import ResourceStore
import Testing

@testable import APIServer

struct VerbTests {
    private let pods = "/api/v1/namespaces/alice/pods"
    private let merge = "application/merge-patch+json"
    private let strategic = "application/strategic-merge-patch+json"

    @Test("a created object comes back with what the server adds", arguments: StoreKind.allCases)
    func create(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        let created = try await lab.send(.post, pods, Laboratory.pod("web"))
        #expect(created.status == 201)
        let read = try await lab.must(.get, "\(pods)/web")
        #expect(read == created.body)
        #expect(read["metadata"]?["uid"]?.stringValue?.count == 36)
        #expect(read["metadata"]?["creationTimestamp"]?.stringValue == RFC3339.text(seconds: Laboratory.now))
        #expect(read["metadata"]?["resourceVersion"]?.stringValue == String(lab.store.revision))
        #expect(read["spec"]?["restartPolicy"] == "Always")
        #expect(read["spec"]?["terminationGracePeriodSeconds"] == 30)
        #expect(read["status"] == ["phase": "Pending", "qosClass": "BestEffort"])
        let again = try await lab.send(.post, pods, Laboratory.pod("web"))
        #expect(again.status == 409)
        #expect(again.message == "pods \"web\" already exists")
        let missing = try await lab.send(.get, "\(pods)/nope")
        #expect(missing.status == 404)
        #expect(missing.message == "pods \"nope\" not found")
    }

    @Test("generateName gives each object a name of its own")
    func generateName() async throws {
        let lab = try await Laboratory()
        let body = Laboratory.pod("x").with(["metadata", "name"], nil).with(["metadata", "generateName"], "web-")
        let first = try await lab.must(.post, pods, body)["metadata"]?["name"]?.stringValue ?? ""
        let second = try await lab.must(.post, pods, body)["metadata"]?["name"]?.stringValue ?? ""
        #expect(first.hasPrefix("web-") && first.count == 9)
        #expect(first != second)
    }

    @Test("a namespace that does not exist takes nothing")
    func missingNamespace() async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(.post, "/api/v1/namespaces/nowhere/pods", Laboratory.pod("p", namespace: "nowhere"))
        #expect(answer.status == 404)
        #expect(answer.message == "namespaces \"nowhere\" not found")
    }

    @Test("lists select by labels and fields, and come in pages", arguments: StoreKind.allCases)
    func list(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        for index in 0..<5 {
            let pod = Laboratory.pod("p\(index)", node: index % 2 == 0 ? "n0" : "n1")
                .with(["metadata", "labels"], ["even": index % 2 == 0 ? "yes" : "no"])
            try await lab.must(.post, pods, pod)
        }
        func names(_ query: String) async throws -> [String] {
            let items = try await lab.must(.get, "\(pods)?\(query)")["items"]?.arrayValue ?? []
            return items.compactMap { $0["metadata"]?["name"]?.stringValue }
        }
        #expect(try await names("labelSelector=even=yes") == ["p0", "p2", "p4"])
        #expect(try await names("fieldSelector=spec.nodeName=n1") == ["p1", "p3"])
        #expect(try await names("fieldSelector=spec.nodeName=n1,status.phase!=Pending") == [])
        let page = try await lab.must(.get, "\(pods)?limit=2")
        #expect(page["kind"] == "PodList")
        #expect(page["metadata"]?["remainingItemCount"] == 3)
        let token = page["metadata"]?["continue"]?.stringValue ?? ""
        #expect(try await names("limit=2&continue=\(token)") == ["p2", "p3"])
        #expect(try await lab.send(.get, "\(pods)?fieldSelector=spec.nope=1").status == 400)
        #expect(try await lab.send(.get, "\(pods)?labelSelector=a b").status == 400)
        #expect(try await lab.send(.get, "\(pods)?limit=x").status == 400)
        #expect(try await lab.send(.get, "\(pods)?continue=x").status == 400)
    }

    @Test("a stale resourceVersion is a conflict, a missing one is not", arguments: StoreKind.allCases)
    func update(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        let path = "/api/v1/namespaces/alice/configmaps"
        let first = try await lab.must(.post, path, ["metadata": ["name": "c"], "data": ["a": "1"]])
        let second = try await lab.must(.put, "\(path)/c", first.with(["data", "a"], "2"))
        #expect(second["data"]?["a"] == "2")
        let stale = try await lab.send(.put, "\(path)/c", first.with(["data", "a"], "3"))
        #expect(stale.status == 409)
        #expect(stale.reason == "Conflict")
        #expect(
            stale.message == "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please "
                + "apply your changes to the latest version and try again")
        try await lab.must(.put, "\(path)/c", first.with(["metadata", "resourceVersion"], nil).with(["data", "a"], "4"))
        let other = try await lab.send(.put, "\(path)/c", first.with(["metadata", "uid"], "other"))
        #expect(other.status == 409)
    }

    @Test("a write that changes nothing makes no revision")
    func noChange() async throws {
        let lab = try await Laboratory()
        let pod = try await lab.must(.post, pods, Laboratory.pod("p"))
        let before = lab.store.revision
        let same = try await lab.must(.put, "\(pods)/p", pod)
        #expect(same == pod)
        #expect(lab.store.revision == before)
    }

    @Test("status and spec are changed through their own endpoints only")
    func statusSubresource() async throws {
        let lab = try await Laboratory()
        let pod = try await lab.must(.post, pods, Laboratory.pod("p"))
        let main = try await lab.must(.patch, "\(pods)/p", ["status": ["phase": "Running"]], type: merge)
        #expect(main["status"]?["phase"] == "Pending")
        let status = try await lab.must(
            .patch, "\(pods)/p/status",
            ["metadata": ["annotations": ["used": "1"]], "spec": ["restartPolicy": "Never"], "status": ["phase": "Running"]],
            type: merge)
        #expect(status["status"]?["phase"] == "Running")
        #expect(status["metadata"]?["annotations"]?["used"] == "1")
        #expect(status["spec"] == pod["spec"])
    }

    @Test("generation counts the changes of the spec")
    func generation() async throws {
        let lab = try await Laboratory()
        let path = "/apis/kuscia.secretflow/v1alpha1/domains/alice"
        #expect(try await lab.must(.get, path)["metadata"]?["generation"] == 1)
        let labelled = try await lab.must(.patch, path, ["metadata": ["labels": ["a": "b"]]], type: merge)
        #expect(labelled["metadata"]?["generation"] == 1)
        let changed = try await lab.must(.patch, path, ["spec": ["cert": "x"]], type: merge)
        #expect(changed["metadata"]?["generation"] == 2)
        let status = try await lab.must(.patch, "\(path)/status", ["status": ["nodeStatuses": []]], type: merge)
        #expect(status["metadata"]?["generation"] == 2)
    }

    @Test("a strategic merge patch is refused for custom kinds, as is protobuf")
    func mediaTypes() async throws {
        let lab = try await Laboratory()
        let domain = "/apis/kuscia.secretflow/v1alpha1/domains/alice"
        #expect(try await lab.send(.patch, domain, [:], type: strategic).status == 415)
        #expect(try await lab.send(.patch, domain, [:], type: "text/plain").status == 415)
        #expect(try await lab.send(.post, pods, [:], type: "application/vnd.kubernetes.protobuf").status == 415)
        #expect(try await lab.send(.get, pods, accept: "application/vnd.kubernetes.protobuf").status == 406)
        #expect(try await lab.send(.get, pods, accept: "application/vnd.kubernetes.protobuf,application/json").status == 200)
    }

    @Test("an unbound or finished pod goes at once, a running one gets its grace", arguments: StoreKind.allCases)
    func deletePod(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        try await lab.must(.post, pods, Laboratory.pod("unbound"))
        try await lab.must(.delete, "\(pods)/unbound")
        #expect(try await lab.send(.get, "\(pods)/unbound").status == 404)

        try await lab.must(.post, pods, Laboratory.pod("bound", node: "n"))
        let marked = try await lab.must(.delete, "\(pods)/bound", ["gracePeriodSeconds": 7])
        #expect(marked["metadata"]?["deletionGracePeriodSeconds"] == 7)
        #expect(marked["metadata"]?["deletionTimestamp"]?.stringValue == RFC3339.text(seconds: Laboratory.now + 7))
        // A longer grace changes nothing, a shorter one counts.
        let again = try await lab.must(.delete, "\(pods)/bound")
        #expect(again["metadata"]?["deletionGracePeriodSeconds"] == 7)
        let shorter = try await lab.must(.delete, "\(pods)/bound", ["gracePeriodSeconds": 2])
        #expect(shorter["metadata"]?["deletionGracePeriodSeconds"] == 2)
        try await lab.must(.delete, "\(pods)/bound", ["gracePeriodSeconds": 0])
        #expect(try await lab.send(.get, "\(pods)/bound").status == 404)

        try await lab.must(.post, pods, Laboratory.pod("done", node: "n"))
        try await lab.must(.patch, "\(pods)/done/status", ["status": ["phase": "Succeeded"]], type: merge)
        try await lab.must(.delete, "\(pods)/done")
        #expect(try await lab.send(.get, "\(pods)/done").status == 404)
    }

    @Test("finalizers hold an object until the last one goes")
    func finalizers() async throws {
        let lab = try await Laboratory()
        let path = "/api/v1/namespaces/alice/configmaps"
        try await lab.must(.post, path, ["metadata": ["name": "c", "finalizers": ["x.io/a"]]])
        let marked = try await lab.must(.delete, "\(path)/c")
        #expect(marked["metadata"]?["deletionTimestamp"] != nil)
        let more = try await lab.send(.patch, "\(path)/c", ["metadata": ["finalizers": ["x.io/a", "x.io/b"]]], type: merge)
        #expect(more.status == 422)
        try await lab.must(.patch, "\(path)/c", ["metadata": ["finalizers": .null]], type: merge)
        #expect(try await lab.send(.get, "\(path)/c").status == 404)
    }

    @Test("a delete's preconditions hold")
    func preconditions() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let wrong = try await lab.send(.delete, "\(pods)/p", ["preconditions": ["uid": "x"]])
        #expect(wrong.status == 409)
        #expect(try await lab.send(.get, "\(pods)/p").status == 200)
    }

    @Test("dry runs answer but store nothing")
    func dryRun() async throws {
        let lab = try await Laboratory()
        let before = lab.store.revision
        #expect(try await lab.send(.post, "\(pods)?dryRun=All", Laboratory.pod("p")).status == 201)
        #expect(lab.store.revision == before)
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let revision = lab.store.revision
        #expect(
            try await lab.send(.patch, "\(pods)/p?dryRun=All", ["metadata": ["labels": ["a": "b"]]], type: merge).status == 200)
        #expect(try await lab.send(.delete, "\(pods)/p?dryRun=All").status == 200)
        #expect(lab.store.revision == revision)
        #expect(try await lab.send(.post, "\(pods)?dryRun=Some", Laboratory.pod("q")).status == 422)
    }

    @Test("deletecollection deletes what is selected")
    func deleteCollection() async throws {
        let lab = try await Laboratory()
        for name in ["a", "b"] {
            try await lab.must(.post, pods, Laboratory.pod(name).with(["metadata", "labels"], ["name": .string(name)]))
        }
        try await lab.must(.delete, "\(pods)?labelSelector=name=a")
        #expect(try await lab.must(.get, pods)["items"]?.arrayValue?.count == 1)
    }

    @Test("a deleted namespace takes nothing new, and is there until it is finalized", arguments: StoreKind.allCases)
    func namespace(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        let path = "/api/v1/namespaces/alice"
        #expect(try await lab.must(.get, path)["spec"]?["finalizers"] == ["kubernetes"])
        let cleared = try await lab.must(.patch, path, ["spec": ["finalizers": .null]], type: "application/merge-patch+json")
        #expect(cleared["spec"]?["finalizers"] == ["kubernetes"])
        let marked = try await lab.must(.delete, path)
        #expect(marked["status"]?["phase"] == "Terminating")
        let refused = try await lab.send(.post, pods, Laboratory.pod("q"))
        #expect(refused.status == 403)
        #expect(refused.message.hasSuffix("unable to create new content in namespace alice because it is being terminated"))
        #expect(refused.body["details"]?["causes"]?[0]?["reason"] == "NamespaceTerminating")
        let final = try await lab.must(
            .put, "\(path)/finalize", marked.with(["spec"], [:]).with(["metadata", "resourceVersion"], nil))
        #expect(final["status"]?["phase"] == "Terminating")
        #expect(try await lab.send(.get, path).status == 404)
        #expect(try await lab.send(.delete, "/api/v1/namespaces/kube-system").status == 403)
    }

    @Test("patches cannot grow an object beyond what one write may bring")
    func growth() async throws {
        let lab = try await Laboratory()
        let maps = "/api/v1/namespaces/alice/configmaps"
        try await lab.must(.post, maps, ["metadata": ["name": "m"]])
        let text = JSONValue.string(String(repeating: "x", count: 600_000))
        var statuses: [Int] = []
        for index in 0..<6 {
            let patch: JSONValue = ["data": ["k\(index)": text]]
            statuses.append(try await lab.send(.patch, "\(maps)/m", patch, type: "application/merge-patch+json").status)
        }
        #expect(statuses.allSatisfy { $0 == 200 || $0 == 413 || $0 == 422 })
        #expect(statuses.last != 200)
    }

    @Test("secrets keep plain text as data")
    func secret() async throws {
        let lab = try await Laboratory()
        let secret = try await lab.must(
            .post, "/api/v1/namespaces/alice/secrets", ["metadata": ["name": "s"], "stringData": ["k": "value"]])
        #expect(secret["data"]?["k"] == "dmFsdWU=")
        #expect(secret["stringData"] == nil)
        #expect(secret["type"] == "Opaque")
    }

    @Test("concurrent patches all arrive", arguments: StoreKind.allCases)
    func concurrentPatches(_ store: StoreKind) async throws {
        let lab = try await Laboratory(store)
        let path = "/api/v1/namespaces/alice/configmaps"
        try await lab.must(.post, path, ["metadata": ["name": "c"]])
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<6 {
                group.addTask {
                    try await lab.send(.patch, "\(path)/c", ["data": .object(["k\(index)": "v"])], type: merge).status
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.allSatisfy { $0 == 200 })
        #expect(try await lab.must(.get, "\(path)/c")["data"]?.objectValue?.count == 6)
    }

    @Test("a later delete may say anew what is to become of the dependents; without a word it changes nothing")
    func propagationLater() async throws {
        let lab = try await Laboratory()
        let path = "/api/v1/namespaces/alice/configmaps"
        func finalizers(_ name: String) async throws -> JSONValue? {
            try await lab.must(.get, "\(path)/\(name)")["metadata"]?["finalizers"]
        }
        try await lab.must(.post, path, ["metadata": ["name": "c"]])
        try await lab.must(.delete, "\(path)/c?propagationPolicy=Foreground")
        #expect(try await finalizers("c") == ["foregroundDeletion"])
        let revision = lab.store.revision
        try await lab.must(.delete, "\(path)/c")
        #expect(lab.store.revision == revision)
        try await lab.must(.delete, "\(path)/c?propagationPolicy=Orphan")
        #expect(try await finalizers("c") == ["orphan"])
        try await lab.must(.delete, "\(path)/c?propagationPolicy=Background")
        #expect(try await lab.send(.get, "\(path)/c").status == 404)
        // A pod within its grace.
        try await lab.must(.post, pods, Laboratory.pod("p", node: "n"))
        try await lab.must(.delete, "\(pods)/p")
        try await lab.must(.delete, "\(pods)/p?propagationPolicy=Foreground")
        let pod = try await lab.must(.get, "\(pods)/p")
        #expect(pod["metadata"]?["finalizers"] == ["foregroundDeletion"])
        #expect(pod["metadata"]?["deletionGracePeriodSeconds"] == 30)
        try await lab.must(.delete, "\(pods)/p?gracePeriodSeconds=0&propagationPolicy=Background")
        #expect(try await lab.send(.get, "\(pods)/p").status == 404)
    }

    @Test("a delete whose name got lost deletes nothing", arguments: ["/", "//", "?", "/?propagationPolicy=Background"])
    func lostName(_ end: String) async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, pods, Laboratory.pod("p"))
        let answer = try await lab.send(.delete, pods + end)
        // Without a slash nobody lost a name.
        if end == "?" {
            #expect(answer.status == 200)
            return
        }
        #expect([400, 404, 405].contains(answer.status), "\(answer.status)")
        #expect(try await lab.send(.get, "\(pods)/p").status == 200)
        // Reads and creations are forgiven the slash, as Kubernetes does.
        #expect(try await lab.send(.get, pods + "/").status == 200)
    }

    @Test("a continue token of no revision is refused, except the one that comes with an expired list")
    func zeroToken() async throws {
        let lab = try await Laboratory()
        for name in ["a", "b", "c"] { try await lab.must(.post, pods, Laboratory.pod(name)) }
        // No server gives such a one: "in the present state" is -1.
        let token = Base64.encode(Array("0/alice/a".utf8)).replacing("=", with: "")
        #expect(try await lab.send(.get, "\(pods)?limit=1&continue=\(token)").status == 400)
        let late = StatusError.expiredContinuation(ListContinuation(revision: 7, namespace: "alice", name: "a"))
        let expired = try #require(late.continueToken)
        let page = try await lab.must(.get, "\(pods)?limit=1&continue=\(expired)")
        #expect(page["items"]?[0]?["metadata"]?["name"] == "b")
    }
}
