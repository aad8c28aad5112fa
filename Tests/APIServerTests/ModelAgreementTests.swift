// What our own typed views write must pass the schemas strictly: a field that a controller writes and the API server
// drops would be lost without a word.
import JSON
import KubernetesModel
import KusciaModel
import Testing

@testable import APIServer

struct ModelAgreementTests {
    /// Every string key in the shape of a view, found by decoding from a recording of all keys is not possible; so these
    /// are full examples in JSON, as the controllers and the agent write them.
    static let examples: [(kind: String, resource: GroupVersionResource, json: String)] = [
        (
            "KusciaTask", KusciaTask.resource,
            #"""
            {"metadata":{"name":"t","namespace":"cross-domain"},
             "spec":{"initiator":"alice","taskInputConfig":"{}","scheduleConfig":{"minReservedMembers":2,"lifecycleSeconds":300,"retryIntervalSeconds":30,"resourceReservedSeconds":30},
              "parties":[{"domainID":"alice","appImageRef":"psi","role":"r","minReservedPods":1,"bandwidthLimits":[{"destinationID":"bob","limitKBps":10}],
               "template":{"replicas":1,"spec":{"restartPolicy":"Never","containers":[{"name":"c","command":["a"],"args":["b"],"workingDir":"/","image":"x","env":[{"name":"A","value":"1"}],
                "ports":[{"name":"p","protocol":"HTTP","port":1,"scope":"Cluster"}],"configVolumeMounts":[{"mountPath":"/a","subPath":"b"}],"resources":{"limits":{"cpu":1}}}]}}}]},
             "status":{"phase":"Running","progress":0.5,"partyTaskStatus":[{"domainID":"alice","role":"r","phase":"Running","message":"m"}],"reason":"r","message":"m",
              "conditions":[{"type":"Running","status":"True","reason":"r","message":"m","lastUpdateTime":"2026-11-21T04:00:00Z","lastTransitionTime":"2026-11-21T04:00:00Z"}],
              "podStatuses":{"alice/t-0":{"podPhase":"Running","usage":{"containers":{"c":{"cpuSeconds":1.5}}}}},"serviceStatuses":{"alice/s":{}},
              "allocatedPorts":[{"domainID":"alice","role":"r","namedPort":{"t-0/p":20000}}],
              "partyLayouts":[{"domainID":"alice","role":"r","pods":1,"minReservedPods":1,"reachablePorts":["p"]}],"startTime":"2026-11-21T04:00:00Z","completionTime":"2026-11-21T04:00:00Z","lastReconcileTime":"2026-11-21T04:00:00Z"}}
            """#
        ),
        (
            "KusciaJob", KusciaJob.resource,
            #"""
            {"metadata":{"name":"j","namespace":"cross-domain"},"spec":{"initiator":"alice","tasks":[{"alias":"a","taskID":"a","appImage":"psi","tolerable":true,"priority":1,
              "scheduleConfig":{"lifecycleSeconds":3},"parties":[{"domainID":"alice","role":"r","resources":{"requests":{"cpu":"1"}},"bandwidthLimits":[]}]}]},
             "status":{"phase":"Running","approveStatus":{"alice":"JobAccepted"},"stageStatus":{"alice":"x"},"conditions":[],"reason":"r","message":"m",
              "taskStatus":{"a":"Running"},"partyTaskCreateStatus":{"a":[{"domainID":"alice"}]},"startTime":"2026-11-21T04:00:00Z","completionTime":"2026-11-21T04:00:00Z","lastReconcileTime":"2026-11-21T04:00:00Z"}}
            """#
        ),
    ]

    @Test("full examples of our kinds hold no field that the schema does not know", arguments: examples.indices)
    func known(_ index: Int) throws {
        let example = Self.examples[index]
        let kind = try #require(KindRegistry()[example.resource])
        var findings = SchemaFindings()
        _ = kind.schema.cleaned(try JSONValue(parsing: example.json), at: "", &findings)
        #expect(findings.unknownFields == [])
        #expect(findings.errors == [])
    }

    @Test("the typed views' endpoints are served")
    func endpoints() {
        let registry = KindRegistry()
        for (resource, kind) in [
            (Pod.resource, Pod.kind), (Node.resource, Node.kind), (Lease.resource, Lease.kind),
            (KusciaJob.resource, KusciaJob.kind), (KusciaTask.resource, KusciaTask.kind), (AppImage.resource, AppImage.kind),
            (Domain.resource, Domain.kind), (ConfigMap.resource, ConfigMap.kind), (Namespace.resource, Namespace.kind),
            (CertificateSigningRequest.resource, CertificateSigningRequest.kind),
        ] {
            #expect(registry[resource]?.declaration.kind == kind)
        }
    }
}
