// What containers need of other objects beside volumes: texts for their environment, lines for their hosts. Fetched with the
// volumes and kept, because a restart of a container must not need the API server.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel
import RuntimeInterface

/// By object name, then key.
struct EnvironmentSources: Codable, Sendable, Equatable {
    var configMaps: [String: [String: String]] = [:]
    var secrets: [String: [String: String]] = [:]
}

extension VolumeManager {
    /// The texts of ConfigMaps and Secrets that the container's environment refers to: as `prepare` found them, what was missing then
    /// (or comes with an ephemeral container) fetched now. What is still missing is left out.
    func environmentSources(for container: Container, of pod: Pod) async throws(StepFailure) -> EnvironmentSources {
        if EnvironmentReferences([container]).isEmpty { return EnvironmentSources() }
        var sources = try await keptEnvironment(pod)
        let unmet = EnvironmentReferences.unmet(
            container, isEphemeral: pod.spec.ephemeralContainers.contains { $0.name == container.name },
            configMaps: sources.configMaps, secrets: sources.secrets)
        if unmet.configMaps.isEmpty && unmet.secrets.isEmpty { return sources }
        let before = sources
        do throws(StepFailure) {
            try await fetch(unmet.configMaps, unmet.secrets, pod, VolumeObjects(api: api), into: &sources)
        } catch {
            throw .configuration(error.message, retriable: error.retriable)
        }
        if sources != before { try await keepEnvironment(sources, pod) }
        return sources
    }

    func prepareEnvironment(_ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) {
        let references = EnvironmentReferences(of: pod)
        if references.isEmpty { return }
        var sources = EnvironmentSources()
        try await fetch(Set(references.configMaps.keys), Set(references.secrets.keys), pod, objects, into: &sources)
        try await keepEnvironment(sources, pod)
    }

    /// Objects that do not exist stay as they are in `sources`: whether a container can do without is asked when it starts.
    private func fetch(
        _ configMaps: Set<String>, _ secrets: Set<String>, _ pod: Pod, _ objects: VolumeObjects,
        into sources: inout EnvironmentSources
    ) async throws(StepFailure) {
        for name in configMaps.sorted() {
            guard let found = try await objects.configMap(name, pod, optional: true) else { continue }
            sources.configMaps[name] = found.data
        }
        for name in secrets.sorted() {
            guard let found = try await objects.secret(name, pod, optional: true) else { continue }
            sources.secrets[name] = try found.files().mapValues { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// Nothing where nothing was kept, or where a restart of the machine took it from memory.
    private func keptEnvironment(_ pod: Pod) async throws(StepFailure) -> EnvironmentSources {
        // An agent before this one kept secrets of environments with the others; an ephemeral container may be the first with a secret.
        let places = [environmentFile(pod), paths.environment(pod.metadata.uid ?? "")]
        return try await onDisk {
            guard let path = places.first(where: DiskFiles.exists) else { return EnvironmentSources() }
            return try JSON.decode(EnvironmentSources.self, from: try DiskFiles.read(path))
        }
    }

    private func keepEnvironment(_ sources: EnvironmentSources, _ pod: Pod) async throws(StepFailure) {
        let (uid, path, isSecret) = (pod.metadata.uid ?? "", environmentFile(pod), Self.needsSecrets(pod))
        try await onDisk { [paths] in
            if isSecret { try paths.prepareMemory(uid) } else { try DiskFiles.makeDirectory(paths.pod(uid), mode: 0o711) }
            try DiskFiles.replace(path, with: try JSON.encode(sources), durable: false)
        }
    }

    /// With a secret among them nothing of it may lie on a disk.
    private func environmentFile(_ pod: Pod) -> String {
        let uid = pod.metadata.uid ?? ""
        return Self.needsSecrets(pod) ? paths.secretEnvironment(uid) : paths.environment(uid)
    }

    private static func needsSecrets(_ pod: Pod) -> Bool { !EnvironmentReferences(of: pod).secrets.isEmpty }

    // MARK: Hosts

    /// Lines for the sandbox' hosts, as `prepare` found them.
    func hostAliases(of pod: Pod) async throws(StepFailure) -> [HostAlias] {
        if !Self.hasHosts(pod) { return [] }
        let path = paths.hosts(pod.metadata.uid ?? "")
        return try await onDisk { try HostsFile.parse(String(decoding: try DiskFiles.read(path), as: UTF8.self)) }
    }

    func prepareHosts(_ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) {
        if !Self.hasHosts(pod) { return }
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
        let (directory, path) = (paths.pod(pod.metadata.uid ?? ""), paths.hosts(pod.metadata.uid ?? ""))
        try await onDisk {
            try DiskFiles.makeDirectory(directory, mode: 0o711)
            try DiskFiles.replace(path, with: Array(text.utf8), mode: 0o644, durable: false)
        }
    }

    /// Neither can be added later, so most pods need no file.
    private static func hasHosts(_ pod: Pod) -> Bool {
        !pod.spec.hostAliases.isEmpty || pod.metadata.annotations[KusciaAnnotation.hostsConfigMap]?.isEmpty == false
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
