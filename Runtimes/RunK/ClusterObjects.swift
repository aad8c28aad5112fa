// What a pod needs beside itself in the target namespace: copies of ConfigMaps and Secrets, rendered templates, its own fields as
// files, a Service. Pure: which objects are needed, and what is made of those that were found.
import AgentCore
import JSON
import KubernetesModel
import KusciaModel

struct ClusterObjects {
    let configuration: RunKConfiguration
    let names: ClusterNames
    let pod: Pod

    enum Kind: String, Sendable, Hashable { case configMap, secret }

    struct Reference: Sendable, Hashable {
        var kind: Kind
        var name: String
    }

    static func templateVolumes(_ pod: Pod) -> [String] {
        (pod.metadata.annotations[KusciaAnnotation.configTemplateVolumes] ?? "").split(separator: ",").map(String.init)
    }

    /// A field's path as a key of a ConfigMap.
    static func key(of path: String) -> String {
        let escaped = path.utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "."), UInt8(ascii: "-"):
                byte
            default: UInt8(ascii: "_")
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    // MARK: What is referred to

    /// What is copied -> whether the pod can do without. (The ConfigMaps of template values and of hosts are read and not copied.)
    func references() -> [Reference: Bool] {
        var found: [Reference: Bool] = [:]
        func note(_ kind: Kind, _ name: String?, _ optional: Bool?) {
            guard let name, !name.isEmpty else { return }
            let reference = Reference(kind: kind, name: name)
            found[reference] = (found[reference] ?? true) && optional == true
        }
        for volume in pod.spec.volumes {
            note(.configMap, volume.configMap?.name, volume.configMap?.optional)
            note(.secret, volume.secret?.secretName, volume.secret?.optional)
            for source in volume.projected?.sources ?? [] {
                note(.configMap, source.configMap?.name, source.configMap?.optional)
                note(.secret, source.secret?.name, source.secret?.optional)
            }
        }
        let environment = EnvironmentReferences(pod.spec.initContainers + pod.spec.containers)
        for (name, optional) in environment.configMaps { note(.configMap, name, optional) }
        for (name, optional) in environment.secrets { note(.secret, name, optional) }
        // A registry may need none: a kubelet goes on without.
        for secret in pod.spec.imagePullSecrets { note(.secret, secret.name, true) }
        return found
    }

    // MARK: What is made

    func metadata(_ name: String) -> ObjectMeta {
        ObjectMeta(
            name: name, namespace: configuration.namespace,
            labels: configuration.labelsToAdd.merging([
                ClusterMark.node: configuration.node, ClusterMark.podUID: pod.metadata.uid ?? "",
            ]) { $1 })
    }

    func copy(_ configMap: ConfigMap) -> ConfigMap {
        ConfigMap(
            metadata: metadata(names.object(configMap.metadata.name)), data: configMap.data, binaryData: configMap.binaryData)
    }

    func copy(_ secret: Secret) -> Secret {
        Secret(
            metadata: metadata(names.object(secret.metadata.name)), data: secret.data, stringData: secret.stringData,
            // A token's Secret would be filled by the other cluster's controller.
            type: secret.type == "kubernetes.io/service-account-token" ? "Opaque" : secret.type)
    }

    /// The pod's fields that its downwardAPI volumes show, by key.
    func fieldFiles() throws(ReferenceError) -> [String: String] {
        let items = pod.spec.volumes.flatMap { volume in
            (volume.downwardAPI?.items ?? []) + (volume.projected?.sources ?? []).flatMap { $0.downwardAPI?.items ?? [] }
        }
        var data: [String: String] = [:]
        for path in items.compactMap(\.fieldRef?.fieldPath) {
            data[Self.key(of: path)] = try FieldReference(pod: pod, podIP: "", hostIP: "").file(path)
        }
        return data
    }

    /// Templates filled in with the containers' environment and, over it, the pod's own values. An address that only the cluster will
    /// give is the empty text.
    func rendered(
        _ template: ConfigMap, values own: [String: String], configMaps: [String: [String: String]],
        secrets: [String: [String: String]]
    ) throws -> ConfigMap {
        var values = ConfigTemplateValues()
        let environment = EnvironmentBuilder(pod: pod, podIP: "", hostIP: "", configMaps: configMaps, secrets: secrets)
        for container in pod.spec.containers.reversed() {
            for (name, value) in try environment.build(for: container) { values[name] = value }
        }
        values.merge(own)
        let data = try template.data.mapValues { _ in "" }.merging(
            template.data.map { ($0.key, try ConfigTemplate(file: $0.key, text: $0.value).render(values)) }
        ) { $1 }
        return ConfigMap(
            metadata: metadata(names.object(template.metadata.name, rendered: true)), data: data, binaryData: template.binaryData)
    }

    /// Names of ConfigMaps that template volumes show.
    var templates: Set<String> {
        let volumes = Set(Self.templateVolumes(pod))
        return Set(pod.spec.volumes.filter { volumes.contains($0.name) }.compactMap { $0.configMap?.name })
    }

    /// Makes the pod's declared ports reachable in its cluster under the copy's name; nil: there are none, or nobody wants it.
    func service() -> JSONValue? {
        guard configuration.exposure == .clusterIP || configuration.exposure == .nodePort else { return nil }
        var taken: Set<String> = []
        let ports = pod.spec.containers.flatMap(\.ports).compactMap { port -> JSONValue? in
            let kind = port.protocol ?? "TCP"
            guard taken.insert("\(port.containerPort)/\(kind)").inserted else { return nil }
            return [
                "name": .string("p\(port.containerPort)-\(kind.lowercased())"), "port": .int(Int64(port.containerPort)),
                "targetPort": .int(Int64(port.containerPort)), "protocol": .string(kind),
            ]
        }
        guard !ports.isEmpty else { return nil }
        let metadata = metadata(names.pod)
        return [
            "apiVersion": "v1", "kind": "Service",
            "metadata": [
                "name": .string(metadata.name), "namespace": .string(configuration.namespace),
                "labels": ClusterPodMapping.map(metadata.labels),
            ],
            "spec": [
                "type": .string(configuration.exposure.rawValue), "ports": .array(ports), "publishNotReadyAddresses": true,
                "selector": [ClusterMark.podUID: .string(pod.metadata.uid ?? "")],
            ],
        ]
    }
}
