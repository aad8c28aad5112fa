// core/v1 Pod.
import JSON
import KubernetesModel

extension ResourceKind {
    static let pod = ResourceKind(
        resource: GroupVersionResource(resource: "pods"), kind: "Pod", singular: "pod", shortNames: ["po"],
        categories: ["all"], hasStatus: true, statusOnCreate: .reset(["phase": "Pending"]), countsGeneration: true,
        subresources: [
            Subresource(name: "binding", kind: GroupVersionKind(kind: "Binding"), verbs: ["create"]),
            Subresource(name: "log", kind: GroupVersionKind(kind: "Pod"), verbs: ["get"]),
        ],
        selectableFields: [
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.nominatedNodeName",
        ],
        fields: [Field("spec", PodSchemas.spec, required: true), Field("status", PodSchemas.status)],
        description: "Pod is a collection of containers that run together on a node.", columns: PodColumns.all,
        applyDefaults: PodRules.applyDefaults, validate: PodRules.validate, validateUpdate: PodRules.validateUpdate,
        gracefulDeletion: true)
}

/// What the API server adds to and demands of a pod. Rules: k8s.io/kubernetes pkg/apis/core/{v1/defaults,validation}.
enum PodRules {
    static let defaultGraceSeconds: Int64 = 30

    @Sendable static func applyDefaults(_ pod: inout JSONValue) {
        guard var spec = pod["spec"] else { return }
        spec.setDefault("restartPolicy", "Always")
        spec.setDefault("terminationGracePeriodSeconds", .int(defaultGraceSeconds))
        spec.setDefault("dnsPolicy", "ClusterFirst")
        spec.setDefault("schedulerName", "default-scheduler")
        for list in ["containers", "initContainers"] {
            guard let containers = spec[list]?.arrayValue else { continue }
            spec[list] = .array(containers.map(defaultedContainer))
        }
        pod["spec"] = spec
        if pod["status"] == nil { pod["status"] = ["phase": "Pending"] }
        if pod["status"]?["qosClass"] == nil { pod.set(["status", "qosClass"], to: .string(qosClass(spec))) }
    }

    private static func defaultedContainer(_ container: JSONValue) -> JSONValue {
        guard case .object = container else { return container }
        var container = container
        container.setDefault("imagePullPolicy", "IfNotPresent")
        container.setDefault("terminationMessagePath", "/dev/termination-log")
        container.setDefault("terminationMessagePolicy", "File")
        // A limit without a request asks for as much as it may use.
        if let limits = container["resources"]?["limits"]?.objectValue {
            for (name, limit) in limits where container["resources"]?["requests"]?[name] == nil {
                container.set(["resources", "requests", name], to: limit)
            }
        }
        if let ports = container["ports"]?.arrayValue {
            container["ports"] = .array(
                ports.map { port in
                    var port = port
                    port.setDefault("protocol", "TCP")
                    return port
                })
        }
        return container
    }

    /// Guaranteed when every container limits cpu and memory to what it requests, BestEffort when none says anything.
    static func qosClass(_ spec: JSONValue) -> String {
        let containers = (spec["containers"]?.arrayValue ?? []) + (spec["initContainers"]?.arrayValue ?? [])
        var isGuaranteed = !containers.isEmpty
        var isBestEffort = true
        for container in containers {
            for name in ["cpu", "memory"] {
                let limit = container["resources"]?["limits"]?[name]
                let request = container["resources"]?["requests"]?[name]
                if limit != nil || request != nil { isBestEffort = false }
                if limit == nil || limit != request { isGuaranteed = false }
            }
        }
        return isBestEffort ? "BestEffort" : isGuaranteed ? "Guaranteed" : "Burstable"
    }

    @Sendable static func validate(_ pod: JSONValue) -> [FieldError] {
        guard let spec = pod["spec"] else { return [.required("spec")] }
        var errors: [FieldError] = []
        let containers = spec["containers"]?.arrayValue ?? []
        if containers.isEmpty { errors.append(.required("spec.containers")) }
        let volumes = Set((spec["volumes"]?.arrayValue ?? []).compactMap { $0["name"]?.stringValue })
        errors += duplicates(spec["volumes"]?.arrayValue ?? [], member: "name", at: "spec.volumes")
        errors += duplicates(containers + (spec["initContainers"]?.arrayValue ?? []), member: "name", at: "spec.containers")
        for list in ["containers", "initContainers"] {
            for (index, container) in (spec[list]?.arrayValue ?? []).enumerated() {
                errors += validate(container: container, at: "spec.\(list)[\(index)]", volumes: volumes)
            }
        }
        if let grace = spec["terminationGracePeriodSeconds"]?.intValue, grace < 0 {
            errors.append(.invalid("spec.terminationGracePeriodSeconds", .int(grace), "must be greater than or equal to 0"))
        }
        if let deadline = spec["activeDeadlineSeconds"]?.intValue, deadline < 1 {
            errors.append(.invalid("spec.activeDeadlineSeconds", .int(deadline), "must be greater than or equal to 1"))
        }
        return errors
    }

    private static func validate(container: JSONValue, at path: String, volumes: Set<String>) -> [FieldError] {
        var errors: [FieldError] = []
        let name = container["name"] ?? ""
        if let problem = NameFormat.labelProblem(name.stringValue ?? "") {
            errors.append(.invalid("\(path).name", name, problem))
        }
        if (container["image"]?.stringValue ?? "").isEmpty { errors.append(.required("\(path).image")) }
        for (index, mount) in (container["volumeMounts"]?.arrayValue ?? []).enumerated() {
            if let volume = mount["name"]?.stringValue, !volumes.contains(volume) {
                errors.append(.notFound("\(path).volumeMounts[\(index)].name", .string(volume)))
            }
        }
        errors += duplicates(
            container["volumeMounts"]?.arrayValue ?? [], member: "mountPath", at: "\(path).volumeMounts")
        return errors + ResourceRules.validate(container["resources"], at: "\(path).resources")
    }

    static func duplicates(_ elements: [JSONValue], member: String, at path: String) -> [FieldError] {
        var seen: Set<String> = []
        return elements.enumerated().compactMap { index, element in
            guard let value = element[member]?.stringValue, !seen.insert(value).inserted else { return nil }
            return .duplicate("\(path)[\(index)].\(member)", .string(value))
        }
    }

    /// Of a made pod only images, the deadline, tolerations (additions) and a shorter grace may change.
    @Sendable static func validateUpdate(_ old: JSONValue, _ new: JSONValue) -> [FieldError] {
        guard let before = old["spec"], var after = new["spec"], before != after else { return [] }
        var errors: [FieldError] = []
        let had = before["tolerations"]?.arrayValue ?? []
        let has = after["tolerations"]?.arrayValue ?? []
        if !had.allSatisfy({ has.contains($0) }) {
            errors.append(.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"))
        }
        for member in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            after[member] = before[member]
        }
        for list in ["containers", "initContainers"] {
            guard let old = before[list]?.arrayValue, let new = after[list]?.arrayValue, old.count == new.count else { continue }
            after[list] = .array(
                zip(old, new).map { old, new in
                    var same = new
                    same["image"] = old["image"]
                    return same
                })
        }
        if after != before {
            let changed = Set((before.objectValue?.keys ?? []) + (after.objectValue?.keys ?? []))
                .filter { before[$0] != after[$0] }.sorted().joined(separator: ", ")
            errors.append(
                .forbidden(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,"
                        + "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                        + "existing tolerations),`spec.terminationGracePeriodSeconds` (changed: \(changed))"))
        }
        return errors
    }
}

/// `resources` of a container, in pods and in app images.
enum ResourceRules {
    static func validate(_ resources: JSONValue?, at path: String) -> [FieldError] {
        guard let resources else { return [] }
        var errors: [FieldError] = []
        for part in ["limits", "requests"] {
            for (name, value) in resources[part]?.objectValue ?? [:] {
                guard let amount = quantity(value) else { continue }
                if amount.amount < 0 {
                    errors.append(.invalid("\(path).\(part)[\(name)]", value, "must be greater than or equal to 0"))
                }
                if part == "requests", let limit = resources["limits"]?[name].flatMap(quantity), amount > limit {
                    errors.append(.invalid("\(path).requests", value, "must be less than or equal to \(name) limit"))
                }
            }
        }
        return errors
    }

    static func quantity(_ value: JSONValue) -> QuantityValue? {
        switch value {
        case .string(let text): QuantityValue(text)
        case .int(let number): QuantityValue(Double(number))
        case .double(let number): QuantityValue(number)
        case .null, .bool, .array, .object: nil
        }
    }
}

extension JSONValue {
    /// Sets a member of an object unless it is there.
    mutating func setDefault(_ key: String, _ value: JSONValue) {
        if self[key] == nil || self[key]?.isNull == true { self[key] = value }
    }
}
