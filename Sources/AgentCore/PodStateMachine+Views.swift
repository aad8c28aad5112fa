// What others show of a pod: its object with the status that the node last made of it.
import KubernetesModel

extension PodStateMachine {
    public var shownPod: Pod {
        var pod = pod
        if let lastStatus { pod.status = lastStatus }
        return pod
    }

    /// When the run started, as the last status says; nil while it does not run.
    public func runningSince(_ run: ContainerRun) -> UnixNanoseconds? {
        let statuses = (lastStatus?.containerStatuses ?? []) + (lastStatus?.initContainerStatuses ?? [])
        let status = statuses.first { $0.name == run.name && $0.restartCount == run.attempt }
        return (status?.state.running?.startedAt).map { $0.unixSeconds * .nanosecondsPerSecond }
    }
}
