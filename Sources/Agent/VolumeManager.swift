// Makes a pod's volumes ready before its first container and clears the scratch ones away after its last. What volumes that are
// made of objects hold is `VolumeManager+Files`, what environments need `VolumeManager+Environment`.
import AgentCore
import Glibc
import KubernetesClient
import KubernetesModel
import KusciaModel
import RuntimeInterface

struct VolumeManager: Sendable {
    /// The claim that means the domain's configured data directory.
    static let dataClaim = LocalStorage.dataClaim

    let api: any KubernetesAPI
    let config: AgentConfig
    let paths: AgentPaths
    var clock: any AgentClock = SystemClock()
    /// What an unlimited container may use, for resourceFieldRef.
    var allocatable = PodResources()

    /// Idempotent. Failures are retriable when the API server or another writer may still help.
    func prepare(_ pod: Pod) async throws(StepFailure) {
        let (uid, objects) = (pod.metadata.uid ?? "", VolumeObjects(api: api))
        let hasOwn = pod.spec.volumes.contains { $0.hostPath == nil && $0.persistentVolumeClaim == nil }
        if hasOwn { try await onDisk { try DiskFiles.makeDirectory(paths.volumes(uid), mode: 0o711) } }
        try await prepareEnvironment(pod, objects)
        var places = ClaimPlaces()
        for volume in pod.spec.volumes {
            do throws(StepFailure) {
                try await prepare(volume, pod, objects, &places)
            } catch { throw error.settingUp(volume) }
        }
        try await keep(places, of: pod)
        try await prepareHosts(pod, objects)
    }

    private func prepare(
        _ volume: Volume, _ pod: Pod, _ objects: VolumeObjects, _ places: inout ClaimPlaces
    ) async throws(StepFailure) {
        if let emptyDir = volume.emptyDir {
            try await prepareEmptyDir(emptyDir, directory(of: volume, pod), pod)
        } else if let claim = volume.persistentVolumeClaim {
            try await prepareClaim(claim, of: pod, volume, &places)
        } else if let hostPath = volume.hostPath {
            let allowList = config.hostPathAllowList
            try await onDisk { try HostPathVolume(source: hostPath, allowList: allowList).prepare() }
        } else if VolumeRefresh.isMadeOfObjects(volume) {
            try await writeFiles(volume, pod, objects)
        } else {
            throw .mount("this kind of volume is not supported on this node", retriable: false)
        }
    }

    /// What the container sees of the volumes. Nothing is made but missing sub-directories, and volumes of files that a restart of
    /// the machine took from memory. `environment` is for subPathExpr.
    func mounts(
        _ container: Container, of pod: Pod, environment: [(name: String, value: String)] = []
    ) async throws(StepFailure) -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        let places = try await claimPlaces(of: pod)
        for mount in container.volumeMounts {
            guard let volume = pod.spec.volumes.first(where: { $0.name == mount.name }) else {
                throw .mount(
                    "container \(container.name): volumeMount \(mount.name) names no volume of the pod", retriable: false)
            }
            let elsewhere = volume.persistentVolumeClaim.flatMap { places.bound[$0.claimName] }
            // Again: behind a restart of the machine its disk may not be there yet.
            if let elsewhere, let claim = volume.persistentVolumeClaim {
                do throws(StepFailure) { try await check(elsewhere, of: claim) } catch { throw error.settingUp(volume) }
            }
            let directory = elsewhere?.path ?? directory(of: volume, pod)
            let isFiles = VolumeRefresh.isMadeOfObjects(volume)
            let part = try SubPath(mount, environment, container)
            // Also a part that was not among the objects when they were last asked for.
            let wanted = directory + (part.map { "/" + $0.path } ?? "")
            if isFiles, await !DiskFiles.perform({ DiskFiles.exists(wanted) }) {
                do throws(StepFailure) {
                    try await writeFiles(volume, pod, VolumeObjects(api: api))
                } catch { throw error.settingUp(volume) }
            }
            let mode = elsewhere == nil ? Self.modeOfParts(volume) : .asVolume
            let source = try await onDisk { try part?.resolve(in: directory, volume: volume.name, making: mode) ?? directory }
            let readOnly = mount.readOnly == true || isFiles || volume.persistentVolumeClaim?.readOnly == true
            mounts.append(
                ContainerMount(hostPath: source, containerPath: mount.mountPath, readOnly: readOnly, refusesLinks: part != nil))
        }
        return mounts
    }

    private static func modeOfParts(_ volume: Volume) -> SubPath.Making {
        if volume.hostPath != nil { return .asVolume }
        let isOurs = volume.emptyDir != nil || volume.persistentVolumeClaim.map { $0.claimName != dataClaim } == true
        return isOurs ? .forEverybody : .nothing
    }

    /// Removes what belongs to the pod alone; claims and host paths stay.
    func clean(_ pod: Pod) async throws(StepFailure) {
        let uid = pod.metadata.uid ?? ""
        try await onDisk {
            try paths.removeVolumes(uid)
            try DiskFiles.removeTree(paths.hosts(uid))
            try DiskFiles.removeTree(paths.environment(uid))
            try DiskFiles.removeTree(paths.claimPlaces(uid))
        }
    }

    /// At an orderly end of the agent.
    func close() async {
        let directory = paths.memory
        await DiskFiles.perform { MemoryFiles.release(directory) }
    }

    // MARK: Kinds

    func directory(of volume: Volume, _ pod: Pod) -> String {
        if let hostPath = volume.hostPath { return hostPath.path }
        if let claim = volume.persistentVolumeClaim {
            return claim.claimName == Self.dataClaim
                ? config.dataDirectory : paths.claim(pod.metadata.namespace ?? "", claim.claimName)
        }
        let uid = pod.metadata.uid ?? ""
        return (VolumeRefresh.isSecret(volume) ? paths.secretVolumes(uid) : paths.volumes(uid)) + "/" + volume.name
    }

    private func prepareEmptyDir(_ source: EmptyDirVolumeSource, _ directory: String, _ pod: Pod) async throws(StepFailure) {
        let group = pod.spec.securityContext?.fsGroup
        // World-writable as a kubelet's: the container's user is not known here. New files belong to the group where there is one.
        let mode: mode_t = group == nil ? 0o777 : 0o2777
        // A volume in memory cannot hold more than the pod may use.
        let bytes = source.sizeLimit?.value ?? PodLimits.total("memory", of: pod, in: \.value)
        try await onDisk {
            switch source.medium ?? "" {
            case "": try DiskFiles.makeDirectory(directory, mode: mode)
            case "Memory": try MemoryFiles.mount(directory, bytes: bytes, mode: mode)
            case let medium:
                throw StepFailure.mount("emptyDir medium \(medium): expected \"\" or Memory", retriable: false)
            }
            guard let group else { return }
            guard chown(directory, 0, gid_t(clamping: group)) == 0 else { throw FileError.last("chown", directory) }
            guard chmod(directory, mode) == 0 else { throw FileError.last("chmod", directory) }
        }
    }

    private func prepareClaim(
        _ claim: PersistentVolumeClaimVolumeSource, of pod: Pod, _ volume: Volume, _ places: inout ClaimPlaces
    ) async throws(StepFailure) {
        guard !claim.claimName.isEmpty, !claim.claimName.contains("/"), !claim.claimName.hasPrefix(".") else {
            throw .mount("persistentVolumeClaim \"\(claim.claimName)\" is no name", retriable: false)
        }
        if let place = try await boundPlace(claim, of: pod) {
            try await check(place, of: claim)
            places.bound[claim.claimName] = place
            return
        }
        let directory = directory(of: volume, pod)
        guard claim.claimName == Self.dataClaim else {
            return try await onDisk { try DiskFiles.makeDirectory(directory, mode: 0o777) }
        }
        guard await DiskFiles.perform({ DiskFiles.isDirectory(directory) }) else {
            throw .mount("the node's data directory \(directory) is not a directory", retriable: false)
        }
    }

    /// A full or broken disk may recover, so file errors are worth another attempt.
    func onDisk<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws(StepFailure) -> T {
        do {
            return try await DiskFiles.perform(work)
        } catch let failure as StepFailure {
            throw failure
        } catch {
            throw .mount("\(error)", retriable: true)
        }
    }
}

extension AgentPaths {
    /// The pod's volumes on disk and in memory, mounts first. Blocks.
    func removeVolumes(_ uid: String) throws {
        try MemoryFiles.unmountVolumes(below: volumes(uid))
        try DiskFiles.removeTree(volumes(uid))
        try DiskFiles.removeTree(podMemory(uid))
    }
}
