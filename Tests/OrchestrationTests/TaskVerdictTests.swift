// Which failure is the cause, and when a task counts as done.
import KubernetesModel
import KusciaModel
import Testing

@testable import Orchestration

@Suite("TaskPlanner: the verdict") struct TaskVerdictTests {
    private let bob = "bob/psi-1-0"
    private let alice = "alice/psi-1-0"

    @Test("a failure names party, pod, container and exit code; the other party is stopped at once and stays in the record")
    func failure() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(bob, code: 3)
        let plan = lab.step()
        #expect(lab.phase == .failed)
        #expect(lab.message == "party bob, pod psi-1-0: container engine ended with exit code 3, Error")
        #expect(plan.actions == [.delete(namespace: "alice", pod: "psi-1-0", uid: "pod-uid-1", graceSeconds: 2)])
        #expect(lab.task.status.partyTaskStatus.map(\.phase) == [.failed, .failed], "no party looks as if it ran on")
        #expect(lab.task.status.partyTaskStatus[0].message == "stopped, because the task had ended")
        #expect(lab.task.status.conditions.contains { $0.type == "Success" && $0.status == .false })
        lab.erase(alice)
        lab.settle()
        #expect(lab.task.status.podStatuses[alice]?.message == "stopped, because the task had ended")
        #expect(lab.task.status.podStatuses[bob]?.exitCode == 3)
    }

    @Test("a container that was killed for memory names its limit")
    func outOfMemory() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(bob, code: 137, reason: "OOMKilled")
        lab.settle()
        #expect(lab.task.status.reason == "OOMKilled")
        #expect(lab.message.hasSuffix("exit code 137, OOMKilled: it exceeded its memory limit of 2Gi"))
    }

    @Test("a container that cannot start counts as failed: waiting would not help")
    func hopeless() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.edit(bob) { pod in
            pod.status.phase = .pending
            pod.status.containerStatuses = [
                ContainerStatus(
                    name: "engine", state: ContainerState(waiting: .init(reason: "CrashLoopBackOff", message: "back-off 10s")),
                    lastState: ended(7).state)
            ]
        }
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(
            lab.message
                == "party bob, pod psi-1-0: container engine cannot start: CrashLoopBackOff after exit code 7: back-off 10s")
    }

    @Test(
        "waiting that may end counts as nothing",
        arguments: ["ContainerCreating", "PodInitializing", "ErrImagePull", "ImagePullBackOff"])
    func hopeful(reason: String) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.edit(bob) {
            $0.status.containerStatuses = [ContainerStatus(name: "engine", state: ContainerState(waiting: .init(reason: reason)))]
        }
        lab.settle()
        #expect(lab.phase == .running)
    }

    // MARK: quorum

    @Test("a party has succeeded when minReservedPods of its pods have, and cannot any more when too few are left")
    func minReservedPods() {
        var lab = TaskLaboratory(task([party("alice", minReservedPods: 2, replicas: 3), party("bob")]))
        lab.runAll()
        lab.finish("alice/psi-1-0", code: 1)
        lab.finish("alice/psi-1-1", code: 0)
        lab.settle()
        #expect(lab.phase == .running)
        var lost = lab
        lost.finish("alice/psi-1-2", code: 1, at: 9)
        lost.settle()
        #expect(lost.phase == .failed)
        lab.finish("alice/psi-1-2", code: 0)
        lab.finish(bob, code: 0)
        lab.settle()
        #expect(lab.phase == .succeeded)
    }

    @Test("a task has succeeded when minReservedMembers parties have; who still runs is stopped")
    func minReservedMembers() {
        var lab = TaskLaboratory(
            task([party("alice"), party("bob"), party("carol")], schedule: ScheduleConfig(minReservedMembers: 2)))
        lab.runAll()
        lab.finish(alice, code: 5)
        lab.settle()
        #expect(lab.phase == .running)
        var lost = lab
        lost.finish(bob, code: 6, at: 1)
        lost.settle()
        #expect(lost.phase == .failed)
        #expect(lost.message.contains("exit code 5"))
        lab = TaskLaboratory(lab.task)
        lab.task.status = .init()
        lab.runAll()
        lab.finish(alice, code: 0)
        lab.finish(bob, code: 0)
        lab.settle()
        #expect(lab.phase == .succeeded)
        #expect(lab.pods.first { $0.metadata.namespace == "carol" }?.metadata.deletionTimestamp != nil)
    }

    // MARK: pods that go

    @Test("a pod that somebody deletes fails the task, in words")
    func deleted() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.erase(bob)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "PodDeleted")
        #expect(lab.message == "party bob, pod psi-1-0: deleted before it finished")
    }

    @Test("a pod that ends well because it was deleted has not done its work", arguments: [nil, 30] as [Int64?])
    func cutShort(grace: Int64?) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.edit(bob) {
            $0.metadata.deletionTimestamp = start.adding(seconds: 10 + (grace ?? 0))
            $0.metadata.deletionGracePeriodSeconds = grace
        }
        lab.finish(bob, code: 0, at: 10)
        lab.finish(alice, code: 0, at: 10)
        let plan = lab.step()
        #expect(lab.phase == .failed)
        #expect(lab.task.status.reason == "PodDeleted")
        #expect(lab.message == "party bob, pod psi-1-0: deleted before it finished")
        #expect(lab.task.status.partyTaskStatus.map(\.phase) == [.succeeded, .failed])
        #expect(plan.actions.isEmpty)
        lab.settle()
        lab.erase(bob)
        lab.settle()
        #expect(lab.task.status.podStatuses[bob]?.podPhase == .failed)
        #expect(lab.task.status.podStatuses[bob]?.reason == "PodDeleted")
    }

    @Test("with a quorum, a pod that was cut short stays lost while the others go on")
    func cutShortInQuorum() {
        var lab = TaskLaboratory(
            task([party("alice"), party("bob"), party("carol")], schedule: ScheduleConfig(minReservedMembers: 2)))
        lab.runAll()
        lab.edit(bob) { $0.metadata.deletionTimestamp = start }
        lab.finish(bob, code: 0)
        lab.finish(alice, code: 0)
        lab.settle()
        #expect(lab.phase == .running)
        lab.erase(bob)
        lab.settle()
        #expect(lab.phase == .running)
        #expect(lab.task.status.partyTaskStatus.map(\.phase) == [.succeeded, .failed, .running])
    }

    @Test("a pod that had succeeded when it was deleted has succeeded, seen in time or not", arguments: [true, false])
    func deletedAfterItsEnd(seen: Bool) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(bob, code: 0, at: 10)
        if seen { lab.settle() }
        lab.edit(bob) { $0.metadata.deletionTimestamp = start.adding(seconds: seen ? 10 : 11) }
        lab.finish(alice, code: 0, at: 12)
        lab.settle()
        #expect(lab.phase == .succeeded)
    }

    @Test("a pod that succeeded and was deleted has still succeeded")
    func deletedAfterSuccess() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(bob, code: 0)
        lab.settle()
        lab.erase(bob)
        lab.settle()
        #expect(lab.phase == .running)
        lab.finish(alice, code: 0)
        lab.settle()
        #expect(lab.phase == .succeeded)
    }

    @Test("a pod that failed and was deleted is still the cause")
    func deletedAfterFailure() {
        var lab = TaskLaboratory(
            task([party("alice"), party("bob"), party("carol")], schedule: ScheduleConfig(minReservedMembers: 2)))
        lab.runAll()
        lab.finish(bob, code: 4)
        lab.settle()
        lab.erase(bob)
        lab.now = start.adding(seconds: 9)
        lab.finish("carol/psi-1-0", code: 255, at: 9)
        lab.now = start.adding(seconds: 20)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.message.hasPrefix("party bob, pod psi-1-0: container engine ended with exit code 4"))
    }

    // MARK: cause

    @Test("I-TASK-4: of two failures the earlier is the cause, and in one second the one that does not look like a follow-up")
    func firstCause() {
        var lab = TaskLaboratory()
        lab.runAll()
        var later = lab
        later.finish(alice, code: 1, at: 7)
        later.finish(bob, code: 2, at: 5)
        later.settle()
        #expect(later.message.hasPrefix("party bob"))
        for code in [255, 134, 139] {
            var same = lab
            same.finish(alice, code: code, at: 5)
            same.finish(bob, code: 2, at: 5)
            same.settle()
            #expect(same.message.hasPrefix("party bob"))
        }
    }

    @Test("I-TASK-4: a failure that looks like a follow-up waits a moment for the one that it followed from")
    func settling() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.now = start.adding(seconds: 10)
        lab.finish(alice, code: 255, at: 10)
        let plan = lab.step()
        #expect(lab.phase == .running)
        #expect(plan.again == 2)
        #expect(plan.actions.isEmpty)
        var alone = lab
        alone.now = start.adding(seconds: 12)
        alone.settle()
        #expect(alone.message.hasPrefix("party alice"))
        lab.finish(bob, code: 1, at: 10)
        lab.settle()
        #expect(lab.message.hasPrefix("party bob"))
    }

    @Test("a node whose clock is wrong delays no verdict", arguments: [-3600, 3600] as [Int64])
    func wrongClock(seconds: Int64) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(alice, code: 255, at: seconds)
        lab.settle()
        #expect(lab.phase == .failed)
    }

    @Test("I-TASK-4: a report that comes after the verdict, of a failure before it, becomes the cause")
    func lateReport() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(alice, code: 1, at: 5)
        lab.settle()
        #expect(lab.message.hasPrefix("party alice"))
        #expect(lab.pods.first { $0.metadata.namespace == "bob" }?.metadata.deletionTimestamp != nil)
        lab.finish(bob, code: 9, at: 4)
        lab.settle()
        #expect(lab.phase == .failed)
        #expect(lab.message.hasPrefix("party bob, pod psi-1-0: container engine ended with exit code 9"))
    }

    @Test("a pod that we stopped is never the cause", arguments: [137, 143, 1])
    func stopped(code: Int) {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.finish(alice, code: 1, at: 5)
        lab.settle()
        let message = lab.message
        lab.finish(bob, code: code, at: 5)
        lab.settle()
        #expect(lab.message == message)
    }

    @Test("a node's refusal is dated by the pod's arrival, a lost node by nothing")
    func dates() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.refuse(bob, reason: "OutOfmemory", message: "no room")
        lab.edit(bob) { $0.status.containerStatuses = [] }
        lab.finish(alice, code: 1, at: 3)
        lab.settle()
        #expect(lab.message == "party bob, pod psi-1-0: OutOfmemory: no room")

        var other = TaskLaboratory()
        other.runAll()
        other.edit(bob) { pod in
            pod.status.phase = .failed
            pod.status.reason = "NodeLost"
        }
        other.finish(alice, code: 1, at: 3)
        other.settle()
        #expect(other.message.hasPrefix("party alice"))
    }
}

@Suite("TaskPlanner: nodes that fall silent") struct SilentNodeTests {
    @Test("a task with a pod on a silent node says so, in its message, a condition and the pod's entry, until the node is back")
    func silence() {
        var lab = TaskLaboratory()
        lab.runAll()
        lab.settle()
        lab.silent = ["bob-node"]
        lab.settle()
        #expect(lab.phase == .running)
        #expect(
            lab.message == "party bob, pod psi-1-0: its node bob-node does not report; if it stays silent the pod is given up")
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.reason == "NodeSilent")
        #expect(lab.task.status.conditions.contains { $0.type == "NodesReporting" && $0.status == .false })
        lab.silent = []
        lab.settle()
        #expect(lab.task.status.message == nil)
        #expect(lab.task.status.podStatuses["bob/psi-1-0"]?.reason == nil)
        #expect(lab.task.status.conditions.contains { $0.type == "NodesReporting" && $0.status == .true })
    }
}
