// Makes a pod's volumes ready before its first container and clears the scratch ones away after its last.
import AgentCore
import Glibc
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import RuntimeInterface

/// By object name, then key.
struct EnvironmentSources: Codable, Sendable {
    var configMaps: [String: [String: String]] = [:]
    var secrets: [String: [String: String]] = [:]
}

struct VolumeManager: Sendable {
    /// The claim that means the domain's configured data directory.
    static let dataClaim = "domain-data"

    let api: any KubernetesAPI
    let config: AgentConfig
    let paths: AgentPaths

    /// Idempotent. Failures are retriable when the API server or another writer may still help.
    func prepare(_ pod: Pod) async throws(StepFailure) {
        let uid = pod.metadata.uid ?? ""
        let allowList = config.hostPathAllowList
        try await onDisk { try DiskFiles.makeDirectory(paths.volumes(uid), mode: 0o711) }
        try await prepareEnvironment(pod)
        for volume in pod.spec.volumes {
            let directory = directory(of: volume, pod)
            if volume.emptyDir != nil {
                // World-writable as a kubelet's: the container's user is not known here.
                try await onDisk { try DiskFiles.makeDirectory(directory, mode: 0o777) }
            } else if let claim = volume.persistentVolumeClaim {
                try await prepareClaim(claim, directory)
            } else if let hostPath = volume.hostPath {
                try await onDisk { try HostPathVolume(source: hostPath, allowList: allowList).prepare(volume.name) }
            } else if volume.configMap != nil || volume.secret != nil {
                try await prepareFiles(volume, pod, directory)
            } else {
                throw fatal("volume \(volume.name): this kind of volume is not supported on this node")
            }
        }
        try await prepareHosts(pod)
    }

    /// What the container sees of the volumes. Paths only; nothing is read or made but missing sub-directories.
    func mounts(_ container: Container, of pod: Pod) async throws(StepFailure) -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        for mount in container.volumeMounts {
            guard let volume = pod.spec.volumes.first(where: { $0.name == mount.name }) else {
                throw fatal("container \(container.name): volumeMount \(mount.name) names no volume of the pod")
            }
            let isFiles = volume.configMap != nil || volume.secret != nil
            let source = try await source(of: mount, in: volume, directory(of: volume, pod), container)
            let readOnly = mount.readOnly == true || isFiles || volume.persistentVolumeClaim?.readOnly == true
            let isWithin = mount.subPath?.isEmpty == false
            mounts.append(
                ContainerMount(hostPath: source, containerPath: mount.mountPath, readOnly: readOnly, refusesLinks: isWithin))
        }
        return mounts
    }

    /// The volume's directory, or what `subPath` names in it. Another task may have written to the volume, so what the path
    /// really is must still lie inside: a link to the node's files is refused.
    private func source(
        of mount: VolumeMount, in volume: Volume, _ directory: String, _ container: Container
    ) async throws(StepFailure) -> String {
        guard let subPath = mount.subPath, !subPath.isEmpty else { return directory }
        let label = "container \(container.name): subPath \"\(subPath)\""
        guard !subPath.hasPrefix("/"), !subPath.split(separator: "/").contains("..") else {
            throw fatal("\(label) must be relative and without ..")
        }
        let isOurs = volume.emptyDir != nil || volume.persistentVolumeClaim.map { $0.claimName != Self.dataClaim } == true
        return try await onDisk {
            let path = directory + "/" + subPath
            if isOurs { try DiskFiles.makeDirectories(subPath, below: directory, mode: 0o777) }
            let (root, found) = (try DiskFiles.realPath(directory), try DiskFiles.realPath(path))
            guard found.hasPrefix(root + "/") else {
                throw StepFailure(reason: "FailedMount", message: "\(label) leads out of volume \(volume.name)", retriable: false)
            }
            return found
        }
    }

    /// The texts of ConfigMaps and Secrets that environments refer to, as `prepare` found them: a restart of a container
    /// must not need the API server.
    func environmentSources(of pod: Pod) async throws(StepFailure) -> EnvironmentSources {
        let references = EnvironmentBuilder.references(of: pod)
        if references.configMaps.isEmpty && references.secrets.isEmpty { return EnvironmentSources() }
        let path = paths.environment(pod.metadata.uid ?? "")
        return try await onDisk { try JSON.decode(EnvironmentSources.self, from: try DiskFiles.read(path)) }
    }

    private func prepareEnvironment(_ pod: Pod) async throws(StepFailure) {
        let references = EnvironmentBuilder.references(of: pod)
        if references.configMaps.isEmpty && references.secrets.isEmpty { return }
        var sources = EnvironmentSources()
        for (name, optional) in references.configMaps {
            sources.configMaps[name] = try await configMap(name, pod, optional: optional)?.data
        }
        for (name, optional) in references.secrets {
            sources.secrets[name] = try await secret(name, pod, optional: optional)?.mapValues {
                String(decoding: $0, as: UTF8.self)
            }
        }
        let (path, kept) = (paths.environment(pod.metadata.uid ?? ""), sources)
        try await onDisk { try DiskFiles.replace(path, with: try JSON.encode(kept), durable: false) }
    }

    /// Lines for the sandbox' hosts, as `prepare` found them.
    func hostAliases(of pod: Pod) async throws(StepFailure) -> [HostAlias] {
        let path = paths.hosts(pod.metadata.uid ?? "")
        return try await onDisk { try HostsFile.parse(String(decoding: try DiskFiles.read(path), as: UTF8.self)) }
    }

    /// Removes what belongs to the pod alone; claims and host paths stay.
    func clean(_ pod: Pod) async throws(StepFailure) {
        let uid = pod.metadata.uid ?? ""
        try await onDisk {
            try DiskFiles.removeTree(paths.volumes(uid))
            try DiskFiles.removeTree(paths.hosts(uid))
            try DiskFiles.removeTree(paths.environment(uid))
        }
    }

    // MARK: Kinds

    private func directory(of volume: Volume, _ pod: Pod) -> String {
        if let hostPath = volume.hostPath { return hostPath.path }
        if let claim = volume.persistentVolumeClaim {
            return claim.claimName == Self.dataClaim
                ? config.dataDirectory : paths.claim(pod.metadata.namespace ?? "", claim.claimName)
        }
        return paths.volumes(pod.metadata.uid ?? "") + "/" + volume.name
    }

    private func prepareClaim(_ claim: PersistentVolumeClaimVolumeSource, _ directory: String) async throws(StepFailure) {
        guard !claim.claimName.isEmpty, !claim.claimName.contains("/"), !claim.claimName.hasPrefix(".") else {
            throw fatal("persistentVolumeClaim \"\(claim.claimName)\" is no name")
        }
        guard claim.claimName == Self.dataClaim else {
            return try await onDisk { try DiskFiles.makeDirectory(directory, mode: 0o777) }
        }
        guard await DiskFiles.perform({ DiskFiles.isDirectory(directory) }) else {
            throw fatal("the node's data directory \(directory) is not a directory")
        }
    }

    private func prepareFiles(_ volume: Volume, _ pod: Pod, _ directory: String) async throws(StepFailure) {
        var files: [String: [UInt8]] = [:]
        var items: [KeyToPath] = []
        var mode = 0o644
        if let source = volume.configMap {
            let found = try await configMap(source.name, pod, optional: source.optional == true)
            files = try contents(of: found, source.name)
            if templateVolumes(pod).contains(volume.name) { files = try await rendered(files, pod) }
            (items, mode) = (source.items, source.defaultMode ?? mode)
        } else if let source = volume.secret {
            files = try await secret(source.secretName ?? "", pod, optional: source.optional == true) ?? [:]
            (items, mode) = (source.items, source.defaultMode ?? mode)
        }
        let chosen = try FileProjection(files: files, items: items, defaultMode: mode).resolve(volume.name)
        try await onDisk {
            try DiskFiles.makeDirectory(directory, mode: 0o755)
            for file in chosen {
                let path = directory + "/" + file.path
                if let slash = file.path.lastIndex(of: "/") {
                    try DiskFiles.makeDirectory(directory + "/" + file.path[..<slash], mode: 0o755)
                }
                try DiskFiles.replace(path, with: file.bytes, mode: mode_t(file.mode), durable: false)
            }
        }
    }

    private func prepareHosts(_ pod: Pod) async throws(StepFailure) {
        var aliases = pod.spec.hostAliases.map { HostAlias(ip: $0.ip, hostnames: $0.hostnames) }
        if let name = pod.metadata.annotations[KusciaAnnotation.hostsConfigMap], !name.isEmpty {
            guard let found = try await configMap(name, pod, optional: true), let text = found.data[HostsFile.key] else {
                throw wait("waiting for the task's hosts: ConfigMap \(name)")
            }
            do throws(HostsFileError) {
                aliases += try HostsFile.parse(text)
            } catch {
                throw fatal("ConfigMap \(name): \(error)")
            }
        }
        let text = HostsFile.format(aliases)
        let path = paths.hosts(pod.metadata.uid ?? "")
        try await onDisk { try DiskFiles.replace(path, with: Array(text.utf8), mode: 0o644, durable: false) }
    }

    // MARK: Templates

    private func templateVolumes(_ pod: Pod) -> [String] {
        (pod.metadata.annotations[KusciaAnnotation.configTemplateVolumes] ?? "").split(separator: ",").map(String.init)
    }

    private func rendered(_ files: [String: [UInt8]], _ pod: Pod) async throws(StepFailure) -> [String: [UInt8]] {
        let values = try await templateValues(pod)
        var output: [String: [UInt8]] = [:]
        for (name, bytes) in files {
            do throws(ConfigTemplateError) {
                let template = ConfigTemplate(file: name, text: String(decoding: bytes, as: UTF8.self))
                output[name] = Array(try template.render(values).utf8)
            } catch {
                throw fatal("config template \(error)")
            }
        }
        return output
    }

    /// The containers' environment, overruled by the pod's own values ConfigMap.
    private func templateValues(_ pod: Pod) async throws(StepFailure) -> ConfigTemplateValues {
        var values = ConfigTemplateValues()
        let sources = try await environmentSources(of: pod)
        let environment = EnvironmentBuilder(
            pod: pod, podIP: config.nodeIP, hostIP: config.nodeIP, configMaps: sources.configMaps, secrets: sources.secrets)
        for container in pod.spec.containers.reversed() {
            do throws(EnvironmentError) {
                for (name, value) in try environment.build(for: container) { values[name] = value }
            } catch {
                throw fatal("container \(container.name): \(error)")
            }
        }
        if let name = pod.metadata.annotations[KusciaAnnotation.configTemplateValues], !name.isEmpty {
            values.merge(try await configMap(name, pod, optional: false)?.data ?? [:])
        }
        return values
    }

    // MARK: API objects

    private func configMap(_ name: String, _ pod: Pod, optional: Bool) async throws(StepFailure) -> ConfigMap? {
        let found: ConfigMap?
        do {
            found = try await api.find(ConfigMap.self, namespace: pod.metadata.namespace, name: name)
        } catch {
            throw wait("ConfigMap \(name): \(error)")
        }
        if found == nil && !optional { throw wait("ConfigMap \(name) not found") }
        return found
    }

    private func contents(of found: ConfigMap?, _ name: String) throws(StepFailure) -> [String: [UInt8]] {
        guard let found else { return [:] }
        var files = found.data.mapValues { Array($0.utf8) }
        for (key, text) in found.binaryData {
            guard let bytes = Base64.decode(text) else { throw fatal("ConfigMap \(name): binaryData.\(key) is not base64") }
            files[key] = bytes
        }
        return files
    }

    private func secret(_ name: String, _ pod: Pod, optional: Bool) async throws(StepFailure) -> [String: [UInt8]]? {
        let found: Secret?
        do {
            found = try await api.find(Secret.self, namespace: pod.metadata.namespace, name: name)
        } catch {
            throw wait("Secret \(name): \(error)")
        }
        guard let found else {
            if optional { return nil }
            throw wait("Secret \(name) not found")
        }
        var files = found.stringData.mapValues { Array($0.utf8) }
        for (key, text) in found.data {
            guard let bytes = Base64.decode(text) else { throw fatal("Secret \(name): data.\(key) is not base64") }
            files[key] = bytes
        }
        return files
    }

    // MARK: Failures

    private func wait(_ message: String) -> StepFailure { StepFailure(reason: "FailedMount", message: message, retriable: true) }
    private func fatal(_ message: String) -> StepFailure {
        StepFailure(reason: "FailedMount", message: message, retriable: false)
    }

    /// A full or broken disk may recover, so file errors are worth another attempt.
    private func onDisk<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws(StepFailure) -> T {
        do {
            return try await DiskFiles.perform(work)
        } catch let failure as StepFailure {
            throw failure
        } catch {
            throw wait("\(error)")
        }
    }
}
