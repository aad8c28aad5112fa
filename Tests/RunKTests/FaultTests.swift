// Every call of RunK goes wrong in every way, and agents die at random: no pod is lost, none is begun twice.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Testing

@testable import RunK

@Suite("RunK: faults", .serialized, .timeLimit(.minutes(5)))
struct FaultTests {
    /// The calls of a pod's life: which server, verb, resource.
    static let calls: [(isHome: Bool, RecordedCall.Verb, GroupVersionResource)] = [
        (false, .list, Pod.resource), (false, .watch, Pod.resource), (false, .create, Pod.resource),
        (false, .delete, Pod.resource),
        (false, .get, Pod.resource), (false, .patch, Pod.resource), (false, .create, ConfigMap.resource),
        (false, .delete, ConfigMap.resource),
        (true, .get, Pod.resource), (true, .get, ConfigMap.resource), (true, .patch, Pod.resource), (true, .delete, Pod.resource),
        (true, .list, Pod.resource), (true, .watch, Pod.resource),
    ]

    @Test("a call that goes wrong, in any way, costs a retry and nothing else", arguments: APIFault.allCases)
    func everyCall(_ fault: APIFault) async throws {
        let lab = TwoClusters()
        defer { lab.homeFront.rate = 0 }
        try lab.home.put(ConfigMap(metadata: ObjectMeta(name: "settings", namespace: "alice"), data: ["a": "b"]))
        for call in Self.calls {
            let isOfWatches = [.watchEnds, .watchBreaks, .watchGone].contains(fault)
            guard isOfWatches == (call.1 == .watch) || fault == .internalError || fault == .cutBefore else { continue }
            (call.isHome ? lab.homeFront : lab.clusterFront).plan(fault, verb: call.1, resource: call.2)
        }
        try await lab.start()
        for name in ["ends", "goes"] {
            try lab.submit(name, name == "ends" ? "exit 4" : "run") { pod in
                pod.spec.volumes = [Volume(name: "c", configMap: ConfigMapVolumeSource(name: "settings"))]
            }
        }
        let ended = try await lab.waitForPhase("ends", .failed)
        #expect(ended.status.containerStatuses.first?.state.terminated?.exitCode == 4)
        _ = try await lab.waitForPhase("goes", .running)
        try await lab.delete("goes")
        try await lab.delete("ends")
        try await lab.eventually("all is gone") { try lab.pod("goes") == nil && lab.pod("ends") == nil && lab.copies().isEmpty }
        #expect(lab.kubelet.starts("uid-ends") == 1 && lab.kubelet.starts("uid-goes") == 1)
        #expect(lab.homeFront.waiting == 0 && lab.clusterFront.waiting == 0, "every fault that was planned was met")
        await lab.stop()
    }

    @Test(
        "under random faults of both servers and deaths of the agent no pod is lost or doubled; nothing is left behind",
        arguments: [11, 12] as [UInt64])
    func storm(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let lab = TwoClusters(seed: seed, rate: 0.1)
        let count = 30
        try await lab.start()
        var deleted: Set<Int> = []
        for number in 0..<count {
            try lab.submit("p\(number)", number % 3 == 0 ? "run" : "exit \(number % 7)")
            if number % 3 == 0, Bool.random(using: &random) {
                try await lab.delete("p\(number)", grace: Int.random(in: 0...9, using: &random))
                deleted.insert(number)
            }
            if Int.random(in: 0..<12, using: &random) == 0 {
                await lab.kill()
                try await lab.start()
            }
            if Int.random(in: 0..<8, using: &random) == 0 { lab.cluster.dropWatches() }
            if Int.random(in: 0..<8, using: &random) == 0 { lab.home.dropWatches(.transport("cut")) }
        }
        lab.homeFront.rate = 0.02
        lab.clusterFront.rate = 0.02
        try await lab.eventually("every pod is where it belongs (seed \(seed))", within: .seconds(120), pause: .milliseconds(500))
        {
            try (0..<count).allSatisfy { number in
                let phase = try lab.pod("p\(number)")?.status.phase
                if deleted.contains(number) { return phase == nil }
                return number % 3 == 0 ? phase == .running : phase == (number % 7 == 0 ? .succeeded : .failed)
            }
        }
        for number in 0..<count {
            let starts = lab.kubelet.starts("uid-p\(number)")
            #expect(deleted.contains(number) ? starts <= 1 : starts == 1, "seed \(seed): p\(number) was begun \(starts) times")
        }
        for number in 0..<count where !deleted.contains(number) { try await lab.delete("p\(number)", grace: 1) }
        try await lab.eventually("nothing is left (seed \(seed))", within: .seconds(120), pause: .milliseconds(500)) {
            try lab.copies().isEmpty && lab.home.objects(Pod.self).isEmpty && lab.kubelet.running == 0
        }
        await lab.stop()
    }
}
