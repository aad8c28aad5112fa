// Which devices containers get: never one twice at a time, never more than the count says.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("device allocation")
struct DeviceAllocatorTests {
    private static let resource = "example.com/gpu"

    private func container(_ name: String, _ count: Int64, sidecar: Bool = false) -> Container {
        var container = Container(
            name: name, image: "psi:1", resources: ResourceRequirements(limits: [Self.resource: Quantity(count)]))
        if sidecar { container.restartPolicy = "Always" }
        return container
    }

    private func pod(_ containers: [Container], initial: [Container] = []) -> Pod {
        var pod = makePod()
        pod.spec.containers = containers
        pod.spec.initContainers = initial
        return pod
    }

    private func allocator(_ count: Int, taken: Set<String> = []) -> DeviceAllocator {
        DeviceAllocator(devices: [Self.resource: (0..<count).map { "/dev/gpu\($0)" }], taken: taken)
    }

    @Test("each container has its own, what other pods hold is left alone, who asks for none gets none")
    func distinct() throws {
        let given = try allocator(5, taken: ["/dev/gpu1"]).allocate(
            pod([container("a", 2), container("b", 1), Container(name: "c")]))
        #expect(given == ["a": ["/dev/gpu0", "/dev/gpu2"], "b": ["/dev/gpu3"]])
    }

    @Test("too few is refused with resource and numbers")
    func shortage() {
        let error = #expect(throws: DeviceShortage.self) {
            try allocator(3, taken: ["/dev/gpu2"]).allocate(pod([container("a", 1), container("b", 2)]))
        }
        #expect(error == DeviceShortage(resource: Self.resource, requested: 2, available: 1))
    }

    @Test("an init container uses what the main ones will have, but not what a sidecar before it holds")
    func initial() throws {
        let before = pod([container("a", 1)], initial: [container("side", 1, sidecar: true), container("init", 2)])
        let given = try allocator(3).allocate(before)
        #expect(given == ["side": ["/dev/gpu0"], "a": ["/dev/gpu1"], "init": ["/dev/gpu1", "/dev/gpu2"]])
        let after = pod([container("a", 1)], initial: [container("init", 2), container("side", 1, sidecar: true)])
        #expect(try allocator(2).allocate(after)["init"] == ["/dev/gpu0", "/dev/gpu1"])
    }

    @Test("a path that two resources name is given once")
    func overlap() throws {
        let allocator = DeviceAllocator(devices: ["x/a": ["/dev/0", "/dev/1"], "x/b": ["/dev/0", "/dev/1"]])
        let both = Container(name: "a", resources: ResourceRequirements(limits: ["x/a": Quantity(1), "x/b": Quantity(1)]))
        #expect(try allocator.allocate(pod([both])) == ["a": ["/dev/0", "/dev/1"]])
    }

    @Test(
        "invariant: containers that run together share no path, and the pod holds as many as the scheduler counts",
        arguments: 0..<300)
    func invariant(seed: UInt64) throws {
        var state = seed &* 2_862_933_555_777_941_757 &+ 3_037_000_493
        func random(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }
        let initial = (0..<random(4)).map { container("i\($0)", random(4), sidecar: random(2) == 0) }
        let pod = pod((0...random(3)).map { container("m\($0)", random(4)) }, initial: initial)
        let counted = PodResources(requestedBy: pod).extended[Self.resource] ?? 0
        let given = try allocator(Int(counted)).allocate(pod)  // the seed is the argument
        func paths(_ containers: [Container]) -> [String] { containers.flatMap { given[$0.name] ?? [] } }
        for container in pod.spec.initContainers + pod.spec.containers {
            #expect(Int64(given[container.name]?.count ?? 0) == PodResources(container).extended[Self.resource] ?? 0)
        }
        let sidecars = initial.filter { $0.restartPolicy == "Always" }
        #expect(Set(paths(sidecars + pod.spec.containers)).count == paths(sidecars + pod.spec.containers).count)
        for (index, container) in initial.enumerated() where container.restartPolicy != "Always" {
            let together = paths(initial[..<index].filter { $0.restartPolicy == "Always" } + [container])
            #expect(Set(together).count == together.count)
        }
        #expect(Int64(Set(given.values.joined()).count) == counted)
    }
}
