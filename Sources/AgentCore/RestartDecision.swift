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
        policy: RestartPolicy, isInit: Bool, termination: ContainerTermination, crashesBefore: Int, now: UnixNanoseconds
    ) -> RestartDecision {
        let failed = termination.exitCode != 0
        switch policy {
        case .never: return .never
        case .onFailure where !failed: return .never
        case .always where isInit && !failed: return .never
        case .onFailure, .always:
            return .at(termination.finishedAt.adding(seconds: delaySeconds(crashesBefore: crashesBefore)))
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
    /// Volumes wait for objects that others write (a gang's hosts): long, yet not for ever.
    static let longestVolumeWaitSeconds: Int64 = 600
    /// A sandbox or a container start that failed so often will not work this time either.
    static let maximumStartFailures = 5

    static func delay(failures: Int) -> Int64 {
        min(longestNanoseconds, firstNanoseconds << Int64(min(max(failures - 1, 0), 10)))
    }
}
