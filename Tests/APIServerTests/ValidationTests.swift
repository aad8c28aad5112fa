// Refused input: each case names the field and the reason, and nothing is stored.
import JSON
import KubernetesModel
import KusciaModel
import Testing

@testable import APIServer

struct ValidationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var path: String
        var body: JSONValue
        var field: String
        var contains: String
        var testDescription: String { name }
    }

    private static let images = "/apis/kuscia.secretflow/v1alpha1/appimages"
    private static let pods = "/api/v1/namespaces/alice/pods"
    private static let image = Laboratory.appImage.with(["metadata", "name"], "other")
    private static let container = ["spec", "deployTemplates", "0", "spec", "containers", "0"]

    private static func job(_ name: String, _ path: [String], _ value: JSONValue?, _ field: String, _ contains: String) -> Case {
        Case(
            name: name, path: Laboratory.jobs, body: Laboratory.job.with(["spec"] + path, value), field: field, contains: contains
        )
    }

    private static func pod(_ name: String, _ path: [String], _ value: JSONValue?, _ field: String, _ contains: String) -> Case {
        Case(name: name, path: pods, body: Laboratory.pod("p").with(path, value), field: field, contains: contains)
    }

    private static func image(_ name: String, _ path: [String], _ value: JSONValue?, _ field: String, _ contains: String) -> Case
    {
        Case(name: name, path: images, body: image.with(path, value), field: field, contains: contains)
    }

    static let cases: [Case] = [
        job("missing spec of a job", [], nil, "spec", "Required"),
        job("no tasks", ["tasks"], [], "spec.tasks", "at least 1"),
        job(
            "too many tasks", ["tasks"], .array((0..<129).map { Laboratory.task("t\($0)", dependencies: []) }), "spec.tasks",
            "at most 128"),
        job("tasks is no list", ["tasks"], "x", "spec.tasks", "must be of type array, found string"),
        job("parallelism is no number", ["maxParallelism"], "2", "spec.maxParallelism", "must be of type integer"),
        job("parallelism too low", ["maxParallelism"], 0, "spec.maxParallelism", "greater than or equal to 1"),
        job("parallelism too high", ["maxParallelism"], 129, "spec.maxParallelism", "less than or equal to 128"),
        job("unknown mode", ["scheduleMode"], "Lazy", "spec.scheduleMode", "supported values: \"Strict\", \"BestEffort\""),
        job("missing initiator", ["initiator"], nil, "spec.initiator", "Required"),
        job("unknown initiator", ["initiator"], "carol", "spec.initiator", "no such Domain"),
        job("duplicate alias", ["tasks", "1"], Laboratory.task("first", dependencies: []), "spec.tasks[1].alias", "Duplicate"),
        job("duplicate task id", ["tasks", "1", "taskID"], "job-first", "spec.tasks[1].taskID", "Duplicate"),
        job("bad task id", ["tasks", "0", "taskID"], "Job_1", "spec.tasks[0].taskID", "RFC 1123"),
        job(
            "task without a name", ["tasks", "0"],
            Laboratory.task("first", dependencies: []).with(["alias"], nil).with(["taskID"], nil), "spec.tasks[0].alias",
            "Required"),
        job(
            "alias that makes no task name", ["tasks", "0"], Laboratory.task("A b!", dependencies: []).with(["taskID"], nil),
            "spec.tasks[0].alias", "RFC 1123"),
        job(
            "unknown dependency", ["tasks", "1", "dependencies"], ["third"], "spec.tasks[1].dependencies[0]",
            "Not found: \"third\""),
        job("cycle", ["tasks", "0", "dependencies"], ["second"], "spec.tasks[0].dependencies", "first -> second -> first"),
        job("dependency on itself", ["tasks", "0", "dependencies"], ["first"], "spec.tasks[0].dependencies", "first -> first"),
        job("unknown app image", ["tasks", "0", "appImage"], "nope", "spec.tasks[0].appImage", "no such AppImage"),
        job("missing app image", ["tasks", "0", "appImage"], nil, "spec.tasks[0].appImage", "Required"),
        job(
            "unknown domain", ["tasks", "1", "parties", "1", "domainID"], "carol", "spec.tasks[1].parties[1].domainID",
            "no such Domain"),
        job("no parties", ["tasks", "0", "parties"], [], "spec.tasks[0].parties", "at least 1"),
        job(
            "malformed quantity", ["tasks", "0", "parties", "0", "resources", "limits", "memory"], "1GB",
            "spec.tasks[0].parties[0].resources.limits[memory]", "quantities must match the regular expression"),
        job(
            "quantity is an object", ["tasks", "0", "parties", "0", "resources", "limits", "cpu"], [:],
            "spec.tasks[0].parties[0].resources.limits[cpu]", "must be of type quantity"),
        job(
            "request above limit", ["tasks", "0", "parties", "0", "resources", "requests"], ["memory": "2Gi"],
            "spec.tasks[0].parties[0].resources.requests", "less than or equal to memory limit"),
        job(
            "above every node", ["tasks", "0", "parties", "1", "resources", "limits", "memory"], "64Gi",
            "spec.tasks[0].parties[1].resources.limits[memory]", "the largest is \"bob-2\" with 8Gi"),
        image("no templates", ["spec", "deployTemplates"], [], "spec.deployTemplates", "at least 1"),
        image("missing image", ["spec", "image"], nil, "spec.image", "Required"),
        image("bad container name", container + ["name"], "A", "spec.deployTemplates[0].spec.containers[0].name", "RFC 1123"),
        image(
            "bad port scope", container + ["ports", "0", "scope"], "World",
            "spec.deployTemplates[0].spec.containers[0].ports[0].scope", "Unsupported"),
        image(
            "port out of range", container + ["ports", "0", "port"], 70000,
            "spec.deployTemplates[0].spec.containers[0].ports[0].port", "65535"),
        image(
            "unknown template file", container + ["configVolumeMounts", "0", "subPath"], "x",
            "spec.deployTemplates[0].spec.containers[0].configVolumeMounts[0].subPath", "Not found"),
        pod("no containers", ["spec", "containers"], [], "spec.containers", "Required"),
        pod("container without a name", ["spec", "containers", "0", "name"], nil, "spec.containers[0].name", "Required"),
        pod("container without an image", ["spec", "containers", "0", "image"], nil, "spec.containers[0].image", "Required"),
        pod("bad name", ["metadata", "name"], "Bad_Name", "metadata.name", "RFC 1123"),
        pod("no name", ["metadata", "name"], nil, "metadata.name", "generateName is required"),
        pod("bad label", ["metadata", "labels"], ["a": "b c"], "metadata.labels", "valid label"),
        pod(
            "label is a number", ["metadata", "labels"], ["a": 1], "metadata.labels[a]", "must be of type string, found integer"),
        pod("unknown policy", ["spec", "restartPolicy"], "Maybe", "spec.restartPolicy", "Unsupported"),
        pod(
            "unknown volume", ["spec", "containers", "0", "volumeMounts"], [["name": "v", "mountPath": "/v"]],
            "spec.containers[0].volumeMounts[0].name", "Not found"),
        pod(
            "negative grace", ["spec", "terminationGracePeriodSeconds"], -1, "spec.terminationGracePeriodSeconds",
            "greater than or equal to 0"),
        pod(
            "negative limit", ["spec", "containers", "0", "resources"], ["limits": ["cpu": "-1"]],
            "spec.containers[0].resources.limits[cpu]", "greater than or equal to 0"),
        Case(
            name: "job in a domain's namespace", path: "/apis/kuscia.secretflow/v1alpha1/namespaces/alice/kusciajobs",
            body: Laboratory.job.with(["metadata", "namespace"], "alice"), field: "metadata.namespace", contains: "cross-domain"),
        Case(
            name: "secret that is no base64", path: "/api/v1/namespaces/alice/secrets",
            body: ["metadata": ["name": "s"], "data": ["k": "%"]], field: "data[k]", contains: "base64"),
        Case(
            name: "lease with a bad time", path: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            body: ["metadata": ["name": "l"], "spec": ["renewTime": "now"]], field: "spec.renewTime", contains: "RFC 3339"),
    ]

    @Test("bad input is refused with the field's path and the reason, and nothing is stored", arguments: cases)
    func refused(_ one: Case) async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("bob-1", domain: "bob", memory: "4Gi"))
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("bob-2", domain: "bob", memory: "8Gi"))
        let before = lab.store.revision
        let answer = try await lab.send(.post, one.path, one.body)
        #expect(answer.status == 422, "\(answer.message)")
        #expect(answer.reason == "Invalid")
        #expect(answer.fields.contains(one.field), "\(answer.body)")
        #expect(answer.message.contains("\(one.field): "))
        #expect(answer.message.contains(one.contains), "\(answer.message)")
        #expect(lab.store.revision == before)
    }

    private static let tasks = "/apis/kuscia.secretflow/v1alpha1/namespaces/cross-domain/kusciatasks"
    private static let task: JSONValue = [
        "metadata": ["name": "task"],
        "spec": ["initiator": "alice", "taskInputConfig": "", "parties": [["domainID": "alice", "appImageRef": "psi"]]],
    ]

    @Test("a KusciaTask outside cross-domain, where no controller looks, is refused")
    func taskElsewhere() async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(.post, "/apis/kuscia.secretflow/v1alpha1/namespaces/alice/kusciatasks", Self.task)
        #expect(answer.status == 422)
        #expect(answer.fields == ["metadata.namespace"], "\(answer.body)")
    }

    @Test("the spec of a KusciaTask cannot change; its labels can")
    func taskSpec() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.tasks, Self.task)
        let merge = "application/merge-patch+json"
        let refused = try await lab.send(.patch, "\(Self.tasks)/task", ["spec": ["taskInputConfig": "other"]], type: merge)
        #expect(refused.status == 422)
        #expect(refused.fields == ["spec.taskInputConfig"], "\(refused.body)")
        try await lab.must(.patch, "\(Self.tasks)/task", ["metadata": ["labels": ["a": "b"]]], type: merge)
    }

    @Test("a KusciaTask of a client that writes every field is taken; a job's task was looked at with its job")
    func emptyMembers() async throws {
        let lab = try await Laboratory()
        let container: JSONValue = [
            "name": "psi", "command": ["a"], "args": [], "ports": [], "image": "", "resources": [:], "configVolumeMounts": [],
        ]
        let full = Self.task.with(["spec", "parties", "0", "template"], ["spec": ["containers": [container], "affinity": [:]]])
        try await lab.must(.post, Self.tasks, full)
        let owner: JSONValue = ["apiVersion": "kuscia.secretflow/v1alpha1", "kind": "KusciaJob", "name": "j", "uid": "u"]
        let ofJob = Self.task.with(["metadata"], ["name": "other", "ownerReferences": [owner]])
            .with(["spec", "parties", "0", "appImageRef"], "gone")
        try await lab.must(.post, Self.tasks, ofJob)
    }

    @Test("a KusciaDeployment is stored with a warning that nothing comes of it")
    func deploymentWarning() async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(
            .post, "/apis/kuscia.secretflow/v1alpha1/namespaces/cross-domain/kusciadeployments",
            ["metadata": ["name": "d"], "spec": ["initiator": "alice", "parties": [["domainID": "alice", "appImageRef": "psi"]]]])
        #expect(answer.status == 201)
        #expect(answer.headers.contains { $0.name == "Warning" && $0.value.contains("nothing is deployed") }, "\(answer.headers)")
    }

    /// Job `p` with alias `b-c` and job `p-b` with alias `c` both make task p-b-c.
    @Test("a made-up task id that another job is going to use is refused, unless that job is over", arguments: [true, false])
    func wantedTaskID(prefixFirst: Bool) async throws {
        let lab = try await Laboratory()
        func job(_ name: String, _ alias: String) -> JSONValue {
            Laboratory.job.with(["metadata", "name"], .string(name))
                .with(["spec", "tasks"], [Laboratory.task(alias, dependencies: []).with(["taskID"], nil)])
        }
        let (first, second) = prefixFirst ? (job("p", "b-c"), job("p-b", "c")) : (job("p-b", "c"), job("p", "b-c"))
        try await lab.must(.post, Laboratory.jobs, first)
        let refused = try await lab.send(.post, Laboratory.jobs, second)
        #expect(refused.status == 422)
        #expect(refused.fields == ["spec.tasks[0].alias"], "\(refused.body)")
        #expect(refused.message.contains(prefixFirst ? #"KusciaJob "p""# : #"KusciaJob "p-b""#), "\(refused.message)")
        try await lab.must(
            .patch, "\(Laboratory.jobs)/\(prefixFirst ? "p" : "p-b")/status", ["status": ["phase": "Failed"]],
            type: "application/merge-patch+json")
        try await lab.must(.post, Laboratory.jobs, second)
    }

    @Test("an alias that the job controller makes a name of needs no taskID; one that is no label goes with a taskID")
    func aliases() async throws {
        let lab = try await Laboratory()
        func job(_ name: String, _ alias: String, _ id: JSONValue?) -> JSONValue {
            Laboratory.job.with(["metadata", "name"], .string(name))
                .with(["spec", "tasks"], [Laboratory.task(alias, dependencies: []).with(["taskID"], id)])
        }
        try await lab.must(.post, Laboratory.jobs, job("one", "PSI_1", nil))
        try await lab.must(.post, Laboratory.jobs, job("two", "PSI 交集 / 1", "two-psi"))
        let twice = job("three", "a_b", nil).with(
            ["spec", "tasks"],
            .array(["a_b", "a-b"].map { Laboratory.task($0, dependencies: []).with(["taskID"], nil) }))
        let refused = try await lab.send(.post, Laboratory.jobs, twice)
        #expect(refused.fields == ["spec.tasks[1].alias"], "\(refused.body)")
        #expect(refused.message.contains("three-a-b"))
    }

    @Test("a party's resources are for all its pods: judged is one pod's share, and what the party leaves to the template")
    func shares() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, "/api/v1/nodes", Laboratory.node("bob-1", domain: "bob", memory: "4Gi"))
        let memory = ["spec", "tasks", "0", "parties", "1", "resources", "limits"]
        let images = "/apis/kuscia.secretflow/v1alpha1/appimages/psi"
        let tooMuch = Laboratory.job.with(memory, ["memory": "8Gi"])
        let above = try await lab.send(.post, Laboratory.jobs, tooMuch)
        #expect(above.fields == ["spec.tasks[0].parties[1].resources.limits[memory]"])
        func setTemplate(_ member: String, _ value: JSONValue) async throws {
            let template = (Laboratory.appImage["spec"]?["deployTemplates"]?.arrayValue?.first ?? [:]).with([member], value)
            try await lab.must(
                .patch, images, ["spec": ["deployTemplates": [template]]], type: "application/merge-patch+json")
        }
        try await setTemplate("replicas", 2)
        try await lab.must(.post, Laboratory.jobs, tooMuch)
        try await setTemplate("spec", ["containers": [["name": "psi", "resources": ["requests": ["memory": "5Gi"]]]]])
        let other = Laboratory.job.with(["metadata", "name"], "other")
        let refused = try await lab.send(.post, Laboratory.jobs, other.with(memory, ["cpu": "1"]))
        #expect(refused.fields.contains("spec.tasks[0].parties[1].resources.requests[memory]"), "\(refused.body)")
    }

    @Test("a task id that another job's task has is refused; one of a former job of the same name is not")
    func takenTaskID() async throws {
        let lab = try await Laboratory()
        let tasks = "/apis/kuscia.secretflow/v1alpha1/namespaces/cross-domain/kusciatasks"
        func task(owner: String) -> JSONValue {
            [
                "metadata": [
                    "name": "job-first",
                    "ownerReferences": [
                        ["apiVersion": "kuscia.secretflow/v1alpha1", "kind": "KusciaJob", "name": .string(owner), "uid": "u"]
                    ],
                ],
                "spec": ["initiator": "alice", "taskInputConfig": "", "parties": [["domainID": "alice", "appImageRef": "psi"]]],
            ]
        }
        try await lab.must(.post, tasks, task(owner: "other"))
        let refused = try await lab.send(.post, Laboratory.jobs, Laboratory.job)
        #expect(refused.status == 422)
        #expect(refused.fields == ["spec.tasks[0].taskID"], "\(refused.body)")
        #expect(refused.message.contains("job-first"))
        try await lab.must(.delete, "\(tasks)/job-first")
        try await lab.must(.post, tasks, task(owner: "job"))
        try await lab.must(.post, Laboratory.jobs, Laboratory.job)
    }

    @Test("a good job, image and pod are accepted")
    func accepted() async throws {
        let lab = try await Laboratory()
        let job = try await lab.must(.post, Laboratory.jobs, Laboratory.job)
        #expect(job["spec"]?["scheduleMode"] == "Strict")
        try await lab.must(.post, Self.images, Self.image)
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
    }

    @Test("an unknown field is refused under Strict, else left out with a warning")
    func unknownFields() async throws {
        let lab = try await Laboratory()
        let body = Laboratory.pod("p").with(["spec", "containers", "0", "imag"], "x")
        let strict = try await lab.send(.post, "\(Self.pods)?fieldValidation=Strict", body)
        #expect(strict.status == 400)
        #expect(strict.message.hasSuffix("strict decoding error: unknown field \"spec.containers[0].imag\""))
        let warned = try await lab.send(.post, Self.pods, body)
        #expect(warned.status == 201)
        #expect(warned.headers.contains { $0.name == "Warning" && $0.value.contains("unknown field") })
        #expect(warned.body["spec"]?["containers"]?[0]?["imag"] == nil)
        let ignored = try await lab.send(.post, "\(Self.pods)?fieldValidation=Ignore", body.with(["metadata", "name"], "q"))
        #expect(ignored.status == 201)
        #expect(ignored.headers.isEmpty)
        #expect(try await lab.send(.post, "\(Self.pods)?fieldValidation=Hard", body).status == 422)
    }

    @Test("unknown kinds, wrong kinds and malformed bodies are told apart")
    func shapes() async throws {
        let lab = try await Laboratory()
        #expect(try await lab.send(.post, "/apis/kuscia.secretflow/v1alpha1/namespaces/alice/frobs", [:]).status == 404)
        #expect(try await lab.send(.get, "/apis/nope/v1/things").status == 404)
        #expect(try await lab.send(.post, "/api/v1/pods", Laboratory.pod("p")).status == 405)
        #expect(try await lab.send(.get, "/api/v1/namespaces/alice/nodes").status == 404)
        #expect(try await lab.send(.post, Self.pods, Laboratory.job).status == 400)
        #expect(try await lab.send(.post, Self.pods, Laboratory.pod("p").with(["apiVersion"], "v2")).status == 400)
        #expect(try await lab.send(.post, Self.pods, Laboratory.pod("p", namespace: "bob")).status == 400)
        #expect(try await lab.send(.post, Self.pods, [1]).status == 400)
        #expect(try await lab.send(.put, Self.pods, [:]).status == 405)
        #expect(try await lab.send(.post, "\(Self.pods)/p", [:]).status == 405)
        var broken = Laboratory.request(.post, Self.pods, nil, as: .master)
        broken.body = Array("{\"kind\":".utf8)
        guard case .document(let document) = await lab.handler.handle(broken) else {
            Issue.record("not a document")
            return
        }
        #expect(document.status == 400)
        broken.body = Array(repeating: 32, count: APIHandler.maximumBodyBytes + 1)
        guard case .document(let large) = await lab.handler.handle(broken) else {
            Issue.record("not a document")
            return
        }
        #expect(large.status == 413)
    }

    @Test("a pod's spec stands once it is made, but for image, deadline and added tolerations")
    func podSpecIsImmutable() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Self.pods, Laboratory.pod("p"))
        let strategic = "application/strategic-merge-patch+json"
        let policy = try await lab.send(.patch, "\(Self.pods)/p", ["spec": ["restartPolicy": "Never"]], type: strategic)
        #expect(policy.status == 422)
        #expect(policy.fields == ["spec"])
        try await lab.must(.patch, "\(Self.pods)/p", ["spec": ["containers": [["name": "c", "image": "new"]]]], type: strategic)
        try await lab.must(
            .patch, "\(Self.pods)/p", ["spec": ["tolerations": [["key": "a"]], "activeDeadlineSeconds": 5]], type: strategic)
        let removed = try await lab.send(.patch, "\(Self.pods)/p", ["spec": ["tolerations": []]], type: strategic)
        #expect(removed.status == 422)
        let node = try await lab.send(.patch, "\(Self.pods)/p", ["spec": ["nodeName": "n"]], type: strategic)
        #expect(node.status == 422)
    }

    @Test("a job's graph stands once it is submitted")
    func jobIsImmutable() async throws {
        let lab = try await Laboratory()
        try await lab.must(.post, Laboratory.jobs, Laboratory.job)
        let merge = "application/merge-patch+json"
        let tasks = try await lab.send(
            .patch, "\(Laboratory.jobs)/job", ["spec": ["tasks": [Laboratory.task("x", dependencies: [])]]], type: merge)
        #expect(tasks.status == 422)
        #expect(tasks.fields == ["spec.tasks"])
        try await lab.must(.patch, "\(Laboratory.jobs)/job", ["spec": ["maxParallelism": 3]], type: merge)
    }

    @Test(
        "a graph's cycle is found wherever it is",
        arguments: [
            ([[1], [2], []], nil), ([[1], [2], [0]], 3), ([[], [2], [1]], 2), ([[0]], 1), ([[1, 2], [3], [3], []], nil),
            ([], nil),
        ] as [([[Int]], Int?)])
    func cycles(_ edges: [[Int]], _ length: Int?) {
        #expect(KusciaJobRules.firstCycle(edges)?.count == length)
    }
}
