// Defaults of a pod that depend on more than the field itself; the plain ones stand in the declared types.
// Source: Kubernetes' documentation of the pod API and of its admission plug-ins DefaultTolerationSeconds and Priority.
import JSON

enum PodDefaults {
    static let graceSeconds: Int64 = 30

    @Sendable static func apply(_ pod: inout JSONValue) {
        guard var spec = pod["spec"] else { return }
        pod["spec"] = .null
        // Both names of the account say the same; the old one is still read by old clients.
        if let account = spec["serviceAccountName"] ?? spec["serviceAccount"] {
            spec.setDefault("serviceAccountName", account)
            spec.setDefault("serviceAccount", account)
        }
        let usesHostNetwork = spec["hostNetwork"]?.boolValue == true
        for list in ["containers", "initContainers", "ephemeralContainers"] where spec[list] != nil {
            spec.changeElements(of: list) { apply(container: &$0, usesHostNetwork: usesHostNetwork) }
        }
        spec.changeElements(of: "volumes") { apply(volume: &$0) }
        addTolerations(&spec)
        let quality = qosClass(spec)
        pod["spec"] = spec
        var status = pod["status"] ?? [:]
        status.setDefault("phase", "Pending")
        status.setDefault("qosClass", .string(quality))
        pod["status"] = status
    }

    /// The quality of service follows from the spec, so it stays as it was.
    @Sendable static func applyToStatus(_ pod: inout JSONValue, _ old: JSONValue) {
        let quality = old["status"]?["qosClass"]
        if pod["status"]?["phase"] != nil, pod["status"]?["qosClass"] != nil { return }
        var status = pod["status"] ?? [:]
        status.setDefault("phase", "Pending")
        if let quality { status.setDefault("qosClass", quality) }
        pod["status"] = status
    }

    private static func apply(container: inout JSONValue, usesHostNetwork: Bool) {
        guard case .object = container else { return }
        if container["imagePullPolicy"]?.stringValue ?? "" == "" {
            container["imagePullPolicy"] = .string(pullPolicy(image: container["image"]?.stringValue ?? ""))
        }
        // A limit without a request asks for as much as it may use.
        if let limits = container["resources"]?["limits"]?.objectValue, !limits.isEmpty {
            var requests = container["resources"]?["requests"]?.objectValue ?? JSONObject()
            let asked = requests.count
            for (name, limit) in limits where !requests.contains(key: name) { requests[name] = limit }
            if requests.count > asked { container.set(["resources", "requests"], to: .object(requests)) }
        }
        if usesHostNetwork {
            container.changeElements(of: "ports") { port in
                if (port["hostPort"]?.intValue ?? 0) == 0, let number = port["containerPort"] { port["hostPort"] = number }
            }
        }
    }

    /// An image that may change under its name is pulled each time.
    static func pullPolicy(image: String) -> String {
        let name = image.utf8.lastIndex(of: UInt8(ascii: "/")).map { image[image.index(after: $0)...] } ?? image[...]
        if name.contains("@") { return "IfNotPresent" }
        guard let colon = name.lastIndex(of: ":") else { return "Always" }
        return name[colon...] == ":latest" ? "Always" : "IfNotPresent"
    }

    private static func apply(volume: inout JSONValue) {
        // A volume without a source is an empty directory.
        if case .object(let members) = volume, members.count == 1, members.contains(key: "name") { volume["emptyDir"] = [:] }
    }

    /// A pod stays five minutes on a node that is not ready or not reached, unless it says otherwise.
    private static let notReadySeconds: Int64 = 300

    private static func addTolerations(_ spec: inout JSONValue) {
        var tolerations = spec["tolerations"]?.arrayValue ?? []
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let isTolerated = tolerations.contains { toleration in
                let own = toleration["key"]?.stringValue ?? ""
                let effect = toleration["effect"]?.stringValue ?? ""
                return (own == key || own.isEmpty) && (effect == "NoExecute" || effect.isEmpty)
            }
            if isTolerated { continue }
            tolerations.append([
                "key": .string(key), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": .int(notReadySeconds),
            ])
        }
        spec["tolerations"] = .array(tolerations)
    }

    /// Guaranteed when every container limits cpu and memory to what it requests, BestEffort when none says anything.
    static func qosClass(_ spec: JSONValue) -> String {
        var isGuaranteed = true
        var isBestEffort = true
        for list in ["containers", "initContainers"] {
            for container in spec[list]?.arrayValue ?? [] {
                let resources = container["resources"]
                for name in ["cpu", "memory"] {
                    let limit = resources?["limits"]?[name]
                    let request = resources?["requests"]?[name]
                    if limit != nil || request != nil { isBestEffort = false }
                    if limit == nil || limit != request { isGuaranteed = false }
                }
            }
        }
        return isBestEffort ? "BestEffort" : isGuaranteed ? "Guaranteed" : "Burstable"
    }
}
