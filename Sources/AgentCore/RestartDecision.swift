// Whether and when an ended container is started again (Kubernetes' restart policy and crash back-off).
import KubernetesModel

enum RestartDecision: Hashable {
    case never
    case at(UnixNanoseconds)

    /// The first restart comes at once, then 10 s, 20 s, ... (kubelet's `backOffPeriod` and `MaxContainerBackOff`).
    static let firstDelaySeconds: Int64 = 10
    static let longestDelaySeconds: Int64 = 300
    /// A run of this length forgives the crashes before it.
    static let forgivingRunSeconds: Int64 = 600

    static func decide(
        policy: RestartPolicy, kind: ContainerKind, forced: Bool, termination: ContainerTermination, crashesBefore: Int,
        now: UnixNanoseconds
    ) -> RestartDecision {
        guard restarts(policy, kind, failed: termination.exitCode != 0, forced: forced) else { return .never }
        return .at(termination.finishedAt.adding(seconds: delaySeconds(crashesBefore: crashesBefore)))
    }

    /// `forced`: a probe ended the container, so its exit code says nothing.
    static func restarts(_ policy: RestartPolicy, _ kind: ContainerKind, failed: Bool, forced: Bool) -> Bool {
        switch (kind, policy) {
        case (.ephemeral, _), (.initial, .never), (.main, .never): false
        case (.sidecar, _): true
        case (.initial, .onFailure), (.initial, .always): failed
        case (.main, .onFailure): failed || forced
        case (.main, .always): true
        }
    }

    static func delaySeconds(crashesBefore: Int) -> Int64 {
        guard crashesBefore > 0 else { return 0 }
        return min(longestDelaySeconds, firstDelaySeconds << Int64(min(crashesBefore - 1, 10)))
    }

    static func forgives(_ termination: ContainerTermination) -> Bool {
        guard let startedAt = termination.startedAt else { return false }
        return termination.finishedAt - startedAt >= forgivingRunSeconds * .nanosecondsPerSecond
    }
}

/// Growing pauses for steps of the pod that failed for a reason that may pass.
enum StepBackOff {
    static let firstNanoseconds: Int64 = 200_000_000
    static let longestNanoseconds: Int64 = 10 * .nanosecondsPerSecond
    /// Volumes wait for objects that others write (a gang's hosts): a pod as long as it is wanted, as on a kubelet; one of a task not for
    /// ever, as the task's other parties hold what they have meanwhile.
    static let longestTaskVolumeWaitSeconds: Int64 = 600
    /// A sandbox or a container start that failed so often will not work this time either.
    static let maximumStartFailures = 5

    static func delay(failures: Int) -> Int64 {
        min(longestNanoseconds, firstNanoseconds << Int64(min(max(failures - 1, 0), 10)))
    }
}
