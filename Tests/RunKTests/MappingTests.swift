// What the cluster gets of a pod: names, labels, volumes, environments, and what is refused with its reason.
import JSON
import KubernetesClient
import KubernetesModel
import Testing

@testable import RunK

@Suite("Mapping")
struct MappingTests {
    private static func document(_ spec: JSONValue, annotations: JSONValue = [:]) -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": [
                "name": "job-a-psi-0", "namespace": "alice", "uid": "u-1",
                "labels": ["app": "psi", "kuscia.secretflow/task-id": "t"],
                "annotations": annotations, "resourceVersion": "7",
                "ownerReferences": [["apiVersion": "v1", "kind": "X", "name": "x", "uid": "y"]],
            ],
            "spec": spec,
        ]
    }

    private static func copy(_ document: JSONValue, _ configure: (inout RunKConfiguration) -> Void = { _ in }) throws -> JSONValue
    {
        var configuration = RunKConfiguration(node: "n", namespace: "team")
        configure(&configuration)
        let pod = try JSON.decode(Pod.self, from: document)
        let names = ClusterNames(source: "", namespace: "alice", name: "job-a-psi-0", uid: "u-1")
        return try ClusterPodMapping(configuration: configuration, names: names, document: document, pod: pod).copy()
    }

    private static let plain: JSONValue = [
        "nodeName": "n", "schedulerName": "s", "nodeSelector": ["a": "b"], "runtimeClassName": "runk", "hostNetwork": true,
        "priority": 5, "serviceAccountName": "default",
        "tolerations": [["key": "kuscia.secretflow/agent", "operator": "Exists"]],
        "containers": [
            [
                "name": "main", "image": "psi:1", "ports": [["containerPort": 20001, "hostPort": 20001]],
                "lifecycle": ["preStop": ["exec": ["command": ["bye"]]]],
                "env": [
                    ["name": "NAME", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]],
                    ["name": "IP", "valueFrom": ["fieldRef": ["fieldPath": "status.podIP"]]],
                    ["name": "KEY", "valueFrom": ["secretKeyRef": ["name": "s", "key": "k"]]],
                ],
                "envFrom": [["configMapRef": ["name": "settings"]]],
            ]
        ],
    ]

    @Test("what is ours is taken off, what no view knows arrives unchanged, the pod's own name stays its name")
    func strips() throws {
        let copy = try Self.copy(Self.document(Self.plain))
        let spec = try #require(copy["spec"])
        for field in [
            "nodeName", "schedulerName", "nodeSelector", "runtimeClassName", "hostNetwork", "priority", "tolerations",
            "serviceAccountName",
        ] {
            #expect(spec[field] == nil, "\(field)")
        }
        let container = try #require(spec["containers"]?[0])
        #expect(container[path: "lifecycle", "preStop"] != nil)
        #expect(container["env"]?[0]?["value"]?.stringValue == "job-a-psi-0")
        #expect(container["env"]?[1]?[path: "valueFrom", "fieldRef", "fieldPath"]?.stringValue == "status.podIP")
        #expect(container["ports"]?[0]?["hostPort"] == nil)
        let labels = copy[path: "metadata", "labels"]
        #expect(labels?["app"]?.stringValue == "psi" && labels?["kuscia.secretflow/task-id"] == nil)
        #expect(
            labels?["kuscia.secretflow/node"]?.stringValue == "n" && labels?["kuscia.secretflow/pod-uid"]?.stringValue == "u-1")
        #expect(copy[path: "metadata", "ownerReferences"] == nil && copy[path: "metadata", "uid"] == nil)
        #expect(copy[path: "metadata", "finalizers"]?[0]?.stringValue == "swiftlet.io/runk")
    }

    @Test("what the operator wants is added: labels, affinity, tolerations, RuntimeClass, resolvers, the node's network")
    func adds() throws {
        let copy = try Self.copy(Self.document(Self.plain)) { configuration in
            configuration.labelsToAdd = ["team": "a"]
            configuration.annotationsToAdd = ["note": "b"]
            configuration.affinity = ["nodeAffinity": [:]]
            configuration.tolerations = [["key": "gpu", "operator": "Exists"]]
            configuration.runtimeClassName = "kata"
            configuration.dnsServers = ["10.0.0.2"]
            configuration.exposure = .hostNetwork
        }
        #expect(
            copy[path: "metadata", "labels", "team"]?.stringValue == "a"
                && copy[path: "metadata", "annotations", "note"]?.stringValue == "b")
        #expect(
            copy[path: "spec", "runtimeClassName"]?.stringValue == "kata" && copy[path: "spec", "affinity", "nodeAffinity"] != nil
        )
        #expect(copy[path: "spec", "dnsPolicy"]?.stringValue == "None" && copy[path: "spec", "hostNetwork"]?.boolValue == true)
        #expect(copy[path: "spec", "tolerations"]?[0]?["key"]?.stringValue == "gpu")
        #expect(copy[path: "spec", "containers"]?[0]?["ports"]?[0]?["hostPort"]?.intValue == 20001)
    }

    @Test("every reference leads to the pod's own copy of an object")
    func references() throws {
        let copy = try Self.copy(Self.document(Self.plain))
        let name = try #require(copy[path: "metadata", "name"]?.stringValue)
        let container = try #require(copy["spec"]?["containers"]?[0])
        #expect(container["env"]?[2]?[path: "valueFrom", "secretKeyRef", "name"]?.stringValue == "\(name).s")
        #expect(container["envFrom"]?[0]?[path: "configMapRef", "name"]?.stringValue == "\(name).settings")
    }

    @Test(
        "claims become the cluster's: one for one, or a directory each in a common one; without a claim scratch where that is allowed"
    )
    func claims() throws {
        let spec: JSONValue = [
            "containers": [
                [
                    "name": "main",
                    "volumeMounts": [
                        ["name": "job", "mountPath": "/job", "subPath": "x"], ["name": "data", "mountPath": "/data"],
                    ],
                ]
            ],
            "volumes": [
                ["name": "job", "persistentVolumeClaim": ["claimName": "job-17"]],
                ["name": "data", "persistentVolumeClaim": ["claimName": "domain-data", "readOnly": true]],
            ],
        ]
        let mapped = try Self.copy(Self.document(spec)) { $0.claims = ["job-*": "jobs", "domain-data": "alice-data"] }
        #expect(mapped[path: "spec", "volumes"]?[0]?[path: "persistentVolumeClaim", "claimName"]?.stringValue == "jobs")
        #expect(mapped[path: "spec", "volumes"]?[1]?[path: "persistentVolumeClaim", "claimName"]?.stringValue == "alice-data")
        #expect(mapped[path: "spec", "containers"]?[0]?["volumeMounts"]?[0]?["subPath"]?.stringValue == "job-17/x")
        #expect(mapped[path: "spec", "containers"]?[0]?["volumeMounts"]?[1]?["subPath"] == nil)
        let scratch = try Self.copy(Self.document(spec)) { $0.localData = .scratch }
        #expect(
            scratch[path: "spec", "volumes"]?[0]?["emptyDir"] != nil
                && scratch[path: "spec", "volumes"]?[0]?["persistentVolumeClaim"] == nil)
        let configuration = RunKConfiguration(node: "n", namespace: "team")
        let refusal = try #require(ClusterRefusal.check(Self.document(spec), configuration))
        #expect(
            refusal.reason == "LocalDataNotSupported" && refusal.message.contains("job-17")
                && refusal.message.contains("swiftlet.runk.claims"))
    }

    @Test(
        "files of this node, its processes and its tokens cannot follow; each is named",
        arguments: [
            (["volumes": [["name": "v", "hostPath": ["path": "/etc"]]]], "/etc"),
            (["hostPID": true], "hostPID"), (["hostIPC": true], "hostIPC"),
            (["volumes": [["name": "v", "projected": ["sources": [["serviceAccountToken": ["path": "t"]]]]]]], "token"),
        ] as [(JSONValue, String)])
    func refuses(spec: JSONValue, word: String) throws {
        let configuration = RunKConfiguration(node: "n", namespace: "team", localData: .scratch)
        let refusal = try #require(ClusterRefusal.check(Self.document(spec), configuration))
        #expect(refusal.message.contains(word), "\(refusal)")
    }

    @Test("fields of the pod shown as files come from a ConfigMap, as the cluster would show its own")
    func downward() throws {
        let spec: JSONValue = [
            "containers": [["name": "main"]],
            "volumes": [
                [
                    "name": "d",
                    "downwardAPI": [
                        "items": [
                            ["path": "name", "fieldRef": ["fieldPath": "metadata.name"]],
                            ["path": "cpu", "resourceFieldRef": ["containerName": "main", "resource": "limits.cpu"]],
                        ]
                    ],
                ]
            ],
        ]
        let sources = try Self.copy(Self.document(spec))[path: "spec", "volumes"]?[0]?[path: "projected", "sources"]
        #expect(sources?[0]?[path: "configMap", "items"]?[0]?["key"]?.stringValue == "metadata.name")
        #expect(sources?[1]?[path: "downwardAPI", "items"]?[0]?["path"]?.stringValue == "cpu")
    }

    @Test("names are those of a Kubernetes object, the same for the same pod and different for any other")
    func names() {
        let long = String(repeating: "very-long-name.", count: 16)
        var found: Set<String> = []
        for source in ["", "other"] {
            for namespace in ["alice", "bob"] {
                for name in ["a", long, "x.y"] {
                    for uid in ["1", "2"] {
                        let names = ClusterNames(source: source, namespace: namespace, name: name, uid: uid)
                        #expect(names == ClusterNames(source: source, namespace: namespace, name: name, uid: uid))
                        #expect(names.pod.utf8.count <= 63 && names.pod.allSatisfy { $0.isLowercase || $0.isNumber || $0 == "-" })
                        #expect(
                            names.object(long + long).utf8.count <= 253 && names.object("a") != names.object("a", rendered: true))
                        found.insert(names.pod)
                    }
                }
            }
        }
        #expect(found.count == 24)
    }

    @Test(
        "a quota that is used up and a namespace that is away are waited for; what was denied is refused with the words that said so"
    )
    func failures() {
        func failure(_ code: Int, _ reason: String, _ message: String) -> CreationFailure {
            CreationFailure(
                KubernetesAPIError.status(APIStatus(status: "Failure", message: message, reason: reason, code: code)),
                namespace: "team")
        }
        #expect(
            failure(403, "Forbidden", "pods \"x\" is forbidden: exceeded quota: q")
                == .wait(reason: "QuotaExceeded", message: "pods \"x\" is forbidden: exceeded quota: q"))
        #expect(failure(409, "AlreadyExists", "") == .present)
        let denied = "admission webhook \"w\" denied the request: no"
        #expect(failure(403, "Forbidden", denied) == .refuse(ClusterRefusal(reason: "AdmissionDenied", message: denied)))
        #expect(failure(422, "Invalid", "m") == .refuse(ClusterRefusal(reason: "Invalid", message: "m")))
        for code in [429, 500, 503] { #expect(failure(code, "X", "m") == .retry) }
        #expect(failure(401, "Unauthorized", "m") == .wait(reason: "Unauthorized", message: "m"))
        if case .wait(let reason, _) = failure(404, "NotFound", "namespaces \"team\" not found") {
            #expect(reason == "NamespaceNotFound")
        } else {
            Issue.record("a namespace that is not there is no end")
        }
    }
}
