// Carries out preemptions: tells the victims why, ends them gracefully, and notes on the preempting pods where they will go.
import JSON
import KubernetesClient
import KubernetesModel
import Logging
import Scheduling

struct PreemptionRun {
    let api: any KubernetesAPI
    let informers: SharedInformers
    let recorder: EventRecorder
    let now: @Sendable () -> Timestamp
    let logger: Logger

    /// What fails is kept for the next pass, and its last error thrown.
    func carryOut(_ pass: SchedulingPass) async throws {
        var failure: (any Error)?
        for preemption in pass.takePreemptions() {
            do {
                try await carryOut(preemption)
            } catch {
                pass.preempt(preemption)
                failure = error
            }
        }
        if let failure { throw failure }
    }

    private func carryOut(_ preemption: Preemption) async throws {
        // The nomination first: who starts after a crash in between sees why the victims end.
        for one in preemption.nominated {
            try await forgiving {
                try await api.patchStatus(
                    Pod.self, namespace: one.pod.namespace, name: one.pod.name,
                    merge: ["metadata": ["uid": .string(one.uid)], "status": ["nominatedNodeName": .string(one.node)]])
            }
        }
        let by = preemption.nominated.first.map { "\($0.pod)" } ?? ""
        for victim in preemption.victims { try await end(victim, by: by) }
    }

    private func end(_ victim: PodPlacement, by: String) async throws {
        guard let pod = informers.pods.get(namespace: victim.pod.namespace, name: victim.pod.name),
            pod.uid == victim.uid, !pod.isDeleting
        else { return }
        logger.info("pod is preempted", metadata: ["pod": "\(victim.pod)", "node": "\(victim.node)", "by": "\(by)"])
        try await forgiving {
            try await api.announceDisruption(
                of: pod, reason: "PreemptionByScheduler",
                message: "swiftlet-scheduler: preempting to accommodate a higher priority pod", at: now())
            try await api.delete(
                Pod.self, namespace: victim.pod.namespace, name: victim.pod.name, options: DeleteOptions(uid: victim.uid))
            recorder.record(
                EventSubject(pod.reference), .normal, reason: "Preempted",
                message: "Preempted by pod \(by) on node \(victim.node)")
        }
    }

    /// Gone, or another by now, is as good.
    private func forgiving(_ work: () async throws -> Void) async throws {
        do {
            try await work()
        } catch let error as KubernetesAPIError where error.isNotFound || error.isConflict {
            return
        }
    }
}
