// What a pod's object may still change of its containers: the image. A kubelet restarts the container with it; so do we.
import KubernetesModel

extension PodStateMachine {
    mutating func takeImages(of newer: PodSpec, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        guard case .sync = state else { return }
        for container in newer.initContainers + newer.containers {
            guard let image = container.image, let index = containers.firstIndex(where: { $0.name == container.name }),
                !containers[index].isEphemeral, containers[index].image != image
            else { continue }
            containers[index].image = image
            for other in pod.spec.initContainers.indices where pod.spec.initContainers[other].name == container.name {
                pod.spec.initContainers[other].image = image
            }
            for other in pod.spec.containers.indices where pod.spec.containers[other].name == container.name {
                pod.spec.containers[other].image = image
            }
            redefine(index, now, &effects)
        }
    }

    private mutating func redefine(_ index: Int, _ now: UnixNanoseconds, _ effects: inout [PodEffect]) {
        var slot = containers[index]
        let isPulled = operation == .pull(slot.run)
        if isPulled, !slot.imageProgress.isStale { effects.append(.cancelPull(slot.run)) }
        let id = slot.imageProgress.id
        slot.imageProgress = ImageProgress()
        slot.imageProgress.id = id
        slot.imageProgress.isStale = isPulled
        switch slot.phase {
        case .waiting:
            (slot.waitingReason, slot.waitingMessage) = (nil, nil)
            (slot.retryAt, slot.startFailures) = (0, 0)
        case .starting, .running:
            // One that runs to its end before the others keeps the image that it has.
            guard slot.kind != .initial else { break }
            slot.mustStop = ContainerStop(
                graceSeconds: ownGrace, message: "Container \(slot.name) definition changed, will be restarted", restarts: true,
                isRedefined: true)
        case .backingOff(let termination, _): slot.beginAnew(after: termination, now)
        case .stopping, .exited: break
        }
        containers[index] = slot
    }

    /// The answer to the pull of an image that is not wanted any more: the container is looked at anew.
    mutating func forgetStalePull(_ run: ContainerRun) -> Bool {
        guard let index = index(of: run), containers[index].imageProgress.isStale else { return false }
        containers[index].imageProgress.isStale = false
        return true
    }
}
