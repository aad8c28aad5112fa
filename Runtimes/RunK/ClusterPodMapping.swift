// A pod as the target cluster gets it: ours is taken off, names lead to the copies, what the operator wants is added. Works on the
// document, so that what no view knows (probes of a new kind, lifecycle hooks) arrives unchanged.
import AgentCore
import JSON
import KubernetesModel
import KusciaModel

struct ClusterPodMapping {
    let configuration: RunKConfiguration
    let names: ClusterNames
    /// The pod as the API server has it: document and view of the same.
    let document: JSONValue
    let pod: Pod
    /// Lines for the pod's hosts beside its own.
    var hostAliases: [PodHostAlias] = []

    /// What the scheduler, the service account and the taints of the cluster that we come from mean nothing in another.
    private static let dropped = [
        "nodeName", "nodeSelector", "schedulerName", "serviceAccount", "serviceAccountName", "priority", "priorityClassName",
        "preemptionPolicy", "runtimeClassName", "overhead", "tolerations", "affinity", "topologySpreadConstraints",
        "schedulingGates",
        "resourceClaims", "ephemeralContainers", "dnsPolicy", "dnsConfig", "hostAliases", "readinessGates",
    ]

    func copy() throws -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata(), "spec": try spec(),
        ]
    }

    // MARK: Metadata

    private func metadata() -> JSONValue {
        let own = ClusterMetadata(pod, configuration)
        var (labels, annotations) = (own.labels, own.annotations)
        labels[ClusterMark.node] = configuration.node
        labels[ClusterMark.podUID] = pod.metadata.uid
        annotations[ClusterMark.podNamespace] = pod.metadata.namespace
        annotations[ClusterMark.podName] = pod.metadata.name
        annotations[ClusterMark.copied] = own.mark
        return [
            "name": .string(names.pod), "namespace": .string(configuration.namespace), "labels": Self.map(labels),
            "annotations": Self.map(annotations), "finalizers": [.string(ClusterMark.finalizer)],
        ]
    }

    static func map(_ texts: [String: String]) -> JSONValue {
        .object(JSONObject(texts.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
    }

    // MARK: Spec

    private func spec() throws -> JSONValue {
        var spec = document["spec"] ?? [:]
        for field in Self.dropped { spec[field] = nil }
        spec["automountServiceAccountToken"] = false
        spec["enableServiceLinks"] = false
        if configuration.exposure != .hostNetwork { spec["hostNetwork"] = nil }
        // Inside the pod its name is the one it was given, whatever the copy is called.
        if pod.spec.hostname == nil, pod.spec.hostNetwork != true {
            spec["hostname"] = .string(String(pod.metadata.name.prefix(63)))
        }
        add(&spec)
        let volumes = try volumes(spec["volumes"]?.arrayValue ?? [])
        spec["volumes"] = volumes.isEmpty ? nil : .array(volumes)
        for field in ["initContainers", "containers"] {
            guard let containers = spec[field]?.arrayValue else { continue }
            spec[field] = .array(try containers.map(container))
        }
        if let secrets = spec["imagePullSecrets"]?.arrayValue {
            spec["imagePullSecrets"] = .array(secrets.map { renamed($0, "name") })
        }
        return spec
    }

    private func add(_ spec: inout JSONValue) {
        if let name = configuration.runtimeClassName { spec["runtimeClassName"] = .string(name) }
        if let name = configuration.serviceAccountName { spec["serviceAccountName"] = .string(name) }
        if let affinity = configuration.affinity { spec["affinity"] = affinity }
        if !configuration.tolerations.isEmpty { spec["tolerations"] = .array(configuration.tolerations) }
        if !configuration.nodeSelector.isEmpty { spec["nodeSelector"] = Self.map(configuration.nodeSelector) }
        if !configuration.dnsServers.isEmpty {
            spec["dnsPolicy"] = "None"
            var dns: JSONValue = ["nameservers": .array(configuration.dnsServers.map { .string($0) })]
            if !configuration.dnsSearches.isEmpty { dns["searches"] = .array(configuration.dnsSearches.map { .string($0) }) }
            spec["dnsConfig"] = dns
        }
        if !hostAliases.isEmpty {
            spec["hostAliases"] = .array(
                hostAliases.map { ["ip": .string($0.ip), "hostnames": .array($0.hostnames.map { .string($0) })] })
        }
    }

    // MARK: Containers

    private func container(_ container: JSONValue) throws -> JSONValue {
        var container = container
        if let entries = container["env"]?.arrayValue { container["env"] = .array(try entries.map(variable)) }
        if let sources = container["envFrom"]?.arrayValue {
            container["envFrom"] = .array(sources.map { renamed(renamed($0, "configMapRef", "name"), "secretRef", "name") })
        }
        if let mounts = container["volumeMounts"]?.arrayValue {
            container["volumeMounts"] = .array(mounts.filter { !injected.contains($0["name"]?.stringValue ?? "") }.map(mount))
        }
        if configuration.exposure != .hostNetwork, let ports = container["ports"]?.arrayValue {
            container["ports"] = .array(ports.map { port in withoutMember(port, "hostPort") })
        }
        return container
    }

    /// A field that means this pod is written out: in the cluster it would be the copy's.
    private func variable(_ entry: JSONValue) throws -> JSONValue {
        if let path = entry[path: "valueFrom", "fieldRef", "fieldPath"]?.stringValue, !path.hasPrefix("status.") {
            let value = try FieldReference(pod: pod, podIP: "", hostIP: "").variable(path)
            // A dollar is no reference here.
            return [
                "name": entry["name"] ?? "",
                "value": .string(value.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")),
            ]
        }
        return renamed(
            renamed(entry, "valueFrom", "configMapKeyRef", "name"), "valueFrom", "secretKeyRef", "name")
    }

    private func mount(_ mount: JSONValue) -> JSONValue {
        guard let name = mount["name"]?.stringValue, let directory = directories[name] else { return mount }
        var mount = mount
        let field = mount["subPathExpr"]?.stringValue == nil ? "subPath" : "subPathExpr"
        mount[field] = .string([directory, mount[field]?.stringValue ?? ""].filter { !$0.isEmpty }.joined(separator: "/"))
        return mount
    }

    // MARK: Volumes

    /// The token that API servers add to every pod: of the wrong cluster's account.
    static func isInjected(_ volume: JSONValue) -> Bool {
        guard case .some = volume["projected"] else { return false }
        return volume["name"]?.stringValue?.hasPrefix("kube-api-access-") == true
    }

    private var sourceVolumes: [JSONValue] { document[path: "spec", "volumes"]?.arrayValue ?? [] }
    private var injected: Set<String> { Set(sourceVolumes.filter(Self.isInjected).compactMap { $0["name"]?.stringValue }) }

    /// Volume -> directory of its claim that stands for the pod's own claim.
    private var directories: [String: String] {
        var found: [String: String] = [:]
        for volume in sourceVolumes {
            guard let name = volume["name"]?.stringValue,
                let claim = volume[path: "persistentVolumeClaim", "claimName"]?.stringValue
            else { continue }
            found[name] = configuration.claim(for: claim)?.directory
        }
        return found
    }

    private func volumes(_ volumes: [JSONValue]) throws -> [JSONValue] {
        try volumes.filter { !Self.isInjected($0) }.map { volume in
            var volume = volume
            let name = volume["name"]?.stringValue ?? ""
            if let claim = volume[path: "persistentVolumeClaim", "claimName"]?.stringValue {
                guard let found = configuration.claim(for: claim) else { return ["name": .string(name), "emptyDir": [:]] }
                volume.set(["persistentVolumeClaim", "claimName"], to: .string(found.name))
            }
            volume = renamed(volume, "configMap", "name", rendered: ClusterObjects.templateVolumes(pod).contains(name))
            volume = renamed(volume, "secret", "secretName")
            if let sources = volume[path: "projected", "sources"]?.arrayValue {
                volume.set(["projected", "sources"], to: .array(try sources.flatMap(projection)))
            } else if let downward = volume["downwardAPI"] {
                let mode = downward["defaultMode"]
                volume["downwardAPI"] = nil
                volume["projected"] = ["sources": .array(try projection(["downwardAPI": downward]))]
                if let mode { volume.set(["projected", "defaultMode"], to: mode) }
            }
            return volume
        }
    }

    /// Fields of this pod become files of a ConfigMap; what only the cluster knows (limits) stays a field.
    private func projection(_ source: JSONValue) throws -> [JSONValue] {
        guard let downward = source["downwardAPI"] else {
            return [renamed(renamed(source, "configMap", "name"), "secret", "name")]
        }
        var (own, theirs): ([JSONValue], [JSONValue]) = ([], [])
        for item in downward["items"]?.arrayValue ?? [] {
            guard let path = item[path: "fieldRef", "fieldPath"]?.stringValue else {
                theirs.append(item)
                continue
            }
            var file: JSONValue = ["key": .string(ClusterObjects.key(of: path)), "path": item["path"] ?? ""]
            file["mode"] = item["mode"]
            own.append(file)
        }
        var sources: [JSONValue] = []
        if !own.isEmpty { sources.append(["configMap": ["name": .string(names.fields), "items": .array(own)]]) }
        if !theirs.isEmpty { sources.append(["downwardAPI": ["items": .array(theirs)]]) }
        return sources
    }

    private func renamed(_ value: JSONValue, _ path: String..., rendered: Bool = false) -> JSONValue {
        guard let name = value.value(at: path)?.stringValue, !name.isEmpty else { return value }
        var value = value
        value.set(path, to: .string(names.object(name, rendered: rendered)))
        return value
    }

    private func withoutMember(_ value: JSONValue, _ member: String) -> JSONValue {
        var value = value
        value[member] = nil
        return value
    }
}
