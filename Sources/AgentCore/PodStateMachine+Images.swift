// A container's image: found missing when the container is to start, pulled in a step of its own, which a pod that ends gives up.
import KubernetesModel

/// Of one container: what came of its image so far.
public struct ImageProgress: DefaultInitializable, Sendable {
    /// The image that its runs use, as the status tells it.
    var id: String?
    /// The present run's image was pulled; it starts with this one.
    var pulled: String?
    /// The runtime was asked to start the present run: it has to be pulled first.
    @DefaultEmpty var isMissing: Bool
    /// The pull under way is of an image that the container no longer has.
    @DefaultEmpty var isStale: Bool
    /// Failures in a row.
    @DefaultEmpty var failures: Int
    /// When the failure of a pull gives way to "ImagePullBackOff" in the status.
    var backOffShownAt: UnixNanoseconds?

    public init() {
        failures = 0
        isMissing = false
        isStale = false
    }
}

extension PodStateMachine {
    static let pullBackOffReason = "ImagePullBackOff"
    /// How long the status shows why a pull failed before it shows that the next waits.
    static let pullErrorShownSeconds: Int64 = 2

    mutating func applyImage(_ input: PodInput, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        switch input {
        case .imageResolved(let run, let id):
            // Told when the start is through: whoever was over at once has ended by then.
            guard let index = index(of: run) else { return }
            containers[index].imageProgress.id = id
            containers[index].imageProgress.failures = 0
        case .imageNeeded(let run):
            guard operation == .start(run), let index = index(of: run), case .starting = containers[index].phase else { return }
            operation = nil
            containers[index].phase = .waiting
            containers[index].imageProgress.isMissing = true
        case .imagePulled(let run, let id, let message):
            guard operation == .pull(run) else { return }
            operation = nil
            if forgetStalePull(run) { return }
            effects.append(.event(.normal, reason: "Pulled", message: message, container: run.name))
            guard let index = index(of: run) else { return }
            containers[index].imageProgress.pulled = id
            containers[index].imageProgress.isMissing = false
            containers[index].imageProgress.failures = 0
            containers[index].imageProgress.backOffShownAt = nil
            (containers[index].waitingReason, containers[index].waitingMessage) = (nil, nil)
        case .imageFailed(let run, let failure):
            imageFailed(run, failure, now, &effects)
        default:
            return
        }
    }

    private mutating func imageFailed(
        _ run: ContainerRun, _ failure: StepFailure, _ now: UnixNanoseconds, _ effects: inout [PodEffect]
    ) {
        let isPull = operation == .pull(run)
        guard isPull || operation == .start(run), let index = index(of: run) else { return }
        operation = nil
        if isPull, forgetStalePull(run) { return }
        if !isPull {
            guard case .starting = containers[index].phase else { return }
            containers[index].phase = .waiting
        }
        let image = containers[index].image
        // The same sentence once is enough for people, unless a pull was told of.
        if isPull {
            let message = "Failed to pull image \"\(image)\": \(failure.message)"
            effects.append(.event(.warning, reason: "Failed", message: message, container: run.name))
        }
        if isPull || containers[index].waitingMessage != failure.message {
            if !isPull {
                let reason = Self.inspectionEvent(failure)
                effects.append(.event(.warning, reason: reason, message: failure.message, container: run.name))
            }
            effects.append(.event(.warning, reason: "Failed", message: "Error: \(failure.reason)", container: run.name))
        }
        var progress = containers[index].imageProgress
        progress.pulled = nil
        // The next try looks again before it pulls: somebody may have brought it.
        progress.isMissing = false
        progress.failures += 1
        progress.backOffShownAt = isPull ? now.adding(seconds: Self.pullErrorShownSeconds) : nil
        containers[index].imageProgress = progress
        containers[index].waitingReason = failure.reason
        containers[index].waitingMessage = failure.message
        containers[index].retryAt = now.adding(seconds: RestartDecision.delaySeconds(crashesBefore: progress.failures))
    }

    private static func inspectionEvent(_ failure: StepFailure) -> String {
        ["InvalidImageName", "ImageInspectError"].contains(failure.reason) ? "InspectFailed" : failure.reason
    }

    /// From "why it failed" to "the next try waits".
    mutating func advanceImages(_ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        for index in containers.indices {
            guard let time = containers[index].imageProgress.backOffShownAt, now >= time else { continue }
            containers[index].imageProgress.backOffShownAt = nil
            guard case .waiting = containers[index].phase, let reason = containers[index].waitingReason else { continue }
            let message = "Back-off pulling image \"\(containers[index].image)\""
            let name = containers[index].name
            effects.append(.event(.normal, reason: "BackOff", message: message, container: name))
            effects.append(.event(.warning, reason: "Failed", message: "Error: \(Self.pullBackOffReason)", container: name))
            containers[index].waitingMessage = "\(message): \(reason): \(containers[index].waitingMessage ?? "")"
            containers[index].waitingReason = Self.pullBackOffReason
        }
    }

    mutating func orderPull(_ index: Int, _ effects: inout [PodEffect]) {
        let run = containers[index].run
        operation = .pull(run)
        let message = "Pulling image \"\(containers[index].image)\""
        effects.append(.event(.normal, reason: "Pulling", message: message, container: run.name))
        effects.append(.pullImage(run))
    }

    /// A pod that ends needs no image any more: what comes later of the pull is nobody's answer.
    mutating func abandonPull(_ effects: inout [PodEffect]) {
        guard case .pull(let run) = operation else { return }
        operation = nil
        if !forgetStalePull(run) { effects.append(.cancelPull(run)) }
    }

    /// The image that was pulled for this run; nil: none was.
    public func pulledImage(_ run: ContainerRun) -> String? { index(of: run).flatMap { containers[$0].imageProgress.pulled } }

    /// Names and ids of the images that the pod's containers use or will use.
    public var images: Set<String> {
        if isOver { return [] }
        return Set(containers.flatMap { [$0.image, $0.imageProgress.id, $0.imageProgress.pulled].compactMap(\.self) })
    }
}
