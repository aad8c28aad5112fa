// A task's life, from ports to pods to its end.
import KubernetesModel
import KusciaModel
import Testing

@testable import Orchestration

@Suite("TaskPlanner: the life of a task") struct TaskPlannerTests {
    @Test("I-TASK-2: a new task gets its ports stored before anything that uses them is made")
    func portsFirst() {
        var lab = TaskLaboratory()
        let first = lab.step()
        #expect(first.actions.isEmpty)
        #expect(lab.phase == .pending)
        #expect(lab.task.status.startTime == start)
        #expect(lab.task.status.lastReconcileTime == start)
        #expect(
            lab.task.status.allocatedPorts.map(\.namedPort) == [
                ["psi-1-0/spu": 20000, "psi-1-0/inner-metrics": 20001], ["psi-1-0/spu": 20002, "psi-1-0/inner-metrics": 20003],
            ])
        let second = lab.step()
        #expect(second.actions.contains { if case .create = $0 { true } else { false } })
        #expect(lab.pods.map(\.namespacedName) == ["alice/psi-1-0", "bob/psi-1-0"])
        #expect(lab.pods[1].spec.containers[0].ports.map(\.containerPort) == [20002, 20003])
    }

    @Test("what a task needs is made once, config maps before the pods that mount them")
    func madeOnce() {
        var lab = TaskLaboratory()
        lab.step()
        let kinds = lab.step().actions.map { action in
            switch action {
            case .removeConfigMap: "old hosts"
            case .apply: "config map"
            case .applyService: "service"
            case .create: "pod"
            case .delete: "delete"
            }
        }
        #expect(
            kinds == ["old hosts", "old hosts"] + Array(repeating: "config map", count: 4) + ["service", "service", "pod", "pod"])
        #expect(lab.task.status.isTrue("ResourceCreated"))
        #expect(lab.step().actions.isEmpty)
    }

    @Test("the same world gives the same plan, and a plan carried out twice is carried out once")
    func idempotent() {
        var lab = TaskLaboratory()
        lab.step()
        let plan = lab.plan()
        let again = lab.plan()
        #expect(plan.actions == again.actions)
        #expect(plan.status == again.status)
        // A master that dies after acting and before writing the status acts again.
        for action in plan.actions { lab.carryOut(action) }
        lab.step()
        #expect(lab.pods.count == 2)
        lab.settle()
        let reversed = lab.pods.reversed()
        let before = lab.plan().status
        lab.pods = Array(reversed)
        #expect(lab.plan().status == before, "the order in which pods are listed changes nothing")
    }

    @Test("hosts are told when all needed pods are placed, not before, and to every party")
    func hosts() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.place("alice/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["alice/psi-1-hosts"] == nil)
        lab.place("bob/psi-1-0")
        lab.nodes["bob-node"] = nil
        lab.settle()
        #expect(lab.configMaps["alice/psi-1-hosts"] == nil, "a node without address places nothing")
        lab.nodes["bob-node"] = "10.0.0.2"
        lab.settle()
        let text = "10.0.0.1 psi-1-0-spu.alice.svc\n10.0.0.2 psi-1-0-spu.bob.svc\n"
        #expect(lab.configMaps["alice/psi-1-hosts"]?.data == ["hosts": text])
        #expect(lab.configMaps["bob/psi-1-hosts"]?.data == ["hosts": text])
        #expect(lab.step().actions.isEmpty)
    }

    @Test("with a quorum, hosts are told when so many parties are placed, and again when more come")
    func hostsOfQuorum() {
        var lab = TaskLaboratory(
            task([party("alice"), party("bob"), party("carol")], schedule: ScheduleConfig(minReservedMembers: 2)))
        lab.settle()
        lab.place("alice/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["carol/psi-1-hosts"] == nil)
        lab.place("carol/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["carol/psi-1-hosts"]?.data["hosts"]?.contains("bob") == false)
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["carol/psi-1-hosts"]?.data["hosts"]?.contains("10.0.0.2 psi-1-0-spu.bob.svc") == true)
    }

    @Test("Pending, Running when a pod runs, Succeeded when all have succeeded")
    func life() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.run("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(lab.phase == .running)
        #expect(lab.task.status.partyTaskStatus.map(\.phase) == [.running, .pending])
        lab.run("bob/psi-1-0")
        lab.finish("alice/psi-1-0", code: 0)
        lab.settle()
        #expect(lab.phase == .running)
        lab.now = start.adding(seconds: 60)
        lab.finish("bob/psi-1-0", code: 0, at: 59)
        lab.settle()
        #expect(lab.phase == .succeeded)
        #expect(lab.task.status.completionTime == start.adding(seconds: 60))
        #expect(lab.task.status.partyTaskStatus.map(\.phase) == [.succeeded, .succeeded])
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.exitCode == 0)
        #expect(lab.ports.taken == 0)
        #expect(lab.pods.count == 2, "finished pods stay, so that their logs can be read")
    }

    @Test("usage that a pod's node wrote down is kept in the task")
    func usage() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish("alice/psi-1-0", code: 0)
        lab.edit("alice/psi-1-0") {
            $0.metadata.annotations[KusciaAnnotation.usage] = #"{"containers":{"engine":{"cpuSeconds":1.5,"peakMemoryBytes":7}}}"#
        }
        lab.edit("bob/psi-1-0") { $0.metadata.annotations[KusciaAnnotation.usage] = "no JSON" }
        lab.settle()
        #expect(lab.task.status.podStatuses["alice/psi-1-0"]?.usage?.containers["engine"]?.peakMemoryBytes == 7)
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.usage == nil)
    }

    @Test("a task that cannot be laid out fails at once, in words")
    func invalid() {
        var lab = TaskLaboratory(image: nil)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "InvalidTask")
        #expect(lab.message == #"spec.parties[0].appImageRef: AppImage "psi-image" not found"#)
        #expect(lab.ports.taken == 0)
    }

    @Test("a pool without ports fails the task for that reason")
    func noPorts() throws {
        var lab = TaskLaboratory()
        _ = try lab.ports.allocate(PortAllocator.pool.count - 3, owner: "others")
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "PortsExhausted")
        #expect(lab.message.contains("4 asked for, 3 of 12768 free"))
    }

    @Test("ports follow an AppImage that was changed before its pods were made")
    func changedImage() {
        var lab = TaskLaboratory()
        lab.step()
        lab.image = appImage(ports: [AppImagePort(name: "other", scope: .cluster)])
        lab.settle()
        #expect(lab.pods[0].spec.containers[0].ports.map(\.name) == ["other"])
        #expect(lab.pods[0].spec.containers[0].ports.allSatisfy { $0.containerPort >= 20004 })
        #expect(lab.ports.taken == 2)
    }

    // MARK: what was made

    @Test(
        "I-TASK-5: a task that was started follows what was made, whatever becomes of its AppImage",
        arguments: [
            nil, appImage(replicas: 3), appImage(replicas: 1), appImage(roles: ["other"]), appImage(ports: []),
        ] as [AppImage?])
    func startedTask(image: AppImage?) {
        var lab = TaskLaboratory(image: appImage(replicas: 2))
        lab.runAll()
        lab.image = image
        let plan = lab.step()
        #expect(plan.actions.isEmpty)
        #expect(lab.phase == .running)
        #expect(lab.pods.count == 4)
        for pod in lab.pods.dropLast() { lab.finish(pod.namespacedName, code: 0) }
        lab.settle()
        #expect(lab.phase == .running, "the last of the pods still computes")
        lab.finish("bob/psi-1-1", code: 0)
        lab.settle()
        #expect(lab.phase == .succeeded)
    }

    @Test("I-TASK-5: hosts of a task that was started are told although its AppImage has gone")
    func hostsOfStartedTask() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.image = nil
        lab.place("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(
            lab.configMaps["alice/psi-1-hosts"]?.data["hosts"]
                == "10.0.0.1 psi-1-0-spu.alice.svc\n10.0.0.2 psi-1-0-spu.bob.svc\n")
    }

    @Test("I-TASK-5: an earlier version's status, which does not say what was made, is judged by the AppImage, and says it then")
    func statusOfEarlierVersion() {
        var lab = TaskLaboratory(task([party("alice", minReservedPods: 1, replicas: 2), party("bob")]))
        lab.runAll()
        let layouts = lab.task.status.partyLayouts
        #expect(layouts.map(\.pods) == [2, 1])
        #expect(layouts.map(\.minReservedPods) == [1, 1])
        #expect(layouts.map(\.reachablePorts) == [["spu"], ["spu"]])
        lab.task.status.partyLayouts = []
        lab.settle()
        #expect(lab.task.status.partyLayouts == layouts)
        lab.image = nil
        lab.settle()
        #expect(lab.phase == .running)
    }

    // MARK: waiting

    @Test("lifecycleSeconds 0 is what a client writes that writes every field: Kuscia's default")
    func zeroLifecycle() {
        var lab = TaskLaboratory(task(schedule: ScheduleConfig(lifecycleSeconds: 0)))
        lab.settle()
        #expect(lab.phase == .pending)
        #expect(lab.plan().again == 300)
    }

    @Test("of pods without a node, one that has a cause of its own is told, not one that only waits for it")
    func culprit() {
        var lab = TaskLaboratory()
        lab.settle()
        func unscheduled(_ reason: String, _ message: String) -> [PodCondition] {
            [PodCondition(type: "PodScheduled", status: .false, reason: reason, message: message)]
        }
        lab.edit("alice/psi-1-0") { $0.status.conditions = unscheduled(Kuscia.waitsForPodGroup, "bob/psi-1-0 has no place yet") }
        lab.settle()
        #expect(lab.message == "pod alice/psi-1-0: bob/psi-1-0 has no place yet")
        lab.edit("bob/psi-1-0") { $0.status.conditions = unscheduled("Unschedulable", "Insufficient memory") }
        lab.settle()
        #expect(lab.message == "pod bob/psi-1-0: Insufficient memory")
        lab.now = start.adding(seconds: 300)
        lab.settle()
        #expect(lab.message.hasSuffix("(scheduleConfig.lifecycleSeconds): pod bob/psi-1-0: Insufficient memory"))
    }

    @Test("a container that waits for its image is told in the pod's entry and in the task's message, until it starts")
    func imageWait() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.place("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        func wait(_ reason: String, _ message: String?) {
            lab.edit("bob/psi-1-0") {
                let waiting = ContainerState(waiting: .init(reason: reason, message: message))
                $0.status.containerStatuses = [ContainerStatus(name: "engine", state: waiting)]
            }
            lab.settle()
        }
        wait("ContainerCreating", nil)
        #expect(lab.task.status.message == nil)
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.reason == nil)
        wait("ErrImagePull", "no such image")
        #expect(lab.phase == .pending)
        #expect(lab.message == "pod bob/psi-1-0: container engine waits: ErrImagePull: no such image")
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.reason == "ErrImagePull")
        lab.run("alice/psi-1-0")
        lab.settle()
        #expect(lab.phase == .running)
        #expect(lab.message == "pod bob/psi-1-0: container engine waits: ErrImagePull: no such image")
        lab.run("bob/psi-1-0")
        lab.settle()
        #expect(lab.task.status.message == nil)
    }

    @Test("a task that waits for a node says what the scheduler says, and stops saying so when it is placed")
    func unschedulable() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.edit("bob/psi-1-0") { pod in
            pod.status.conditions = [
                PodCondition(type: "PodScheduled", status: .false, message: "0/2 nodes: memory 1Gi of 4Gi free")
            ]
        }
        let plan = lab.step()
        #expect(lab.phase == .pending)
        #expect(lab.message == "pod bob/psi-1-0: 0/2 nodes: memory 1Gi of 4Gi free")
        #expect(plan.again == 300)
        lab.place("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(lab.task.status.message == nil)
        #expect(lab.plan().again == nil)
    }

    @Test("scheduling that takes longer than lifecycleSeconds fails the task and names what was missing")
    func expiry() {
        var lab = TaskLaboratory(task(schedule: ScheduleConfig(lifecycleSeconds: 60)))
        lab.settle()
        lab.place("alice/psi-1-0")
        lab.now = start.adding(seconds: 59)
        #expect(lab.step().again == 1)
        #expect(lab.phase == .pending)
        lab.now = start.adding(seconds: 60)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "TaskResourceGroupExpired")
        #expect(lab.message == "not scheduled within 60 s (scheduleConfig.lifecycleSeconds): pod bob/psi-1-0 has no node")
        #expect(lab.pods.map(\.namespacedName) == ["alice/psi-1-0"], "the pod without node is gone, the other is stopping")
        #expect(lab.pods[0].metadata.deletionTimestamp != nil)
    }

    @Test("a pod that vanished before it was ever seen ends in expiry, not in waiting for ever")
    func neverSeen() {
        var lab = TaskLaboratory()
        lab.step()
        lab.step()
        lab.pods = []
        #expect(lab.step().again == 300)
        lab.now = start.adding(seconds: 300)
        lab.settle()
        #expect(lab.phase == .failed)
    }

    @Test("objects that cannot be made in time fail the task with what stood in the way")
    func neverMade() {
        var lab = TaskLaboratory()
        lab.step()
        lab.task.status.message = #"namespaces "bob" not found"#
        lab.now = start.adding(seconds: 300)
        lab.step()
        #expect(lab.phase == .failed)
        #expect(lab.message.hasSuffix(#"(scheduleConfig.lifecycleSeconds): namespaces "bob" not found"#))
    }

    // MARK: attempts

    @Test("a port that is taken on a node: all pods go first, then all come again with new ports and new hosts")
    func portConflict() {
        var lab = TaskLaboratory()
        lab.settle()
        lab.place("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["alice/psi-1-hosts"] != nil)
        lab.refuse("bob/psi-1-0", reason: "PortConflict", message: "port 20002 of container engine is already in use on the node")
        let replan = lab.step()
        #expect(replan.actions.isEmpty, "I-TASK-2")
        #expect(lab.phase == .pending)
        #expect(lab.message.contains("port 20002"))
        #expect(lab.task.status.allocatedPorts[0].namedPort["psi-1-0/spu"] == 20004)
        let old = lab.pods.map(\.metadata.uid)
        let removal = lab.step()
        #expect(removal.actions.count == 2)
        #expect(removal.actions.allSatisfy { if case .delete(_, _, _, 0) = $0 { true } else { false } })
        #expect(lab.pods.isEmpty)
        #expect(lab.configMaps["alice/psi-1-hosts"] != nil)
        lab.step()
        #expect(lab.configMaps["alice/psi-1-hosts"] == nil, "addresses of the first attempt must not reach the second")
        #expect(lab.pods.count == 2)
        #expect(lab.pods.allSatisfy { !old.contains($0.metadata.uid) })
        #expect(lab.services["bob/psi-1-0-spu"]?.spec.ports.first?.port == 20006)
        lab.place("alice/psi-1-0")
        lab.place("bob/psi-1-0")
        lab.settle()
        #expect(lab.configMaps["alice/psi-1-hosts"] != nil)
    }

    @Test("new ports are looked for so often and no more; then the conflict is the cause")
    func portConflicts() {
        var lab = TaskLaboratory()
        for attempt in 1...TaskPlanner.maximumAttempts {
            #expect(lab.phase != .failed)
            lab.settle()
            #expect(lab.pods.allSatisfy { $0.metadata.annotations[TaskLayout.attemptAnnotation] == "\(attempt)" })
            lab.run("alice/psi-1-0")
            lab.refuse("bob/psi-1-0", reason: "PortConflict", message: "port \(attempt) is in use")
            // What the peer says about it happened after.
            lab.now = lab.now.adding(seconds: 5)
            lab.finish("alice/psi-1-0", code: 1, at: lab.now.seconds(since: start))
        }
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "PortConflict")
        #expect(lab.message == "party bob, pod psi-1-0: PortConflict: port 3 is in use; gave up after 3 sets of ports")
    }

    @Test("pods of a task that had this name before are removed first, and are not this task's")
    func formerTask() {
        var former = TaskLaboratory(task(uid: "former"))
        former.runAll()
        former.finish("alice/psi-1-0", code: 1)
        var lab = TaskLaboratory(task(uid: "task-uid"))
        lab.pods = former.pods
        lab.step()
        lab.step()
        #expect(lab.pods.isEmpty)
        lab.settle()
        #expect(lab.phase == .pending)
        #expect(lab.pods.allSatisfy { $0.metadata.ownerReferences.map(\.uid) == ["task-uid"] })
        #expect(lab.pods.count == 2)
    }

    // MARK: final

    @Test(
        "I-TASK-1: a finished task stays finished, whatever its pods do", arguments: [KusciaTaskPhase.succeeded, .failed],
        [PodPhase.pending, .running, .succeeded, .failed, .unknown])
    func final(phase: KusciaTaskPhase, pod: PodPhase) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.task.status.phase = phase
        lab.edit("alice/psi-1-0") { $0.status.phase = pod }
        lab.edit("bob/psi-1-0") { $0.status.phase = .succeeded }
        lab.settle()
        #expect(lab.phase == phase)
        // I-TASK-3
        let alice = lab.pods.first { $0.metadata.namespace == "alice" }
        #expect((alice?.metadata.deletionTimestamp != nil) == !pod.isFinished)
        #expect((lab.ports.taken == 0) == pod.isFinished, "ports are free when nothing can listen on them any more")
        lab.erase("alice/psi-1-0")
        lab.settle()
        #expect(lab.ports.taken == 0)
        #expect(
            lab.task.status.podStatuses["alice/psi-1-0"]?.podPhase?.isFinished == true,
            "no pod of a finished task looks as if it ran")
    }

    @Test("the end of a former task frees no port of the one that has its name now")
    func formerPorts() throws {
        var lab = TaskLaboratory()
        lab.settle()
        lab.ports.release(owner: TaskPlanner.portOwner(task(uid: "former")))
        #expect(lab.ports.taken == 4)
    }

    @Test("what the server refuses for good fails the task and stops what was made")
    func refused() {
        var lab = TaskLaboratory()
        lab.settle()
        let plan = TaskPlanner.refused(
            TaskWorld(task: lab.task, pods: lab.pods, appImage: { _ in nil }, nodeAddress: { _ in nil }, now: start),
            message: "name too long")
        #expect(plan.status.phase == .failed)
        #expect(plan.status.message == "name too long")
        #expect(plan.actions.count == 2)
    }
}
