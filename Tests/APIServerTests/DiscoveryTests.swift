// What clients find out about the server: discovery, versions, OpenAPI.
import JSON
import Testing

@testable import APIServer

struct DiscoveryTests {
    private static let core = [
        "bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims",
        "persistentvolumes",
        "pods", "replicationcontrollers", "resourcequotas", "secrets", "serviceaccounts", "services",
    ]

    @Test("aggregated discovery lists every group in the version that is asked for", arguments: ["v2", "v2beta1"])
    func aggregated(_ version: String) async throws {
        let lab = try await Laboratory()
        let accept = "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList,application/json"
        let answer = try await lab.send(.get, "/apis", accept: accept)
        #expect(answer.contentType == "application/json;g=apidiscovery.k8s.io;v=\(version);as=APIGroupDiscoveryList")
        #expect(answer.body["kind"] == "APIGroupDiscoveryList")
        #expect(answer.body["apiVersion"] == .string("apidiscovery.k8s.io/\(version)"))
        let groups = (answer.body["items"]?.arrayValue ?? []).compactMap { $0["metadata"]?["name"]?.stringValue }
        #expect(
            groups == [
                "apps", "authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io",
                "discovery.k8s.io", "events.k8s.io", "kuscia.secretflow", "metrics.k8s.io", "node.k8s.io", "policy",
                "rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io",
            ])
        let core = try await lab.send(.get, "/api", accept: accept).body["items"]?[0]?["versions"]?[0]
        let names = (core?["resources"]?.arrayValue ?? []).compactMap { $0["resource"]?.stringValue }
        #expect(names == Self.core)
        let pods = core?["resources"]?.arrayValue?.first { $0["resource"] == "pods" }
        #expect(pods?["shortNames"] == ["po"])
        let parts = pods?["subresources"]?.arrayValue?.compactMap { $0["subresource"]?.stringValue } ?? []
        #expect(
            parts == [
                "attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "status",
            ])
        let namespaces = core?["resources"]?.arrayValue?.first { $0["resource"] == "namespaces" }
        #expect(namespaces?["verbs"] == ["create", "delete", "get", "list", "patch", "update", "watch"])
        // As in the sample of a real server.
        #expect(pods?["verbs"] == ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"])
        #expect(pods?["responseKind"] == ["group": "", "version": "v1", "kind": "Pod"])
    }

    @Test("plain discovery serves older clients")
    func plain() async throws {
        let lab = try await Laboratory()
        #expect(try await lab.must(.get, "/api")["versions"] == ["v1"])
        #expect(try await lab.must(.get, "/apis")["groups"]?.arrayValue?.count == 14)
        let list = try await lab.must(.get, "/apis/kuscia.secretflow/v1alpha1")
        #expect(list["kind"] == "APIResourceList")
        let jobs = list["resources"]?.arrayValue?.first { $0["name"] == "kusciajobs" }
        #expect(jobs?["shortNames"] == ["kj"])
        #expect(jobs?["kind"] == "KusciaJob")
        #expect(list["resources"]?.arrayValue?.contains { $0["name"] == "kusciajobs/status" } == true)
        #expect(try await lab.must(.get, "/apis/kuscia.secretflow")["preferredVersion"]?["version"] == "v1alpha1")
    }

    @Test("a known ETag is answered with 304")
    func etag() async throws {
        let lab = try await Laboratory()
        let first = try await lab.send(.get, "/apis")
        let etag = first.headers.first { $0.name == "ETag" }?.value ?? ""
        #expect(etag.count > 10)
        let second = try await lab.send(.get, "/apis", ifNoneMatch: etag)
        #expect(second.status == 304)
        #expect(try await lab.send(.get, "/api", ifNoneMatch: etag).status == 200)
    }

    @Test("health and version answer")
    func health() async throws {
        let lab = try await Laboratory()
        for path in ["/healthz", "/livez", "/readyz", "/readyz/ping"] {
            #expect(try await lab.send(.get, path).body == "ok")
        }
        let version = try await lab.must(.get, "/version")
        #expect(version["major"] == "1")
        #expect(version["minor"] == "33")
        #expect(version["gitVersion"]?.stringValue?.hasPrefix("v1.33.") == true)
    }

    @Test("the OpenAPI index leads to documents that name each kind and each write's fieldValidation")
    func openAPI() async throws {
        let lab = try await Laboratory()
        let index = try await lab.must(.get, "/openapi/v3")["paths"]?.objectValue ?? [:]
        #expect(index.keys.contains("api/v1"))
        #expect(index.keys.contains("apis/kuscia.secretflow/v1alpha1"))
        for (path, entry) in index {
            let url = entry["serverRelativeURL"]?.stringValue ?? ""
            #expect(url.hasPrefix("/openapi/v3/\(path)?hash="))
            let document = try await lab.must(.get, url)
            let schemas = document["components"]?["schemas"]?.objectValue ?? [:]
            for (name, schema) in schemas { checkReferences(schema, schemas, name) }
            #expect(!schemas.isEmpty)
        }
        let document = try await lab.must(.get, "/openapi/v3/apis/kuscia.secretflow/v1alpha1")
        let job = document["components"]?["schemas"]?["secretflow.kuscia.v1alpha1.KusciaJob"]
        #expect(job?["x-kubernetes-group-version-kind"]?[0]?["kind"] == "KusciaJob")
        let patch = document["paths"]?["/apis/kuscia.secretflow/v1alpha1/namespaces/{namespace}/kusciajobs/{name}"]?["patch"]
        #expect(patch?["x-kubernetes-group-version-kind"]?["kind"] == "KusciaJob")
        #expect(patch?["parameters"]?.arrayValue?.contains { $0["name"] == "fieldValidation" } == true)
    }

    private func checkReferences(_ value: JSONValue, _ schemas: JSONObject, _ place: String) {
        switch value {
        case .object(let object):
            if let reference = object["$ref"]?.stringValue {
                #expect(schemas[String(reference.dropFirst("#/components/schemas/".count))] != nil, "\(place): \(reference)")
            }
            for (key, one) in object { checkReferences(one, schemas, "\(place).\(key)") }
        case .array(let elements):
            for element in elements { checkReferences(element, schemas, place) }
        case .null, .bool, .int, .double, .string: return
        }
    }

    @Test("OpenAPI v2 is there in JSON and in protobuf")
    func openAPIv2() async throws {
        let lab = try await Laboratory()
        #expect(try await lab.must(.get, "/openapi/v2")["swagger"] == "2.0")
        let protobuf = try await lab.send(
            .get, "/openapi/v2", accept: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        #expect(protobuf.contentType == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        #expect(OpenAPIv2(registry: KindRegistry()).protobuf.starts(with: [0x0A, 3] + Array("2.0".utf8) + [0x12]))
    }

    // MARK: Tables

    private let table =
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"

    private func cells(_ lab: Laboratory, _ path: String) async throws -> [JSONValue] {
        let answer = try await lab.send(.get, path, accept: table)
        #expect(answer.body["kind"] == "Table")
        let row = answer.body["rows"]?[0]
        #expect(row?["object"]?["kind"] == "PartialObjectMetadata")
        return row?["cells"]?.arrayValue ?? []
    }

    @Test("a pod's row tells what kubectl users expect")
    func podTable() async throws {
        let lab = try await Laboratory()
        let pods = "/api/v1/namespaces/alice/pods"
        try await lab.must(.post, pods, Laboratory.pod("p", node: "n"))
        #expect(try await cells(lab, pods).prefix(5) == ["p", "0/1", "Pending", "0", "0s"])
        try await lab.must(
            .patch, "\(pods)/p/status",
            [
                "status": [
                    "phase": "Failed", "podIP": "10.0.0.1",
                    "containerStatuses": [
                        [
                            "name": "c", "restartCount": 2,
                            "state": ["terminated": ["exitCode": 137, "reason": "OOMKilled"]],
                        ]
                    ],
                ]
            ],
            type: "application/merge-patch+json")
        #expect(try await cells(lab, pods).prefix(7) == ["p", "0/1", "OOMKilled", "2", "0s", "10.0.0.1", "n"])
        try await lab.must(
            .patch, "\(pods)/p/status",
            ["status": ["phase": "Running", "containerStatuses": [["name": "c", "ready": true, "state": ["running": [:]]]]]],
            type: "application/merge-patch+json")
        #expect(try await cells(lab, "\(pods)/p").prefix(3) == ["p", "1/1", "Running"])
        try await lab.must(.delete, "\(pods)/p")
        #expect(try await cells(lab, pods)[2] == "Terminating")
    }

    @Test("a node's and a job's rows")
    func otherTables() async throws {
        let lab = try await Laboratory()
        let node = Laboratory.node("n", domain: "alice").with(["metadata", "labels", "kubernetes.io/role"], "agent")
            .with(["status", "conditions"], [["type": "Ready", "status": "True"]])
        try await lab.must(.post, "/api/v1/nodes", node)
        #expect(try await cells(lab, "/api/v1/nodes").prefix(4) == ["n", "Ready", "agent", "0s"])
        try await lab.must(.post, Laboratory.jobs, Laboratory.job)
        try await lab.must(
            .patch, "\(Laboratory.jobs)/job/status",
            ["status": ["phase": "Running", "startTime": .string(RFC3339.text(seconds: Laboratory.now - 61))]],
            type: "application/merge-patch+json")
        #expect(try await cells(lab, Laboratory.jobs) == ["job", "61s", "", "", "Running"])
    }

    @Test("metadata alone is served when asked for")
    func partialMetadata() async throws {
        let lab = try await Laboratory()
        let answer = try await lab.send(
            .get, "/api/v1/namespaces", accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        #expect(answer.body["kind"] == "PartialObjectMetadataList")
        #expect(answer.body["items"]?[0]?["kind"] == "PartialObjectMetadata")
        #expect(answer.body["items"]?[0]?["spec"] == nil)
    }
}
