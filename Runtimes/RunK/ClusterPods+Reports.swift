// What is told of a pod: its copy's status and where that lies, and what the decision about it is made from.
import KubernetesModel
import RuntimeInterface

extension ClusterPods {
    func report(_ status: PodStatus, of pod: Pod, _ copy: ClusterCopy?, final: Bool) {
        guard let uid = pod.metadata.uid else { return }
        mirrors[uid, default: Mirror()].reported = status
        if final { mirrors[uid]?.memory.isFinalUnderway = true }
        var annotations: [String: String] = [:]
        if let copy {
            annotations[ClusterMark.copyName] = "\(configuration.namespace)/\(copy.pod.metadata.name)"
            annotations[ClusterMark.copyUID] = copy.uid
            // What it used, where its own node says so.
            if let usage = copy.pod.metadata.annotations[ClusterMark.usage] { annotations[ClusterMark.usage] = usage }
        }
        reporter.report(
            PodReport(
                namespace: pod.metadata.namespace ?? "", name: pod.metadata.name, uid: uid, status: status,
                annotations: annotations,
                final: final)
        ) { [weak self] outcome in
            guard final else { return }
            Task { await self?.finalReported(uid, outcome) }
        }
    }

    private func finalReported(_ uid: String, _ outcome: PodReportOutcome) {
        switch outcome {
        case .delivered, .gone: mirrors[uid]?.memory.isFinalDelivered = true
        case .failed: mirrors[uid]?.memory.isFinalUnderway = false
        }
        queue.add(.pod(uid))
    }
}

extension MirrorWish {
    init(_ pod: Pod, isDrained: Bool) {
        isFinished = pod.status.phase?.isFinished == true
        grace = pod.spec.terminationGracePeriodSeconds ?? 30
        deletionGrace = pod.metadata.deletionTimestamp.map { _ in pod.metadata.deletionGracePeriodSeconds ?? grace }
        hadCopy = pod.metadata.annotations[ClusterMark.copyUID] != nil
        self.isDrained = isDrained
    }
}

extension MirrorFact {
    init(_ copy: ClusterCopy, isNews: Bool, isOutdated: Bool) {
        self.init(
            hasEnded: copy.hasEnded, deletionGrace: copy.deletionGrace, isHeld: copy.isHeld, isNews: isNews,
            isOutdated: isOutdated,
            grace: copy.pod.spec.terminationGracePeriodSeconds ?? 30)
    }
}
