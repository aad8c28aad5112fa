// Renews the volumes of running pods that are made of objects: a ConfigMap or Secret that changed, labels, tokens before they end.
// As a kubelet's: seen by the containers within a minute or so, all files of a volume at once.
import AgentCore
import KubernetesModel
import Logging

struct VolumeKeeper: Sendable {
    /// A kubelet's sync period; each object is fetched once in it, however many pods show it.
    static let periodNanoseconds: Int64 = 60 * .nanosecondsPerSecond

    let pods: LocalPods
    let clock: any AgentClock
    let logger: Logger

    /// Works until cancelled.
    func run() async {
        var immutable: Set<VolumeRefresh.Reference> = []
        while (try? await clock.sleep(nanoseconds: Self.periodNanoseconds)) != nil {
            immutable = await pass(immutable)
        }
    }

    /// Looks at every volume that may have changed. `immutable`: objects that are declared never to change, which were seen already;
    /// returned with what was learnt.
    @discardableResult
    func pass(_ immutable: Set<VolumeRefresh.Reference> = []) async -> Set<VolumeRefresh.Reference> {
        let manager = pods.volumes
        let objects = VolumeObjects(api: manager.api)
        var shown: Set<VolumeRefresh.Reference> = []
        for machine in await pods.machines() where machine.showsVolumes {
            for volume in VolumeRefresh.volumes(of: machine.pod) {
                let references = VolumeRefresh.references(of: volume, machine.pod)
                shown.formUnion(references)
                if references.isSubset(of: immutable), !VolumeRefresh.hasMoreThanObjects(volume) { continue }
                await renew(volume, machine.pod, manager, objects)
            }
        }
        var known = immutable.intersection(shown)
        for reference in shown.subtracting(immutable) where await objects.isImmutable(reference) { known.insert(reference) }
        return known
    }

    /// An object that is gone, or a master that is away, leaves the volume as it is.
    private func renew(_ volume: Volume, _ pod: Pod, _ manager: VolumeManager, _ objects: VolumeObjects) async {
        do throws(StepFailure) {
            guard try await manager.writeFiles(volume, pod, objects) else { return }
            logger.debug("volume renewed", metadata: ["pod": "\(pod.namespacedName)", "volume": "\(volume.name)"])
        } catch {
            logger.debug(
                "volume not renewed", metadata: ["pod": "\(pod.namespacedName)", "volume": "\(volume.name)", "error": "\(error)"])
        }
    }
}

extension PodStateMachine {
    /// A container runs or will, with volumes that were made.
    fileprivate var showsVolumes: Bool { !isOver && containers.contains(where: \.mayRun) }
}
