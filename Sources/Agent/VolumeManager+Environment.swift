// What containers need of other objects beside volumes: texts for their environment, lines for their hosts. Fetched with the
// volumes and kept, because a restart of a container must not need the API server.
import AgentCore
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

extension VolumeManager {
    /// The texts of ConfigMaps and Secrets that environments refer to, as `prepare` found them.
    func environmentSources(of pod: Pod) async throws(StepFailure) -> EnvironmentSources {
        let references = EnvironmentBuilder.references(of: pod)
        if references.configMaps.isEmpty && references.secrets.isEmpty { return EnvironmentSources() }
        let (path, old) = (environmentFile(pod), paths.environment(pod.metadata.uid ?? ""))
        return try await onDisk {
            // An agent before this one kept secrets of environments with the others.
            let found = DiskFiles.exists(path) ? path : old
            return try JSON.decode(EnvironmentSources.self, from: try DiskFiles.read(found))
        }
    }

    /// With a secret among them nothing of it may lie on a disk.
    private func environmentFile(_ pod: Pod) -> String {
        let uid = pod.metadata.uid ?? ""
        return EnvironmentBuilder.references(of: pod).secrets.isEmpty ? paths.environment(uid) : paths.secretEnvironment(uid)
    }

    func prepareEnvironment(_ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) {
        let references = EnvironmentBuilder.references(of: pod)
        if references.configMaps.isEmpty && references.secrets.isEmpty { return }
        var sources = EnvironmentSources()
        for (name, optional) in references.configMaps {
            sources.configMaps[name] = try await objects.configMap(name, pod, optional: optional)?.data
        }
        for (name, optional) in references.secrets {
            sources.secrets[name] = try await objects.secret(name, pod, optional: optional)?.files().mapValues {
                String(decoding: $0, as: UTF8.self)
            }
        }
        let (uid, path, kept) = (pod.metadata.uid ?? "", environmentFile(pod), sources)
        try await onDisk { [paths] in
            if !references.secrets.isEmpty { try paths.prepareMemory(uid) }
            try DiskFiles.replace(path, with: try JSON.encode(kept), durable: false)
        }
    }

    // MARK: Hosts

    /// Lines for the sandbox' hosts, as `prepare` found them.
    func hostAliases(of pod: Pod) async throws(StepFailure) -> [HostAlias] {
        let path = paths.hosts(pod.metadata.uid ?? "")
        return try await onDisk { try HostsFile.parse(String(decoding: try DiskFiles.read(path), as: UTF8.self)) }
    }

    func prepareHosts(_ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) {
        var aliases = pod.spec.hostAliases.map { HostAlias(ip: $0.ip, hostnames: $0.hostnames) }
        if let name = pod.metadata.annotations[KusciaAnnotation.hostsConfigMap], !name.isEmpty {
            guard let found = try await objects.configMap(name, pod, optional: true), let text = found.data[HostsFile.key] else {
                throw .mount("waiting for the task's hosts: ConfigMap \(name)", retriable: true)
            }
            do throws(HostsFileError) {
                aliases += try HostsFile.parse(text)
            } catch {
                throw .mount("ConfigMap \(name): \(error)", retriable: false)
            }
        }
        let text = HostsFile.format(aliases)
        let path = paths.hosts(pod.metadata.uid ?? "")
        try await onDisk { try DiskFiles.replace(path, with: Array(text.utf8), mode: 0o644, durable: false) }
    }
}

extension AgentPaths {
    /// The pod's own directory in memory. Blocks.
    func prepareMemory(_ uid: String) throws {
        try MemoryFiles.prepare(memory)
        try DiskFiles.makeDirectory(secretVolumes(uid), mode: 0o711)
        try DiskFiles.makeDirectory(podMemory(uid), mode: 0o711)
    }
}
