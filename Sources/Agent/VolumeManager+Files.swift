// Volumes that are made of objects: ConfigMap, Secret, downwardAPI, projected. Written whole, and again when an object changed.
import AgentCore
import KubernetesClient
import KubernetesModel
import KusciaModel

extension VolumeManager {
    private static let defaultMode = 0o644

    /// Idempotent; true when a container will see something new.
    @discardableResult
    func writeFiles(_ volume: Volume, _ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) -> Bool {
        let (uid, directory) = (pod.metadata.uid ?? "", directory(of: volume, pod))
        let isSecret = VolumeRefresh.isSecret(volume)
        if isSecret { try await onDisk { [paths] in try paths.prepareMemory(uid) } }
        var payload = try await payload(of: volume, pod, objects)
        let group = pod.spec.securityContext?.fsGroup
        if group != nil { payload.readableByGroup() }
        let isMountedInPart = (pod.spec.initContainers + pod.spec.containers).flatMap(\.volumeMounts).contains {
            $0.name == volume.name && $0.isPart
        }
        let (writer, files) = (AtomicDirectory(path: directory, group: group, keepsGenerations: isMountedInPart), payload)
        return try await onDisk { try writer.replace(with: files) }
    }

    /// What the volume holds now.
    private func payload(of volume: Volume, _ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) -> VolumePayload {
        var payload = VolumePayload()
        if let source = volume.configMap {
            let projection = SourceProjection(name: source.name, items: source.items, optional: source.optional)
            try await add(configMap: projection, source.defaultMode, volume, pod, objects, to: &payload)
        } else if let source = volume.secret {
            let projection = SourceProjection(name: source.secretName ?? "", items: source.items, optional: source.optional)
            try await add(secret: projection, source.defaultMode, pod, objects, to: &payload)
        } else if let source = volume.downwardAPI {
            try add(downward: source.items, source.defaultMode, pod, to: &payload)
        } else if let source = volume.projected {
            for one in source.sources { try await add(one, source.defaultMode, volume, pod, objects, to: &payload) }
        }
        return payload
    }

    private func add(
        _ source: VolumeProjection, _ mode: Int?, _ volume: Volume, _ pod: Pod, _ objects: VolumeObjects,
        to payload: inout VolumePayload
    ) async throws(StepFailure) {
        if let configMap = source.configMap { try await add(configMap: configMap, mode, volume, pod, objects, to: &payload) }
        if let secret = source.secret { try await add(secret: secret, mode, pod, objects, to: &payload) }
        if let downward = source.downwardAPI { try add(downward: downward.items, mode, pod, to: &payload) }
        if let token = source.serviceAccountToken { try await add(token: token, mode, pod, to: &payload) }
    }

    // MARK: Sources

    private func add(
        configMap source: SourceProjection, _ mode: Int?, _ volume: Volume, _ pod: Pod, _ objects: VolumeObjects,
        to payload: inout VolumePayload
    ) async throws(StepFailure) {
        let isOptional = source.optional == true
        let found = try await objects.configMap(source.name, pod, optional: isOptional)
        var files = try found?.files() ?? [:]
        if templateVolumes(pod).contains(volume.name) { files = try await rendered(files, pod, objects) }
        try add(files, source, found == nil || isOptional, mode, "configmap \"\(source.name)\"", to: &payload)
    }

    private func add(
        secret source: SourceProjection, _ mode: Int?, _ pod: Pod, _ objects: VolumeObjects, to payload: inout VolumePayload
    ) async throws(StepFailure) {
        let isOptional = source.optional == true
        let found = try await objects.secret(source.name, pod, optional: isOptional)
        try add(
            try found?.files() ?? [:], source, found == nil || isOptional, mode, "secret \"\(source.name)\"",
            to: &payload)
    }

    private func add(
        _ files: [String: [UInt8]], _ source: SourceProjection, _ optional: Bool, _ mode: Int?, _ label: String,
        to payload: inout VolumePayload
    ) throws(StepFailure) {
        do throws(VolumeError) {
            try payload.add(
                keys: files, items: source.items, defaultMode: mode ?? Self.defaultMode, optional: optional, label)
        } catch {
            // A key may be added to the object; the pod itself never changes.
            throw .mount("\(error)", retriable: error.field.hasSuffix(".items"))
        }
    }

    private func add(
        downward items: [DownwardAPIVolumeFile], _ mode: Int?, _ pod: Pod, to payload: inout VolumePayload
    ) throws(StepFailure) {
        for item in items {
            let label = "downwardAPI \(item.path)"
            do throws(ReferenceError) {
                let text: String
                if let field = item.fieldRef {
                    text = try FieldReference(pod: pod, podIP: config.nodeIP, hostIP: config.nodeIP).file(field.fieldPath)
                } else if let resource = item.resourceFieldRef {
                    text = try ResourceReference(pod: pod, allocatable: allocatable).value(resource, own: nil)
                } else {
                    throw ReferenceError("one of fieldRef and resourceFieldRef is required")
                }
                let file = VolumeFile(path: item.path, bytes: Array(text.utf8), mode: item.mode ?? mode ?? Self.defaultMode)
                do throws(VolumeError) { try payload.add(file, label) } catch { throw ReferenceError(error.reason) }
            } catch {
                throw .mount("\(label): \(error)", retriable: false)
            }
        }
    }

    /// The token belongs to the user that all containers run as, and is for that user's (or the pod's group's) eyes, as a kubelet's.
    private func add(
        token source: ServiceAccountTokenProjection, _ mode: Int?, _ pod: Pod, to payload: inout VolumePayload
    ) async throws(StepFailure) {
        let tokens = ServiceAccountTokens(api: api, file: paths.tokens(pod.metadata.uid ?? ""), clock: clock)
        let token = try await tokens.token(source, of: pod)
        let users = Set(
            (pod.spec.initContainers + pod.spec.containers).map {
                $0.securityContext?.runAsUser ?? pod.spec.securityContext?.runAsUser
            })
        let owner = users.count == 1 ? users.first ?? nil : nil
        let isPrivate = owner != nil || pod.spec.securityContext?.fsGroup != nil
        let file = VolumeFile(
            path: source.path, bytes: Array(token.utf8), mode: isPrivate ? 0o600 : mode ?? Self.defaultMode, owner: owner)
        do throws(VolumeError) {
            try payload.add(file, "serviceAccountToken")
        } catch {
            throw .mount("\(error)", retriable: false)
        }
    }

    // MARK: Templates

    private func templateVolumes(_ pod: Pod) -> [String] {
        (pod.metadata.annotations[KusciaAnnotation.configTemplateVolumes] ?? "").split(separator: ",").map(String.init)
    }

    private func rendered(
        _ files: [String: [UInt8]], _ pod: Pod, _ objects: VolumeObjects
    ) async throws(StepFailure) -> [String: [UInt8]] {
        let values = try await templateValues(pod, objects)
        var output: [String: [UInt8]] = [:]
        for (name, bytes) in files {
            do throws(ConfigTemplateError) {
                let template = ConfigTemplate(file: name, text: String(decoding: bytes, as: UTF8.self))
                output[name] = Array(try template.render(values).utf8)
            } catch {
                throw .mount("config template \(error)", retriable: false)
            }
        }
        return output
    }

    /// The containers' environment, overruled by the pod's own values ConfigMap: each replica has one of its own.
    private func templateValues(_ pod: Pod, _ objects: VolumeObjects) async throws(StepFailure) -> ConfigTemplateValues {
        var values = ConfigTemplateValues()
        for container in pod.spec.containers.reversed() {
            let sources = try await environmentSources(for: container, of: pod)
            let environment = EnvironmentBuilder(
                pod: pod, podIP: config.nodeIP, hostIP: config.nodeIP, allocatable: allocatable, configMaps: sources.configMaps,
                secrets: sources.secrets)
            do throws(EnvironmentError) {
                for (name, value) in try environment.build(for: container) { values[name] = value }
            } catch {
                throw .mount("container \(container.name): \(error)", retriable: error.isMissing)
            }
        }
        if let name = pod.metadata.annotations[KusciaAnnotation.configTemplateValues], !name.isEmpty {
            values.merge(try await objects.configMap(name, pod, optional: false)?.data ?? [:])
        }
        return values
    }
}
