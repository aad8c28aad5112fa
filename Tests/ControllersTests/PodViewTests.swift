// What is read off the tape of a pod is what the whole pod says.
import JSON
import KubernetesModel
import KusciaModel
import Scheduling
import Testing

@testable import Controllers

extension PodView {
    /// As it would come from a server.
    static func of(_ pod: Pod) throws -> PodView {
        let tape = try JSONTape(parsing: try JSON.encode(pod))
        return try observe(tape.root, of: tape)
    }
}

extension SeededDice {
    mutating func one<T>(of some: [T]) -> T { some[pick(some.count)] }

    mutating func amount() -> Quantity { (try? Quantity(one(of: ["100m", "2", "64Mi", "1Gi", "0"]))) ?? .zero }

    private mutating func container(_ index: Int) -> Container {
        var resources = ResourceRequirements()
        if chance(3, of: 4) { resources.requests = ["cpu": amount(), "memory": amount()] }
        if chance(1, of: 4) { resources.limits = ["cpu": amount(), "example.com/gpu": Quantity(Int64(pick(3)))] }
        var ports: [ContainerPort] = []
        for number in 0..<pick(3) {
            ports.append(
                ContainerPort(
                    name: chance(1, of: 2) ? "p\(number)" : nil, hostPort: chance(1, of: 2) ? 8000 + pick(4) : nil,
                    containerPort: 80 + number, protocol: chance(1, of: 3) ? "UDP" : nil))
        }
        return Container(
            name: "c\(index)", image: "i", ports: ports, env: [EnvVar(name: "N", value: "{\"a\": [\(pick(9))]}")],
            resources: resources, restartPolicy: chance(1, of: 4) ? "Always" : nil)
    }

    /// A pod of any kind, few of them alike in everything.
    mutating func pod(_ index: Int) -> Pod {
        var metadata = ObjectMeta(
            name: "p\(index)", namespace: one(of: ["a", "alice"]), uid: "uid-\(index)", resourceVersion: "\(index + 7)",
            creationTimestamp: chance(9, of: 10) ? testTime.adding(seconds: Int64(pick(99))) : nil,
            deletionTimestamp: chance(1, of: 5) ? testTime : nil)
        for label in ["app", KusciaLabel.taskID, "\"quoted\""] where chance(1, of: 2) { metadata.labels[label] = "v\(pick(3))" }
        if chance(1, of: 3) {
            metadata.annotations[PodDescription.groupAnnotation] = "g\(pick(3))"
            metadata.annotations[PodDescription.groupSizeAnnotation] = one(of: ["3", "x", "-1"])
            if chance(1, of: 2) { metadata.annotations[PodDescription.groupMinMembersAnnotation] = "2" }
        }
        if chance(1, of: 3) {
            metadata.ownerReferences = [
                OwnerReference(apiVersion: "v1", kind: one(of: [KusciaTask.kind, "ConfigMap"]), name: "o", uid: "o\(pick(3))")
            ]
            metadata.finalizers = ["example.com/f"]
        }
        var spec = PodSpec(containers: (0..<1 + pick(3)).map { container($0) }, nodeName: one(of: [nil, "", "n1", "n2"]))
        if chance(1, of: 3) { spec.initContainers = (0..<1 + pick(2)).map { container($0) } }
        if chance(1, of: 3) { spec.nodeSelector = ["zone": "z\(pick(2))"] }
        if chance(1, of: 3) {
            spec.tolerations = [Toleration(key: "k\(pick(2))", operator: "Exists", tolerationSeconds: chance(1, of: 2) ? 9 : nil)]
        }
        if chance(1, of: 4) {
            let term = NodeSelectorTerm(
                matchExpressions: [NodeSelectorRequirement(key: "zone", operator: "In", values: ["z\(pick(2))"])])
            let required = NodeSelector(nodeSelectorTerms: [term])
            spec.affinity = Affinity(
                nodeAffinity: NodeAffinity(requiredDuringSchedulingIgnoredDuringExecution: chance(1, of: 2) ? required : nil))
        }
        for number in 0..<pick(3) {
            let claim = PersistentVolumeClaimVolumeSource(claimName: "claim\(pick(2))")
            spec.volumes.append(Volume(name: "v\(number)", persistentVolumeClaim: chance(1, of: 2) ? claim : nil))
        }
        if chance(1, of: 4) { spec.overhead = ["memory": amount()] }
        if chance(1, of: 3) { spec.priority = pick(3) * 100 }
        spec.preemptionPolicy = one(of: [nil, "Never"])
        spec.schedulerName = one(of: [nil, "default-scheduler", "kuscia-scheduler", "else"])
        spec.hostname = one(of: [nil, "h"])
        spec.subdomain = one(of: [nil, "web"])
        var status = PodStatus(phase: one(of: [nil] + PodPhase.allCases))
        for type in ["Ready", "PodScheduled"] where chance(1, of: 2) {
            status.conditions.append(PodCondition(type: type, status: one(of: [.true, .false, .unknown])))
        }
        status.podIP = one(of: [nil, "", "10.0.0.1"])
        if chance(1, of: 3) { status.podIPs = [PodIP(ip: "10.0.0.1"), PodIP(ip: "fd00::1")] }
        return Pod(metadata: metadata, spec: spec, status: status)
    }
}

@Suite("views of objects", .timeLimit(.minutes(1)))
struct PodViewTests {
    @Test(
        "I-VIEW-1: what a view says of a pod is what the whole pod says, for the scheduler as for everybody",
        arguments: UInt64(1)...10)
    func agrees(seed: UInt64) throws {
        var dice = SeededDice(seed)
        for index in 0..<20 {
            let pod = dice.pod(index)
            let view = try PodView.of(pod)
            let what = Comment("seed \(seed), pod \(index)")
            #expect(PodDescription(view) == PodDescription(pod), what)
            #expect(try view.whole() == pod, what)
            #expect(view.observedKey == pod.observedKey && view.uid == pod.metadata.uid, what)
            #expect(view.observedVersion == pod.metadata.resourceVersion && view.labels == pod.metadata.labels, what)
            #expect(view.life == LifeMetadata(pod.metadata) && view.creation == pod.metadata.creationTimestamp, what)
            #expect(view.shape.tolerations == pod.spec.tolerations, what)
            #expect(view.shape.ports == pod.spec.containers.flatMap(\.ports), what)
            let claims = pod.spec.volumes.compactMap { $0.persistentVolumeClaim?.claimName }
            #expect(Set(view.claims) == Set(claims) && view.claims.count == Set(claims).count, what)
            #expect(view.shape.schedulerName == pod.spec.schedulerName ?? "", what)
            #expect(
                view.phase == pod.status.phase && view.hostname == pod.spec.hostname && view.subdomain == pod.spec.subdomain, what
            )
            #expect(view.isReady == pod.status.conditions.contains { $0.type == "Ready" && $0.status == .true }, what)
            let ip = pod.status.podIP ?? ""
            #expect(view.addresses == (pod.status.podIPs.isEmpty ? (ip.isEmpty ? [] : [ip]) : pod.status.podIPs.map(\.ip)), what)
        }
    }

    @Test(
        "I-VIEW-2: pods of one template share one shape; the smallest difference in it makes another", arguments: UInt64(1)...20)
    func shapes(seed: UInt64) throws {
        var dice = SeededDice(seed)
        let pod = dice.pod(1)
        var twin = pod
        twin.metadata.name = "twin"
        twin.metadata.labels = ["other": "labels"]
        twin.status.phase = .failed
        twin.spec.nodeName = "elsewhere"
        twin.spec.containers[0].env = []
        #expect(try PodView.of(pod).shape === PodView.of(twin).shape, "seed \(seed)")
        // The same container, as one of the other list.
        var moved = pod
        moved.spec.initContainers.append(moved.spec.containers.removeLast())
        #expect(try PodView.of(pod).shape !== PodView.of(moved).shape, "seed \(seed)")
        twin.spec.containers[0].ports.append(ContainerPort(name: "new", containerPort: 1))
        #expect(try PodView.of(pod).shape !== PodView.of(twin).shape, "seed \(seed)")
    }

    @Test("a part that does not fit its type is an error that names it, and an absent part is empty")
    func misfits() throws {
        func view(_ text: String) throws -> PodView {
            let tape = try JSONTape(parsing: Array(text.utf8))
            return try PodView.observe(tape.root, of: tape)
        }
        let bare = try view(#"{"metadata":{"name":"x"},"spec":{"tolerations":null},"status":null}"#)
        #expect(bare.namespace.isEmpty && bare.labels.isEmpty && bare.shape.tolerations.isEmpty && bare.phase == nil)
        let error = #expect(throws: (any Error).self) { try view(#"{"metadata":{"name":"x"},"spec":{"priority":"high"}}"#) }
        #expect(error.map { JSON.describe($0) }?.contains("spec.priority") == true)
    }

    @Test("a pod in a list keeps its own text only")
    func listed() throws {
        let tape = try JSONTape(
            parsing: Array(#"{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b","labels":{"l":"1"}}}]}"#.utf8))
        let items = try #require(tape.node(at: "items"))
        let views = try tape.elements(of: items).map { try PodView.observe($0, of: tape) }
        #expect(views.map(\.name) == ["a", "b"])
        #expect(try views[1].whole().metadata.labels == ["l": "1"])
    }

    @Test("events of both APIs tell when they were written last; a lease, when it was renewed")
    func small() throws {
        func event(_ text: String) throws -> Int64? {
            let tape = try JSONTape(parsing: Array(text.utf8))
            return try EventView.observe(tape.root, of: tape).written?.unixSeconds
        }
        #expect(try event(#"{"metadata":{"name":"e","creationTimestamp":"1970-01-01T00:00:09Z"},"lastTimestamp":null}"#) == 9)
        #expect(try event(#"{"metadata":{"name":"e"},"lastTimestamp":"1970-01-01T00:00:05Z"}"#) == 5)
        #expect(try event(#"{"metadata":{"name":"e"},"series":{"lastObservedTime":"1970-01-01T00:00:07.5Z"}}"#) == 7)
        let lease = try JSONTape(
            parsing: Array(#"{"metadata":{"name":"n","namespace":"s"},"spec":{"renewTime":"1970-01-01T00:00:01.5Z"}}"#.utf8))
        let view = try LeaseView.observe(lease.root, of: lease)
        #expect(view.renewTime?.unixMicroseconds == 1_500_000 && "\(view.observedKey)" == "s/n")
    }
}
