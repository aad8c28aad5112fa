// Objects that the controllers' tests put into the server, and waiting for conditions.
import KubernetesClientTesting
import KubernetesModel
import KusciaModel
import Synchronization
import Testing

enum Fixture {
    /// A clock that moves on by a second with each look: times differ and are in order, whatever the machine does.
    static func clock() -> @Sendable () -> MicroTimestamp {
        let ticks = Counter()
        return { MicroTimestamp(unixMicroseconds: 1_767_225_600_000_000 + Int64(ticks.next()) * 1_000_000) }
    }

    private final class Counter: Sendable {
        private let count = Atomic(0)
        func next() -> Int { count.add(1, ordering: .relaxed).newValue }
    }

    /// "<domain>-1": a Ready node of the domain with the agents' taint.
    static func node(_ domain: String, cpu: String = "4", memory: String = "8Gi") throws -> Node {
        Node(
            metadata: ObjectMeta(
                name: "\(domain)-1", labels: [KusciaLabel.nodeDomain: domain, KusciaLabel.nodeNamespace: domain]),
            spec: NodeSpec(taints: [Taint(key: Kuscia.agentTaintKey, value: Kuscia.agentTaintValue, effect: .noSchedule)]),
            status: NodeStatus(
                allocatable: ["cpu": try Quantity(cpu), "memory": try Quantity(memory), "pods": 110],
                conditions: [NodeCondition(type: "Ready", status: .true)],
                addresses: [NodeAddress(type: "InternalIP", address: domain == "alice" ? "127.0.0.2" : "127.0.0.3")]))
    }

    static func pod(_ namespace: String, _ name: String, cpu: String) -> Pod {
        Pod(
            metadata: ObjectMeta(name: name, namespace: namespace),
            spec: PodSpec(
                containers: [
                    Container(name: "c", resources: ResourceRequirements(requests: ["cpu": (try? Quantity(cpu)) ?? .zero]))
                ],
                nodeSelector: [KusciaLabel.nodeNamespace: namespace],
                tolerations: [
                    Toleration(key: Kuscia.agentTaintKey, operator: "Equal", value: Kuscia.agentTaintValue, effect: .noSchedule)
                ]),
            status: PodStatus(phase: .pending))
    }

    static func gangPod(_ namespace: String, _ task: String, size: Int, cpu: String = "1") -> Pod {
        var pod = pod(namespace, "\(task)-0", cpu: cpu)
        pod.metadata.annotations = [
            KusciaAnnotation.podGroup: task, KusciaAnnotation.podGroupSize: "\(size)",
            KusciaAnnotation.podGroupMinMembers: "\(size)",
        ]
        return pod
    }

    /// The message of PodScheduled=False; nil when the pod is not (or not yet) said to be unschedulable.
    static func unschedulable(_ api: InMemoryKubernetesAPI, _ namespace: String, _ name: String) throws -> String? {
        let conditions = try api.object(Pod.self, namespace: namespace, name: name)?.status.conditions ?? []
        return conditions.first { $0.type == "PodScheduled" && $0.status == .false && $0.reason == "Unschedulable" }?.message
    }
}

/// Waits until `condition` holds; fails the test when it does not within the deadline, which is generous because machines
/// that run tests are busy.
func eventually(
    _ what: Comment, deadline: Duration = .seconds(20), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let end = clock.now + deadline
    while clock.now < end {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(5))  // between two looks at a condition that has a deadline
    }
    try #require(try await condition(), what, sourceLocation: sourceLocation)
}

// MARK: - Jobs

extension Fixture {
    static let appImage = AppImage(
        metadata: ObjectMeta(name: "psi"),
        spec: AppImageSpec(
            image: AppImageInfo(name: "psi-engine", tag: "0.9.5"), configTemplates: ["task.conf": "{{.TASK_ID}}"],
            deployTemplates: [
                DeployTemplate(
                    name: "psi",
                    spec: AppImagePodSpec(
                        restartPolicy: .never,
                        containers: [
                            AppImageContainer(
                                name: "psi",
                                configVolumeMounts: [ConfigVolumeMount(mountPath: "/etc/task.conf", subPath: "task.conf")],
                                ports: [AppImagePort(name: "psi", protocol: "HTTP", scope: .cluster)])
                        ]))
            ]))

    /// A job whose tasks run one after the other, each on alice and bob.
    static func job(_ name: String, tasks: [String], memory: String = "64Mi") throws -> KusciaJob {
        let limits = ["cpu": try Quantity("100m"), "memory": try Quantity(memory)]
        let parties = ["alice", "bob"].map { KusciaJobParty(domainID: $0, resources: ResourceRequirements(limits: limits)) }
        return KusciaJob(
            metadata: ObjectMeta(name: name, namespace: Kuscia.crossDomainNamespace),
            spec: KusciaJobSpec(
                initiator: "alice",
                tasks: tasks.enumerated().map { index, alias in
                    KusciaTaskTemplate(
                        alias: alias, taskID: "\(name)-\(alias)", dependencies: index > 0 ? [tasks[index - 1]] : [],
                        appImage: "psi",
                        taskInputConfig: "{}", parties: parties)
                }))
    }

    /// A server that knows both domains, their nodes and the application.
    static func cluster() throws -> InMemoryKubernetesAPI {
        let api = InMemoryKubernetesAPI()
        for domain in ["alice", "bob"] {
            try api.put(Domain(metadata: ObjectMeta(name: domain)))
            try api.put(node(domain))
        }
        try api.put(appImage)
        return api
    }

    /// What an agent reports when a pod's container runs.
    static func start(_ api: InMemoryKubernetesAPI, _ namespace: String, _ name: String) throws {
        var pod = try #require(try api.object(Pod.self, namespace: namespace, name: name))
        pod.status.phase = .running
        pod.status.containerStatuses = [
            ContainerStatus(name: "psi", state: ContainerState(running: ContainerStateRunning()), ready: true)
        ]
        try api.put(pod)
    }

    /// What an agent reports when a pod's container ended.
    static func finish(
        _ api: InMemoryKubernetesAPI, _ namespace: String, _ name: String, exitCode: Int = 0, reason: String? = nil,
        at second: Int64 = 0
    ) throws {
        var pod = try #require(try api.object(Pod.self, namespace: namespace, name: name))
        pod.status.phase = exitCode == 0 ? .succeeded : .failed
        let end = ContainerStateTerminated(
            exitCode: exitCode, reason: reason ?? (exitCode == 0 ? "Completed" : "Error"),
            finishedAt: Timestamp(unixSeconds: 1_767_225_600 + second))
        pod.status.containerStatuses = [ContainerStatus(name: "psi", state: ContainerState(terminated: end))]
        try api.put(pod)
    }
}
