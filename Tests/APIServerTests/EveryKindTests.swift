// One test for all declared kinds: what is declared is served, from create to delete, in tables, discovery and OpenAPI.
import JSON
import KubernetesModel
import Testing

@testable import APIServer

struct EveryKindTests {
    /// The least that a kind demands beside its name.
    static let minimal: [String: JSONValue] = [
        "Pod": ["spec": ["containers": [["name": "c", "image": "busybox"]]]],
        "Service": ["spec": ["ports": [["port": 80]]]],
        "Event": ["involvedObject": ["kind": "Pod", "namespace": "alice", "name": "p"]],
        "events.k8s.io/Event": [
            "regarding": ["kind": "Pod", "namespace": "alice", "name": "p"], "eventTime": "2026-11-21T10:00:00.000001Z",
            "reportingController": "c", "reportingInstance": "i", "action": "A", "reason": "R", "type": "Normal", "note": "n",
        ],
        "PersistentVolumeClaim": ["spec": ["accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": "1Gi"]]]],
        "PersistentVolume": [
            "spec": ["accessModes": ["ReadWriteOnce"], "capacity": ["storage": "1Gi"], "hostPath": ["path": "/data"]]
        ],
        "RuntimeClass": ["handler": "runc"],
        "EndpointSlice": ["addressType": "IPv4", "endpoints": []],
        "CertificateSigningRequest": ["spec": ["request": "eA==", "signerName": "example.com/x", "usages": ["client auth"]]],
        "RoleBinding": ["roleRef": ["kind": "Role", "name": "r"]],
        "ClusterRoleBinding": ["roleRef": ["kind": "ClusterRole", "name": "r"]],
        "ReplicaSet": [
            "spec": [
                "selector": ["matchLabels": ["a": "b"]],
                "template": ["metadata": ["labels": ["a": "b"]], "spec": ["containers": [["name": "c", "image": "i"]]]],
            ]
        ],
        "StatefulSet": [
            "spec": [
                "selector": ["matchLabels": ["a": "b"]],
                "template": ["metadata": ["labels": ["a": "b"]], "spec": ["containers": [["name": "c", "image": "i"]]]],
            ]
        ],
        "StorageClass": ["provisioner": "example.com/x"],
        "CSINode": ["spec": ["drivers": []]], "CSIDriver": ["spec": [:]], "CSIStorageCapacity": ["storageClassName": "c"],
        "VolumeAttachment": ["spec": ["attacher": "a", "nodeName": "n", "source": ["persistentVolumeName": "v"]]],
        "AppImage": Laboratory.appImage.with(["metadata"], nil),
        "KusciaJob": Laboratory.job.with(["metadata"], nil),
        "KusciaTask": ["spec": ["initiator": "alice", "parties": [["domainID": "alice", "appImageRef": "psi"]]]],
        "KusciaDeployment": ["spec": ["initiator": "alice", "parties": [["domainID": "alice", "appImageRef": "psi"]]]],
        "ClusterDomainRoute": ["spec": ["source": "alice", "destination": "bob"]],
        "DomainRoute": ["spec": ["source": "alice", "destination": "bob"]],
        "DomainData": ["spec": ["name": "d", "type": "table"]],
        "DomainDataSource": ["spec": ["name": "d", "type": "localfs"]],
        "DomainDataGrant": ["spec": ["author": "alice", "domainDataID": "d", "grantDomain": "bob"]],
        "InteropConfig": ["spec": ["host": "alice"]], "TaskResource": ["spec": [:]], "TaskResourceGroup": ["spec": [:]],
    ]

    static let stored = KindRegistry.all.filter { !$0.isReview }.map(\.resource)

    @Test("a declared kind is created, read, listed as a table, updated, deleted, and found by clients", arguments: stored)
    func life(_ resource: GroupVersionResource) async throws {
        let kind = try #require(KindRegistry()[resource]).declaration
        let laboratory = try await Laboratory()
        let namespace = ["KusciaJob", "KusciaTask"].contains(kind.kind) ? "cross-domain" : "alice"
        let group = kind.group.isEmpty ? "/api/v1" : "/apis/\(kind.group)/\(resource.version)"
        let collection = (kind.namespaced ? "\(group)/namespaces/\(namespace)/" : "\(group)/") + resource.resource
        var object: JSONValue = Self.minimal["\(kind.group)/\(kind.kind)"] ?? Self.minimal[kind.kind] ?? [:]
        object["apiVersion"] = .string(resource.apiVersion)
        object["kind"] = .string(kind.kind)
        object["metadata"] = ["name": "one"]

        let created = try await laboratory.must(.post, "\(collection)?fieldValidation=Strict", object)
        #expect(created["kind"]?.stringValue == kind.kind)
        #expect(created["apiVersion"]?.stringValue == resource.apiVersion)
        let read = try await laboratory.must(.get, "\(collection)/one")
        #expect(read["metadata"]?["uid"] == created["metadata"]?["uid"])

        let table = try await laboratory.send(.get, collection, accept: "application/json;as=Table;v=v1;g=meta.k8s.io")
        #expect(table.body["kind"] == "Table")
        let columns = table.body["columnDefinitions"]?.arrayValue?.count ?? 0
        #expect(columns >= 2)
        for row in table.body["rows"]?.arrayValue ?? [] { #expect(row["cells"]?.arrayValue?.count == columns) }

        // What was read is accepted again under Strict: nothing that the server writes is unknown to it.
        let updated = try await laboratory.must(
            .put, "\(collection)/one?fieldValidation=Strict", read.with(["metadata", "labels"], ["a": "b"]))
        #expect(updated["metadata"]?["labels"]?["a"] == "b")

        try await laboratory.must(.delete, "\(collection)/one?gracePeriodSeconds=0")
        if kind.kind != "Namespace" {
            #expect(try await laboratory.send(.get, "\(collection)/one").status == 404)
        }

        let discovery = try await laboratory.must(.get, group)
        let names = (discovery["resources"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue }
        #expect(names.contains(resource.resource))
        let document = try await laboratory.must(.get, "/openapi/v3\(group)")
        let schema = document["components"]?["schemas"]?[kind.openAPIName]
        #expect(schema?["x-kubernetes-group-version-kind"]?[0]?["kind"]?.stringValue == kind.kind)
        let path = (kind.namespaced ? "\(group)/namespaces/{namespace}/" : "\(group)/") + resource.resource
        #expect(document["paths"]?[path] != nil)
    }

    @Test("every reference in an OpenAPI document leads somewhere")
    func references() throws {
        let registry = KindRegistry()
        for groupVersion in registry.groupVersions {
            let document = OpenAPIDocument(registry: registry, groupVersion: groupVersion).document
            let known = Set(document["components"]?["schemas"]?.objectValue?.keys ?? [])
            var missing: [String] = []
            Self.walk(document) { reference in
                let name = String(reference.dropFirst("#/components/schemas/".count))
                if !known.contains(name) { missing.append(name) }
            }
            #expect(missing == [], "\(groupVersion)")
        }
    }

    private static func walk(_ value: JSONValue, _ found: (String) -> Void) {
        switch value {
        case .object(let members):
            for (key, member) in members {
                if key == "$ref", let reference = member.stringValue { found(reference) } else { walk(member, found) }
            }
        case .array(let elements): for element in elements { walk(element, found) }
        case .null, .bool, .int, .double, .string: return
        }
    }
}
