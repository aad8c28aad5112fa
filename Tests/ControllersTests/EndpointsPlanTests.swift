// The addresses behind a service: properties over random pods, and the shell over a server in memory.
import KubernetesClient
import KubernetesClientTesting
import KubernetesModel
import Testing

@testable import Controllers

@Suite("endpoints", .timeLimit(.minutes(1)))
struct EndpointsPlanTests {
    private static func service(_ ports: [ServicePort] = [ServicePort(name: "web", port: 80, targetPort: "http")]) -> Service {
        Service(
            metadata: ObjectMeta(name: "web", namespace: "a", uid: "svc"),
            spec: ServiceSpec(selector: ["app": "web"], ports: ports))
    }

    private static func pod(_ index: Int, ready: Bool = true, terminating: Bool = false, port: Int = 8080) -> Pod {
        Pod(
            metadata: ObjectMeta(
                name: "p\(index)", namespace: "a", uid: "u\(index)", deletionTimestamp: terminating ? testTime : nil,
                labels: ["app": "web"]),
            spec: PodSpec(
                containers: [Container(name: "c", ports: [ContainerPort(name: "http", containerPort: port)])], nodeName: "n"),
            status: PodStatus(
                phase: .running, conditions: [PodCondition(type: "Ready", status: ready ? .true : .false)],
                podIP: "10.0.\(index / 250).\(index % 250 + 1)"))
    }

    @Test(
        "I-EP-3: whatever comes and goes, the slices hold exactly the addresses, each once, at most a hundred, and nobody moves needlessly",
        arguments: UInt64(1)...20)
    func slices(seed: UInt64) throws {
        var dice = SeededDice(seed)
        let service = Self.service()
        var pods: [Int: Pod] = [:]
        // Made when the pod changes: reading each anew in each step would take most of the time.
        var views: [Int: PodView] = [:]
        var slices: [EndpointSlice] = []
        for _ in 0..<12 {
            for _ in 0..<dice.pick(80) {
                let index = dice.pick(320)
                pods[index] =
                    dice.chance(1, of: 3)
                    ? nil : Self.pod(index, ready: dice.chance(3, of: 4), port: dice.chance(1, of: 9) ? 9090 : 8080)
                views[index] = try pods[index].map { try PodView.of($0) }
            }
            let before = Dictionary(
                slices.flatMap { slice in slice.endpoints.map { ($0.targetRef?.uid ?? "", (slice.metadata.name, slice.ports)) } },
                uniquingKeysWith: { first, _ in first })
            let addresses = EndpointsPlan.addresses(service, Array(views.values))
            let changes = EndpointsPlan.slices(service, addresses, existing: slices)
            slices.removeAll { slice in changes.delete.contains { $0.metadata.name == slice.metadata.name } }
            for changed in changes.update {
                slices.removeAll { $0.metadata.name == changed.metadata.name }
                slices.append(changed)
            }
            slices += changes.create
            let held = slices.flatMap { $0.endpoints.compactMap { $0.targetRef?.uid } }
            #expect(held.sorted() == pods.keys.map { "u\($0)" }.sorted(), "seed \(seed)")
            #expect(slices.allSatisfy { $0.endpoints.count <= 100 } && !slices.isEmpty, "seed \(seed)")
            #expect(Set(slices.map(\.metadata.name)).count == slices.count, "seed \(seed)")
            for slice in slices {
                for endpoint in slice.endpoints {
                    guard let uid = endpoint.targetRef?.uid, let index = Int(uid.dropFirst()), let pod = pods[index] else {
                        continue
                    }
                    #expect(slice.ports.map(\.port) == [pod.spec.containers[0].ports[0].containerPort], "seed \(seed)")
                    if let (old, ports) = before[uid], ports == slice.ports {
                        #expect(old == slice.metadata.name, "seed \(seed): \(uid) moved")
                    }
                }
            }
            #expect(
                EndpointsPlan.slices(service, addresses, existing: slices) == EndpointsPlan.SliceChanges(),
                "seed \(seed): settled")
        }
    }

    @Test("I-EP-2: ready is who is Ready and stays; who ends is told apart; publishNotReadyAddresses makes all ready")
    func readiness() throws {
        var service = Self.service()
        let pods = try [Self.pod(1), Self.pod(2, ready: false), Self.pod(3, terminating: true)].map { try PodView.of($0) }
        func told() -> [String] {
            EndpointsPlan.addresses(service, pods).map { one in
                let conditions = one.endpoint.conditions
                return "\(conditions.ready == true) \(conditions.serving == true) \(conditions.terminating == true)"
            }
        }
        #expect(told() == ["true true false", "false false false", "false true true"])
        let subset = EndpointsPlan.subsets(EndpointsPlan.addresses(service, pods)).subsets
        #expect(subset.first?.addresses.map(\.ip) == ["10.0.0.2"] && subset.first?.notReadyAddresses.map(\.ip) == ["10.0.0.3"])
        service.spec.publishNotReadyAddresses = true
        #expect(told() == ["true true false", "true false false", "true true true"])
    }

    @Test(
        "named ports are looked up in each pod; a pod without the port is left out; a service without ports has addresses all the same"
    )
    func ports() throws {
        let service = Self.service([ServicePort(name: "a", port: 80, targetPort: "http"), ServicePort(name: "b", port: 81)])
        let found = EndpointsPlan.addresses(service, [try PodView.of(Self.pod(1, port: 7000))]).first?.ports
        #expect(found?.map(\.port) == [7000, 81])
        #expect(
            EndpointsPlan.addresses(Self.service([ServicePort(port: 1, targetPort: "none")]), [try PodView.of(Self.pod(1))])
                .isEmpty)
        #expect(EndpointsPlan.addresses(Self.service([]), [try PodView.of(Self.pod(1))]).count == 1)
    }

    @Test("I-EP-1: who belongs to a service follows every change of labels and selectors", arguments: UInt64(1)...20)
    func members(seed: UInt64) {
        var dice = SeededDice(seed)
        var index = ServiceMembers()
        var pods: [String: [String: String]] = [:]
        var selectors: [String: [String: String]] = [:]
        func some() -> [String: String] {
            Dictionary(["x", "y"].prefix(dice.pick(3)).map { ($0, "\(dice.pick(2))") }, uniquingKeysWith: { $1 })
        }
        for _ in 0..<150 {
            let name = "o\(dice.pick(8))"
            if dice.chance(1, of: 3) {
                selectors[name] = dice.chance(1, of: 4) ? nil : some()
                index.set(service: .init(namespace: "a", name: name), selector: selectors[name])
            } else {
                pods[name] = dice.chance(1, of: 4) ? nil : some()
                _ = index.set(pod: .init(namespace: "a", name: name), labels: pods[name])
            }
            for (service, selector) in selectors {
                let wanted =
                    selector.isEmpty
                    ? [] : pods.filter { pod in selector.allSatisfy { pod.value[$0.key] == $0.value } }.map(\.key)
                #expect(index.pods(of: .init(namespace: "a", name: service)) == Set(wanted), "seed \(seed)")
            }
        }
    }

    @Test("a service's Endpoints and slices follow its pods, and go with it")
    func shell() async throws {
        let lab = try ControllerLab()
        let informers = SharedInformers(api: lab.api, logger: lab.logger)
        let controller = EndpointsController(api: lab.api, informers: informers, withSlices: true, logger: lab.logger)
        let running = Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await informers.run() }
                group.addTask { try? await controller.run() }
            }
        }
        defer { running.cancel() }
        var service = Self.service()
        service.metadata.uid = nil
        try lab.api.put(service)
        try await lab.wait("an empty slice", EndpointSlice.self) { $0.count == 1 && $0[0].endpoints.isEmpty }
        try lab.api.put(Self.pod(1))
        try await lab.wait("the pod's address", EndpointSlice.self) { $0.first?.endpoints.first?.addresses == ["10.0.0.2"] }
        try await lab.wait("and in Endpoints", Endpoints.self) { $0.first?.subsets.first?.addresses.first?.ip == "10.0.0.2" }
        try lab.api.put(Self.pod(1, ready: false))
        try await lab.wait("not ready", Endpoints.self) { $0.first?.subsets.first?.notReadyAddresses.count == 1 }
        try await lab.api.delete(Service.self, namespace: "a", name: "web")
        try await lab.wait("gone with it", Endpoints.self) { $0.isEmpty }
    }
}
