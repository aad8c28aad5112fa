// What goes by itself: namespaces and their content, old events, pods that nobody ends; what comes by itself: defaults; and
// what is counted: quotas.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Testing

@testable import Controllers

@Suite("content of namespaces", .timeLimit(.minutes(1)))
struct ContentTests {
    private func run(
        _ lab: ControllerLab, authority: String? = nil, _ body: () async throws -> Void
    ) async throws {
        let manager = ControllerManager(
            api: lab.api, now: { MicroTimestamp(testTime) }, firstPort: 20_000, authority: authority, logger: lab.logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await manager.run() }
            defer { group.cancelAll() }
            try await body()
        }
    }

    @Test("a namespace that is deleted loses its content kind by kind, says what keeps it, and its finalizer goes last")
    func namespaceEnds() async throws {
        let lab = try ControllerLab()
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "kept", namespace: "gone", finalizers: ["example.com/wait"])))
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "plain", namespace: "gone")))
        try lab.api.put(ConfigMap(metadata: ObjectMeta(name: "other", namespace: "alice")))
        try lab.api.put(
            Namespace(
                metadata: ObjectMeta(name: "gone", deletionTimestamp: testTime, finalizers: ["kubernetes"]),
                status: NamespaceStatus(phase: "Terminating")))
        try await run(lab) {
            let told = try await lab.wait("what remains is said", Namespace.self) { namespaces in
                namespaces.first { $0.metadata.name == "gone" }?.status.conditions.contains {
                    $0.type == "NamespaceFinalizersRemaining" && $0.status == .true
                }
                    ?? false
            }
            let message = told.first { $0.metadata.name == "gone" }?.status.conditions.first {
                $0.type == "NamespaceContentRemaining"
            }?.message
            #expect(message == "Some resources are remaining: configmaps has 1 resource instances")
            #expect(!lab.api.calls.contains { $0.subresource == "finalize" }, "I-NS-1")
            try await lab.api.patch(ConfigMap.self, namespace: "gone", name: "kept", merge: ["metadata": ["finalizers": .null]])
            try await eventually("finalized") { lab.api.calls.contains { $0.subresource == "finalize" && $0.name == "gone" } }
        }
        #expect(try lab.api.objects(ConfigMap.self).map(\.metadata.name) == ["other"])
    }

    @Test("I-NS-1: conditions tell of everything that is left; only a namespace that was seen empty whole is empty")
    func conditions() {
        var content = NamespaceContent()
        #expect(content.isEmpty)
        content.failures = ["pods: no answer"]
        #expect(!content.isEmpty)
        content.count(Pod.resource, [LifeMetadata(finalizers: ["a/b"]), LifeMetadata()])
        let conditions = content.conditions(after: [], now: testTime)
        #expect(
            conditions.filter { $0.status == .true }.map(\.type) == [
                "NamespaceDeletionContentFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining",
            ])
        let later = content.conditions(after: conditions, now: testTime.adding(seconds: 5))
        #expect(later == conditions, "times move only with the status")
    }

    @Test("every namespace gets its service account and the cluster's authority, again and again, but not while it ends")
    func defaults() async throws {
        let lab = try ControllerLab()
        try lab.api.put(Namespace(metadata: ObjectMeta(name: "fresh"), status: NamespaceStatus(phase: "Active")))
        try await run(lab, authority: "PEM") {
            try await lab.wait("service account", ServiceAccount.self) {
                $0.contains { $0.metadata.namespace == "fresh" && $0.metadata.name == "default" }
            }
            try await lab.wait("authority", ConfigMap.self) { maps in
                maps.contains {
                    $0.metadata.namespace == "fresh" && $0.metadata.name == "kube-root-ca.crt" && $0.data["ca.crt"] == "PEM"
                }
            }
            try await lab.api.delete(ConfigMap.self, namespace: "fresh", name: "kube-root-ca.crt")
            try await lab.wait("it comes back", ConfigMap.self) { $0.contains { $0.metadata.namespace == "fresh" } }
        }
    }

    @Test(
        "I-EVENT-1: events go an hour after they were written last, or when there are too many, oldest first",
        arguments: UInt64(1)...20)
    func ledger(seed: UInt64) {
        var dice = SeededDice(seed)
        var ledger = EventLedger(lifetime: 100, limit: 30)
        var written: [EventLedger.Key: Int64] = [:]
        for now in stride(from: Int64(0), to: 600, by: 3) {
            for _ in 0..<dice.pick(4) {
                let key = EventLedger.Key(namespace: "a", name: "e\(dice.pick(80))")
                written[key] = now
                ledger.note(key, at: dice.chance(1, of: 9) ? now + 100_000 : now, now: now)
            }
            for key in ledger.due(now: now, most: 1000) {
                let age = now - (written[key] ?? now)
                #expect(age >= 100 || written.count > 30, "seed \(seed)")
                #expect(written.values.allSatisfy { $0 >= (written[key] ?? 0) }, "seed \(seed): the oldest first")
                written[key] = nil
                ledger.remove(key)
            }
            #expect(
                written.count <= 30 && written.values.allSatisfy { now - $0 < 100 }, "seed \(seed): a time to come counts as now")
            #expect(ledger.count == written.count, "seed \(seed)")
        }
    }

    @Test(
        "pods on a node that is gone, pods that end without a node, and too many finished pods are removed; a task's pod is failed first"
    )
    func podGarbage() async throws {
        let lab = try ControllerLab()
        func pod(_ name: String, on node: String?, phase: PodPhase = .running, deleting: Bool = false, at: Int64 = 0) -> Pod {
            Pod(
                metadata: ObjectMeta(
                    name: name, namespace: "alice", creationTimestamp: testTime.adding(seconds: at),
                    deletionTimestamp: deleting ? testTime : nil),
                spec: PodSpec(nodeName: node), status: PodStatus(phase: phase))
        }
        for one in [pod("lost", on: "vanished"), pod("stays", on: "alice-node"), pod("nowhere", on: nil, deleting: true)] {
            try lab.api.put(one)
        }
        #expect(
            PodGarbage.surplus(
                try (0..<5).map { try PodView.of(pod("f\($0)", on: "n", phase: .failed, at: Int64(9 - $0))) }, kept: 3
            ).map(\.name) == ["f4", "f3"])
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let collector = PodGarbageCollector(
            api: lab.api, informers: informers, quarantine: .zero, now: { testTime }, logger: lab.logger)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { try? await collector.run() }
            }
        }
        defer { running.cancel() }
        try await lab.wait("two are gone", Pod.self) { $0.map(\.metadata.name) == ["stays"] }
    }

    @Test("a quota's status counts what is there, and counts again when something goes")
    func quota() async throws {
        let lab = try ControllerLab()
        func pod(_ name: String) throws -> Pod {
            Pod(
                metadata: ObjectMeta(name: name, namespace: "alice"),
                spec: PodSpec(containers: [
                    Container(name: "c", resources: ResourceRequirements(requests: ["cpu": try Quantity("250m")]))
                ]))
        }
        for name in ["a", "b"] { try lab.api.put(try pod(name)) }
        let hard = ["pods": Quantity(5), "requests.cpu": Quantity(2), "count/configmaps": Quantity(9)]
        try lab.api.put(ResourceQuota(metadata: ObjectMeta(name: "q", namespace: "alice"), spec: ResourceQuotaSpec(hard: hard)))
        func used(_ quotas: [ResourceQuota]) -> [String: String] { quotas.first?.status.used.mapValues { "\($0)" } ?? [:] }
        try await run(lab) {
            try await lab.wait("counted", ResourceQuota.self) {
                used($0) == ["pods": "2", "requests.cpu": "500m", "count/configmaps": "0"]
            }
            try await lab.api.delete(Pod.self, namespace: "alice", name: "a", options: DeleteOptions(gracePeriodSeconds: 0))
            try await lab.wait("counted again", ResourceQuota.self) { used($0)["pods"] == "1" }
        }
    }

    @Test("what a pod costs: sidecars beside containers, the largest init container, nothing once it has ended")
    func usage() throws {
        func container(_ cpu: String, restart: String? = nil) throws -> Container {
            Container(name: "c", resources: ResourceRequirements(limits: ["cpu": try Quantity(cpu)]), restartPolicy: restart)
        }
        var pod = Pod(
            spec: PodSpec(
                initContainers: [try container("3"), try container("1", restart: "Always")], containers: [try container("500m")]))
        #expect(QuotaUsage(pod).amounts["requests.cpu"] == Quantity(3))
        #expect(QuotaUsage(pod).amounts["limits.cpu"] == Quantity(3))
        #expect(
            QuotaUsage(pod).exceeded(hard: ["limits.cpu": Quantity(4), "pods": Quantity(1)], used: ["limits.cpu": Quantity(2)])
                == ["limits.cpu"])
        #expect(QuotaUsage(pod).missing(in: ["limits.memory": Quantity(1)]) == ["limits.memory"])
        pod.spec.overhead = ["cpu": Quantity(1)]
        #expect(QuotaUsage(pod).amounts["requests.cpu"] == Quantity(4), "the overhead comes on top of the largest init container")
        pod.status.phase = .succeeded
        #expect(QuotaUsage(pod).amounts == ["count/pods": Quantity(1)])
        #expect(ResourceQuotaSpec(scopes: ["BestEffort"]).covers(Pod(spec: PodSpec(containers: [Container(name: "c")]))))
        #expect(!ResourceQuotaSpec(scopes: ["BestEffort"]).covers(pod))
    }
}
