// A task of alice and bob in a world that the test moves by hand: stored status, pods, time.
import KubernetesModel
import KusciaModel
import Testing

@testable import Orchestration

let start = Timestamp(unixSeconds: 1_767_225_600)

func appImage(
    replicas: Int? = nil, roles: [String?] = [nil],
    ports: [AppImagePort] = [
        AppImagePort(name: "spu", protocol: "GRPC", scope: .cluster), AppImagePort(name: "inner-metrics"),
    ]
) -> AppImage {
    AppImage(
        metadata: ObjectMeta(name: "psi-image"),
        spec: AppImageSpec(
            image: AppImageInfo(name: "psi", tag: "0.9.5"), configTemplates: ["task.json": "{{.TASK_ID}}"],
            deployTemplates: roles.map { role in
                DeployTemplate(
                    name: "psi", role: role, replicas: replicas,
                    spec: AppImagePodSpec(containers: [
                        AppImageContainer(
                            name: "engine", command: ["/bin/psi"], args: ["--config=/conf/task.json"],
                            configVolumeMounts: [ConfigVolumeMount(mountPath: "/conf/task.json", subPath: "task.json")],
                            ports: ports,
                            env: [EnvVar(name: "HOME", value: "/root")],
                            resources: ResourceRequirements(limits: ["memory": Quantity(bytes: 2 << 30)]))
                    ]))
            }))
}

func party(_ domain: String, role: String? = nil, minReservedPods: Int? = nil, replicas: Int? = nil) -> KusciaTaskParty {
    KusciaTaskParty(
        domainID: domain, appImageRef: "psi-image", role: role, minReservedPods: minReservedPods,
        template: replicas.map { KusciaPodTemplate(replicas: $0) })
}

func task(
    _ parties: [KusciaTaskParty] = [party("alice"), party("bob")], schedule: ScheduleConfig? = nil, name: String = "psi-1",
    uid: String = "task-uid"
) -> KusciaTask {
    KusciaTask(
        metadata: ObjectMeta(
            name: name, namespace: "cross-domain", uid: uid, labels: [KusciaLabel.jobID: "job-1", KusciaLabel.taskAlias: "psi"]),
        spec: KusciaTaskSpec(initiator: "alice", taskInputConfig: #"{"a":"b"}"#, scheduleConfig: schedule, parties: parties))
}

func ended(_ code: Int, at seconds: Int64 = 0, reason: String? = nil, name: String = "engine") -> ContainerStatus {
    ContainerStatus(
        name: name,
        state: ContainerState(
            terminated: ContainerStateTerminated(
                exitCode: code, reason: reason ?? (code == 0 ? "Completed" : "Error"), finishedAt: start.adding(seconds: seconds))
        ))
}

/// What a master, its server and its nodes would be, without any of them.
struct TaskLaboratory {
    var task: KusciaTask
    var image: AppImage?
    var pods: [Pod] = []
    var configMaps: [String: ConfigMap] = [:]
    var services: [String: Service] = [:]
    var ports = PortAllocator()
    var now = start
    var nodes = ["alice-node": "10.0.0.1", "bob-node": "10.0.0.2", "carol-node": "10.0.0.3"]
    /// Nodes that have not reported for longer than their grace.
    var silent: Set<String> = []
    private var nextIdentity = 0

    init(_ task: KusciaTask = OrchestrationTests.task(), image: AppImage? = appImage()) {
        self.task = task
        self.image = image
    }

    var phase: KusciaTaskPhase? { task.status.phase }
    var message: String { task.status.message ?? "" }

    func plan() -> TaskPlan {
        var ports = ports
        return TaskPlanner.plan(world, ports: &ports)
    }

    private var world: TaskWorld {
        TaskWorld(
            task: task, pods: pods, appImage: { [image] in $0 == "psi-image" ? image : nil },
            nodeAddress: { [nodes] in nodes[$0] },
            isSilent: { [silent] in silent.contains($0) }, now: now)
    }

    /// One round of a controller: plan, act, store.
    @discardableResult
    mutating func step() -> TaskPlan {
        let plan = TaskPlanner.plan(world, ports: &ports)
        for action in plan.actions { carryOut(action) }
        task.status = plan.status
        return plan
    }

    /// Until nothing changes.
    mutating func settle() {
        for _ in 0..<20 {
            let before = task.status
            if step().actions.isEmpty && task.status == before { return }
        }
        Issue.record("the planner does not come to rest")
    }

    mutating func carryOut(_ action: TaskAction) {
        switch action {
        case .apply(let map): configMaps[map.namespacedName] = map
        case .applyService(let service): services[service.namespacedName] = service
        case .create(let pod):
            guard !pods.contains(where: { $0.namespacedName == pod.namespacedName }) else { return }
            var pod = pod
            nextIdentity += 1
            pod.metadata.uid = "pod-uid-\(nextIdentity)"
            pod.metadata.creationTimestamp = now
            pods.append(pod)
        case .delete(let namespace, let name, let uid, let grace):
            guard let index = pods.firstIndex(where: { $0.namespacedName == "\(namespace)/\(name)" && $0.metadata.uid == uid })
            else { return }
            if grace > 0 && pods[index].spec.nodeName != nil && pods[index].status.phase?.isFinished != true {
                pods[index].metadata.deletionTimestamp = now.adding(seconds: Int64(grace))
            } else {
                pods.remove(at: index)
            }
        case .removeConfigMap(let namespace, let name): configMaps["\(namespace)/\(name)"] = nil
        }
    }

    // MARK: the nodes' part

    mutating func edit(_ name: String, _ change: (inout Pod) -> Void) {
        guard let index = pods.firstIndex(where: { $0.namespacedName == name }) else {
            Issue.record("there is no pod \(name), only \(pods.map(\.namespacedName))")
            return
        }
        change(&pods[index])
    }

    mutating func place(_ name: String) {
        let now = now
        edit(name) { pod in
            pod.spec.nodeName = "\(pod.metadata.namespace ?? "")-node"
            pod.status.conditions = [PodCondition(type: "PodScheduled", status: .true, lastTransitionTime: now)]
        }
    }

    mutating func run(_ name: String) {
        place(name)
        let now = now
        edit(name) { pod in
            pod.status.phase = .running
            pod.status.startTime = now
            pod.status.containerStatuses = [
                ContainerStatus(name: "engine", state: ContainerState(running: .init(startedAt: now)), ready: true)
            ]
        }
    }

    mutating func finish(_ name: String, code: Int, at seconds: Int64 = 0, reason: String? = nil) {
        edit(name) { pod in
            pod.status.phase = code == 0 ? .succeeded : .failed
            pod.status.containerStatuses = [ended(code, at: seconds, reason: reason)]
        }
    }

    mutating func refuse(_ name: String, reason: String, message: String) {
        place(name)
        let now = now
        edit(name) { pod in
            pod.status.phase = .failed
            pod.status.startTime = now
            pod.status.reason = reason
            pod.status.message = message
        }
    }

    mutating func erase(_ name: String) { pods.removeAll { $0.namespacedName == name } }

    mutating func runAll() {
        settle()
        for pod in pods { run(pod.namespacedName) }
        settle()
    }
}
