// The API objects that volumes and environments are made of, each fetched once in a pass.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel

/// For the time of one pass over one or several pods. Not kept longer: a newer pass wants newer objects.
actor VolumeObjects {
    private let api: any KubernetesAPI
    private var configMaps: [String: ConfigMap?] = [:]
    private var secrets: [String: Secret?] = [:]

    init(api: any KubernetesAPI) { self.api = api }

    /// nil: there is none, and the reference is optional. A failure may go away by itself: the object may come.
    func configMap(_ name: String, _ pod: Pod, optional: Bool) async throws(StepFailure) -> ConfigMap? {
        let (namespace, key) = (pod.metadata.namespace ?? "", "\(pod.metadata.namespace ?? "")/\(name)")
        if configMaps[key] == nil {
            do { configMaps[key] = .some(try await api.find(ConfigMap.self, namespace: namespace, name: name)) } catch {
                throw .mount("ConfigMap \(name): \(error)", retriable: true)
            }
        }
        guard let found = configMaps[key] ?? nil else {
            if optional { return nil }
            throw .mount("configmap \"\(name)\" not found", retriable: true)
        }
        return found
    }

    func secret(_ name: String, _ pod: Pod, optional: Bool) async throws(StepFailure) -> Secret? {
        let (namespace, key) = (pod.metadata.namespace ?? "", "\(pod.metadata.namespace ?? "")/\(name)")
        if secrets[key] == nil {
            do { secrets[key] = .some(try await api.find(Secret.self, namespace: namespace, name: name)) } catch {
                throw .mount("Secret \(name): \(error)", retriable: true)
            }
        }
        guard let found = secrets[key] ?? nil else {
            if optional { return nil }
            throw .mount("secret \"\(name)\" not found", retriable: true)
        }
        return found
    }

    /// Whether all that was fetched is declared never to change.
    func isImmutable(_ reference: VolumeRefresh.Reference) -> Bool {
        switch reference.kind {
        case .configMap: (configMaps[reference.key] ?? nil)?.immutable == true
        case .secret: (secrets[reference.key] ?? nil)?.immutable == true
        }
    }
}

extension ConfigMap {
    /// Every key with its bytes.
    func files() throws(StepFailure) -> [String: [UInt8]] {
        var files = data.mapValues { Array($0.utf8) }
        for (key, text) in binaryData {
            guard let bytes = Base64.decode(text) else {
                throw .mount("ConfigMap \(metadata.name): binaryData.\(key) is not base64", retriable: false)
            }
            files[key] = bytes
        }
        return files
    }
}

extension Secret {
    func files() throws(StepFailure) -> [String: [UInt8]] {
        var files = stringData.mapValues { Array($0.utf8) }
        for (key, text) in data {
            guard let bytes = Base64.decode(text) else {
                throw .mount("Secret \(metadata.name): data.\(key) is not base64", retriable: false)
            }
            files[key] = bytes
        }
        return files
    }
}

extension StepFailure {
    static func mount(_ message: String, retriable: Bool) -> StepFailure {
        StepFailure(reason: "FailedMount", message: message, retriable: retriable)
    }

    /// As a kubelet's event has it, which people and programs look for.
    func settingUp(_ volume: Volume) -> StepFailure {
        let message = "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(message)"
        return StepFailure(reason: reason, message: message, retriable: retriable)
    }
}
