// The ConfigMaps, Secrets and the Service of a copy: written before it, kept as new as their originals, all owned by one ConfigMap
// (the anchor), so that one deletion takes them along.
import AgentCore
import JSON
import KubernetesClient
import KubernetesModel
import KusciaModel

extension ClusterPods {
    func needsObjects(_ pod: Pod) -> Bool {
        let objects = ClusterObjects(configuration: configuration, names: names(of: pod), pod: pod)
        return !objects.references().isEmpty || objects.service() != nil
            || pod.spec.volumes.contains { $0.downwardAPI != nil || $0.projected != nil }
    }

    func writeObjects(of pod: Pod, _ names: ClusterNames) async throws {
        guard needsObjects(pod) else { return }
        let objects = ClusterObjects(configuration: configuration, names: names, pod: pod)
        let (configMaps, secrets) = try await originals(objects)
        var wanted: [(GroupVersionResource, JSONValue)] = []
        for configMap in configMaps.values {
            wanted.append((ConfigMap.resource, try JSON.encodeToValue(objects.copy(configMap))))
        }
        for secret in secrets.values { wanted.append((Secret.resource, try JSON.encodeToValue(objects.copy(secret)))) }
        wanted += try await rendered(objects, configMaps, secrets).map { (ConfigMap.resource, $0) }
        if let service = objects.service() { wanted.append((Service.resource, service)) }
        let anchor = try await writeAnchor(objects)
        let uid = pod.metadata.uid ?? ""
        for (resource, document) in wanted.sorted(by: { $0.1.serializedString() < $1.1.serializedString() }) {
            try await write(document, resource, owner: anchor, of: uid)
        }
    }

    // MARK: Originals

    private func originals(_ objects: ClusterObjects) async throws -> ([String: ConfigMap], [String: Secret]) {
        var (configMaps, secrets): ([String: ConfigMap], [String: Secret]) = ([:], [:])
        let namespace = objects.pod.metadata.namespace
        for (reference, optional) in objects.references() {
            let isFound: Bool
            switch reference.kind {
            case .configMap:
                configMaps[reference.name] = try await source.find(ConfigMap.self, namespace: namespace, name: reference.name)
                isFound = configMaps[reference.name] != nil
            case .secret:
                secrets[reference.name] = try await source.find(Secret.self, namespace: namespace, name: reference.name)
                isFound = secrets[reference.name] != nil
            }
            if !isFound, !optional {
                let kind = reference.kind == .configMap ? "configmap" : "secret"
                throw CreationWait(reason: "FailedMount", message: "\(kind) \"\(reference.name)\" not found")
            }
        }
        return (configMaps, secrets)
    }

    private func rendered(
        _ objects: ClusterObjects, _ configMaps: [String: ConfigMap], _ secrets: [String: Secret]
    ) async throws -> [JSONValue] {
        let templates = objects.templates
        if templates.isEmpty { return [] }
        var values: [String: String] = [:]
        if let name = objects.pod.metadata.annotations[KusciaAnnotation.configTemplateValues], !name.isEmpty {
            guard let found = try await source.find(ConfigMap.self, namespace: objects.pod.metadata.namespace, name: name) else {
                throw CreationWait(reason: "FailedMount", message: "configmap \"\(name)\" not found")
            }
            values = found.data
        }
        do {
            return try templates.compactMap { configMaps[$0] }.map { template in
                try JSON.encodeToValue(
                    objects.rendered(
                        template, values: values, configMaps: configMaps.mapValues(\.data), secrets: secrets.mapValues(\.texts)))
            }
        } catch let error as ConfigTemplateError {
            throw ClusterRefusal(reason: "FailedMount", message: "config template \(error)")
        } catch let error as EnvironmentError {
            throw ClusterRefusal(reason: "CreateContainerConfigError", message: "\(error)")
        }
    }

    // MARK: Writing

    private func writeAnchor(_ objects: ClusterObjects) async throws -> OwnerReference? {
        var anchor = ConfigMap(metadata: objects.metadata(objects.names.fields))
        anchor.metadata.labels[ClusterMark.anchor] = "true"
        do throws(ReferenceError) { anchor.data = try objects.fieldFiles() } catch {
            throw ClusterRefusal(reason: "FailedMount", message: error.reason)
        }
        let wanted = anchor
        mirrors[objects.pod.metadata.uid ?? "", default: Mirror()].anchor = anchor.metadata.name
        let answer = try await accepted { try await self.target.createIfAbsent(wanted) }
        return answer.metadata.uid.map {
            OwnerReference(apiVersion: "v1", kind: ConfigMap.kind, name: answer.metadata.name, uid: $0)
        }
    }

    /// Creates, or brings what is there to what is wanted; does nothing when this life wrote the same before.
    private func write(
        _ document: JSONValue, _ resource: GroupVersionResource, owner: OwnerReference?, of uid: String
    ) async throws {
        guard let name = document[path: "metadata", "name"]?.stringValue else { return }
        var document = document
        if let owner { document.set(["metadata", "ownerReferences"], to: [try JSON.encodeToValue(owner)]) }
        let body = document.serialized()
        let mark = StableHash.of(String(decoding: body, as: UTF8.self))
        let key = "\(resource.resource)/\(name)"
        if mirrors[uid]?.written[key] == mark { return }
        try await accepted {
            do {
                _ = try await self.target.create(
                    resource, namespace: self.configuration.namespace, name: nil, subresource: nil, body: body)
            } catch let error as KubernetesAPIError where error.isAlreadyExists {
                _ = try await self.target.patch(
                    resource, namespace: self.configuration.namespace, name: name, subresource: nil, type: .merge, body: body)
            }
        }
        mirrors[uid, default: Mirror()].written[key] = mark
    }

    /// A refusal of one of the pod's objects is one of the pod.
    private func accepted<Value: Sendable>(_ call: @Sendable () async throws -> Value) async throws -> Value {
        do { return try await call() } catch {
            switch CreationFailure(error, namespace: configuration.namespace) {
            case .refuse(let refusal): throw refusal
            case .wait(let reason, let message): throw CreationWait(reason: reason, message: message)
            case .retry, .present: throw error
            }
        }
    }

    // MARK: Change

    /// Originals that changed while their pods run are copied again.
    func refreshObjects() async {
        while !Task.isCancelled {
            // The pace of the looks.
            guard (try? await Task.sleep(for: refreshInterval)) != nil else { return }
            for (uid, wish) in wishes {
                guard let copy = copy(of: uid), !copy.hasEnded, wish.metadata.deletionTimestamp == nil, needsObjects(wish) else {
                    continue
                }
                do { try await writeObjects(of: wish, names(of: wish)) } catch {
                    logger.debug("copied objects not refreshed", metadata: ["pod": "\(wish.metadata.name)", "error": "\(error)"])
                }
                // The pod may have gone meanwhile: then they go too.
                queue.add(.pod(uid))
            }
            await lookAtUnseen()
        }
    }

    /// Copies that were made and that the watch has not shown since: one that came and went while it was away is never shown.
    private func lookAtUnseen() async {
        for (uid, mirror) in mirrors {
            guard let created = mirror.created else { continue }
            do {
                let found = try await target.find(Pod.self, namespace: configuration.namespace, name: created.metadata.name)
                guard mirrors[uid]?.created != nil else { continue }
                mirrors[uid]?.created = found?.metadata.uid == created.metadata.uid ? found : nil
                queue.add(.pod(uid))
            } catch {
                logger.debug("new copy not looked at", metadata: ["pod": "\(created.metadata.name)", "error": "\(error)"])
            }
        }
    }
}

extension Secret {
    /// Values as texts, for environments.
    fileprivate var texts: [String: String] {
        data.compactMapValues { Base64.decode($0).map { String(decoding: $0, as: UTF8.self) } }.merging(stringData) { $1 }
    }
}
