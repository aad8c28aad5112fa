// The node: what it admits, what it says of itself, when it says that it lives.
import KubernetesModel
import Testing

@testable import AgentCore

@Suite("node admission")
struct NodeAdmissionTests {
    private func admission(_ change: (inout NodeAdmission) -> Void = { _ in }) -> NodeAdmission {
        var admission = NodeAdmission(
            allocatable: PodResources(cpuMillis: 1000, memoryBytes: 1 << 30, pods: 2), used: PodResources(),
            runtimeClasses: ["runp"],
            pressures: [])
        change(&admission)
        return admission
    }

    private func reason(_ verdict: NodeAdmission.Verdict) -> String? {
        if case .reject(let reason, _) = verdict { reason } else { nil }
    }

    @Test("a pod that fits to the last byte is accepted")
    func fits() {
        let pod = makePod(limits: ["cpu": Quantity(1), "memory": Quantity(bytes: 1 << 30)])
        #expect(admission().admit(pod) == .accept)
    }

    @Test("what is too much is named")
    func tooMuch() {
        let pod = makePod(limits: ["cpu": Quantity(millis: 600), "memory": Quantity(bytes: 600 << 20)])
        #expect(reason(admission { $0.used.cpuMillis = 401 }.admit(pod)) == "OutOfcpu")
        #expect(reason(admission { $0.used.memoryBytes = 500 << 20 }.admit(pod)) == "OutOfmemory")
        #expect(reason(admission { $0.used.pods = 2 }.admit(pod)) == "OutOfpods")
    }

    @Test("extended resources and disk are counted where the node counts them; what it does not know is the cluster's affair")
    func extended() {
        let pod = makePod(limits: ["kuscia.io/bandwidth": Quantity(60), "ephemeral-storage": Quantity(bytes: 6 << 20)])
        #expect(admission().admit(pod) == .accept)
        let counting = admission { admission in
            admission.allocatable.extended["kuscia.io/bandwidth"] = 100
            admission.allocatable.ephemeralStorageBytes = 10 << 20
        }
        #expect(counting.admit(pod) == .accept)
        var used = counting
        used.used.extended["kuscia.io/bandwidth"] = 41
        #expect(reason(used.admit(pod)) == "OutOfkuscia.io/bandwidth")
        used = counting
        used.used.ephemeralStorageBytes = 5 << 20
        #expect(reason(used.admit(pod)) == "OutOfephemeral-storage")
    }

    @Test(
        "a node under pressure takes no pod that it would have to evict: memory keeps away best-effort pods, disk all but critical ones"
    )
    func pressure() {
        let asking = makePod(limits: ["memory": Quantity(bytes: 1 << 20)])
        var critical = makePod()
        critical.spec.priority = NodeAdmission.criticalPriority
        let memory = admission { $0.pressures = [.memory] }
        #expect(memory.admit(makePod()) == .reject(reason: "Evicted", message: "The node had condition: [MemoryPressure]. "))
        #expect(memory.admit(asking) == .accept && memory.admit(critical) == .accept)
        let disk = admission { $0.pressures = [.disk, .memory] }
        #expect(
            disk.admit(asking) == .reject(reason: "Evicted", message: "The node had condition: [DiskPressure MemoryPressure]. "))
        #expect(disk.admit(critical) == .accept)
    }

    @Test("sidecars count beside everything that runs after them")
    func sidecars() {
        var pod = makePod(
            containers: ["main"], initContainers: ["before", "side", "after"], limits: ["cpu": Quantity(millis: 100)])
        pod.spec.initContainers[1].restartPolicy = "Always"
        #expect(PodResources(requestedBy: pod).cpuMillis == 200)
        pod.spec.initContainers[2].resources.limits["cpu"] = Quantity(millis: 500)
        #expect(PodResources(requestedBy: pod).cpuMillis == 600)
        pod.spec.initContainers[0].resources.limits["cpu"] = Quantity(millis: 900)
        pod.spec.overhead = ["cpu": Quantity(millis: 50)]
        #expect(PodResources(requestedBy: pod).cpuMillis == 950)
    }

    @Test("init containers count by the largest, not by their sum")
    func initContainers() {
        let pod = makePod(containers: ["main"], initContainers: ["a", "b"], limits: ["cpu": Quantity(millis: 700)])
        #expect(PodResources(requestedBy: pod).cpuMillis == 700)
        #expect(admission().admit(pod) == .accept)
    }

    @Test("taken ports, missing images and unknown runtime classes are refused")
    func others() {
        var pod = makePod()
        pod.spec.containers[0].ports = [ContainerPort(containerPort: 20_000)]
        #expect(reason(admission { $0.takenPorts = [20_000] }.admit(pod)) == "PortConflict")
        #expect(admission { $0.takenPorts = [20_001] }.admit(pod) == .accept)
        pod.spec.runtimeClassName = "kata"
        #expect(reason(admission().admit(pod)) == "RuntimeClassNotFound")
        pod.spec.runtimeClassName = "runp"
        #expect(admission().admit(pod) == .accept)
    }
}

@Suite("node status")
struct NodeStatusTests {
    private let builder = NodeStatusBuilder(
        identity: NodeIdentity(
            name: "n1", domain: "alice", hostname: "h", internalIP: "10.0.0.7", runtime: "runp", architecture: "amd64",
            machineID: "m",
            bootID: "b", kernelVersion: "6.1", osImage: "Debian", agentVersion: "v0.1.0"),
        capacity: PodResources(cpuMillis: 4000, memoryBytes: 8 << 30, pods: 500),
        reserved: PodResources(cpuMillis: 500, memoryBytes: 512 << 20))

    private func load(_ change: (inout NodeMeasurement) -> Void = { _ in }) -> NodeMeasurement {
        var load = NodeMeasurement(
            memoryAvailableBytes: 4 << 30, diskFreeBytes: 50 << 30, diskTotalBytes: 100 << 30, inodesFree: 500, inodesTotal: 1000,
            processes: 100, processLimit: 32768)
        change(&load)
        return load
    }

    private func status(
        _ load: NodeMeasurement, _ readiness: NodeReadiness = .ready, previous: [NodeCondition] = [], at: Int64 = 0
    ) -> NodeStatus {
        builder.status(load, readiness, previous: previous, images: [], now: epoch + at * second)
    }

    private func condition(_ type: String, _ status: NodeStatus) -> NodeCondition? { status.conditions.first { $0.type == type } }

    @Test("allocatable is capacity without what is reserved")
    func allocatable() {
        let status = status(load())
        #expect(status.capacity["cpu"] == Quantity(4))
        #expect(status.allocatable["cpu"] == Quantity(millis: 3500))
        #expect(status.allocatable["memory"] == Quantity(bytes: 8 << 30) - Quantity(bytes: 512 << 20))
        #expect(status.allocatable["pods"] == Quantity(500))
    }

    @Test("pressures come from measurements")
    func pressures() {
        let calm = status(load())
        for type in ["MemoryPressure", "DiskPressure", "PIDPressure"] { #expect(condition(type, calm)?.status == .false) }
        #expect(condition("MemoryPressure", status(load { $0.memoryAvailableBytes = 50 << 20 }))?.status == .true)
        #expect(condition("DiskPressure", status(load { $0.diskFreeBytes = 4 << 30 }))?.status == .true)
        #expect(condition("DiskPressure", status(load { $0.inodesFree = 40 }))?.status == .true)
        #expect(condition("PIDPressure", status(load { $0.processes = 32_000 }))?.status == .true)
    }

    @Test("a transition has its time; a heartbeat alone is no difference")
    func transitions() {
        let first = status(load())
        let later = status(load(), previous: first.conditions, at: 60)
        #expect(condition("Ready", later)?.lastTransitionTime == condition("Ready", first)?.lastTransitionTime)
        #expect(condition("Ready", later)?.lastHeartbeatTime != condition("Ready", first)?.lastHeartbeatTime)
        #expect(!NodeStatusBuilder.differs(later, from: first))
        let exiting = status(load(), .exiting, previous: later.conditions, at: 90)
        #expect(condition("Ready", exiting)?.status == .false)
        #expect(condition("Ready", exiting)?.reason == "AgentExit")
        #expect(condition("Ready", exiting)?.lastTransitionTime == Timestamp(unixSeconds: (epoch + 90 * second) / second))
        #expect(NodeStatusBuilder.differs(exiting, from: later))
    }

    @Test(
        "a place elsewhere that is away has a condition of its own; the node stays Ready, as its pods run on, and says why in its message"
    )
    func elsewhere() {
        func status(_ away: Bool, _ previous: [NodeCondition], at seconds: Int64) -> NodeStatus {
            let remote = NodeCondition(
                type: "ClusterReachable", status: away ? .false : .true, reason: away ? "ClusterAway" : "ClusterReachable",
                message: "words")
            return builder.status(load(), .ready, remote: [remote], previous: previous, images: [], now: epoch + seconds * second)
        }
        let first = status(false, [], at: 0)
        #expect(condition("Ready", first)?.message == "Agent is ready")
        let away = status(true, first.conditions, at: 60)
        #expect(condition("ClusterReachable", away)?.status == .false && condition("Ready", away)?.status == .true)
        #expect(condition("Ready", away)?.message == "Agent is ready; ClusterReachable: words")
        #expect(NodeStatusBuilder.differs(away, from: first))
        let still = status(true, away.conditions, at: 90)
        #expect(
            condition("ClusterReachable", still)?.lastTransitionTime == condition("ClusterReachable", away)?.lastTransitionTime)
        #expect(
            condition("ClusterReachable", away)?.lastTransitionTime != condition("ClusterReachable", first)?.lastTransitionTime)
    }
}

@Suite("heartbeat")
struct HeartbeatTests {
    @Test("the lease is renewed at its interval; failures are repeated soon, then less often, never later than the interval")
    func lease() {
        var heartbeat = Heartbeat(intervals: .init())
        #expect(heartbeat.pauseAfterRenewal(succeeded: true, jitter: 0, now: epoch) == 10 * second)
        let pauses = (0..<8).map { _ in heartbeat.pauseAfterRenewal(succeeded: false, jitter: 0, now: epoch) }
        #expect(pauses == [200, 400, 800, 1600, 3200, 6400, 10000, 10000].map { $0 * 1_000_000 })
        #expect(heartbeat.pauseAfterRenewal(succeeded: true, jitter: 0.9, now: epoch) == 10 * second)
        #expect(heartbeat.pauseAfterRenewal(succeeded: false, jitter: 0.5, now: epoch) == 175_000_000)
    }

    @Test("an unchanged status is reported every five minutes, a changed one at once")
    func status() {
        var heartbeat = Heartbeat(intervals: .init())
        #expect(heartbeat.shouldReportStatus(changed: false, now: epoch))
        heartbeat.statusReported(now: epoch)
        #expect(!heartbeat.shouldReportStatus(changed: false, now: epoch + 299 * second))
        #expect(heartbeat.shouldReportStatus(changed: false, now: epoch + 300 * second))
        #expect(heartbeat.shouldReportStatus(changed: true, now: epoch + second))
    }

    @Test("after a silence of the lease the status is due at once: the master may have called the node Unknown")
    func back() {
        var heartbeat = Heartbeat(intervals: .init())
        heartbeat.statusReported(now: epoch)
        for renewal in [0, 10, 39] {
            _ = heartbeat.pauseAfterRenewal(succeeded: true, jitter: 0, now: epoch + Int64(renewal) * second)
            #expect(!heartbeat.shouldReportStatus(changed: false, now: epoch + Int64(renewal + 1) * second))
        }
        _ = heartbeat.pauseAfterRenewal(succeeded: false, jitter: 0, now: epoch + 50 * second)
        #expect(!heartbeat.shouldReportStatus(changed: false, now: epoch + 51 * second), "nobody would hear it")
        _ = heartbeat.pauseAfterRenewal(succeeded: true, jitter: 0, now: epoch + 80 * second)
        #expect(heartbeat.shouldReportStatus(changed: false, now: epoch + 81 * second))
        heartbeat.statusReported(now: epoch + 81 * second)
        _ = heartbeat.pauseAfterRenewal(succeeded: true, jitter: 0, now: epoch + 90 * second)
        #expect(!heartbeat.shouldReportStatus(changed: false, now: epoch + 91 * second))
    }
}
