// What of a pod cannot follow into a cluster: its node's files, network and processes. Said at admission, with what to use instead.
import AgentCore
import JSON
import KubernetesModel

/// Becomes the pod's status: Failed, each container with exit code 125.
public struct ClusterRefusal: Error, Sendable, Hashable {
    /// One word: "LocalDataNotSupported", "Forbidden", "AdmissionDenied", ...
    public var reason: String
    public var message: String

    public init(reason: String, message: String) {
        self.reason = reason
        self.message = message
    }

    static func local(_ field: String, _ what: String, _ instead: String) -> ClusterRefusal {
        ClusterRefusal(
            reason: "LocalDataNotSupported",
            message: "\(field): \(what) is data of this node, which cannot follow the pod into a cluster; \(instead)")
    }

    /// nil: it may go. Looks at the document, so that fields which no view knows are seen too.
    static func check(_ pod: JSONValue, _ configuration: RunKConfiguration) -> ClusterRefusal? {
        let spec = pod["spec"] ?? [:]
        for field in ["hostPID", "hostIPC"] where spec[field]?.boolValue == true {
            return ClusterRefusal(
                reason: "Forbidden",
                message: "spec.\(field): a pod that runs in a cluster has no part in this node; leave the field out")
        }
        for volume in spec["volumes"]?.arrayValue ?? [] {
            if let refusal = check(volume: volume, configuration) { return refusal }
        }
        return nil
    }

    private static func check(volume: JSONValue, _ configuration: RunKConfiguration) -> ClusterRefusal? {
        let name = volume["name"]?.stringValue ?? ""
        let field = "spec.volumes[\(name)]"
        if let path = volume[path: "hostPath", "path"]?.stringValue {
            return local("\(field).hostPath", path, "use a claim that swiftlet.runk.claims names, or read from object storage")
        }
        if let claim = volume[path: "persistentVolumeClaim", "claimName"]?.stringValue, configuration.claim(for: claim) == nil,
            configuration.localData == .refuse
        {
            return local(
                "\(field).persistentVolumeClaim", "claim \(claim)",
                "name the cluster's claim in swiftlet.runk.claims, set swiftlet.runk.localData: scratch if the task needs none of it, "
                    + "or read from object storage")
        }
        for source in volume[path: "projected", "sources"]?.arrayValue ?? [] {
            if case .some = source["serviceAccountToken"], !ClusterPodMapping.isInjected(volume) {
                return ClusterRefusal(
                    reason: "Forbidden",
                    message: "\(field).projected: a token of this cluster's service account is of no use in another; use a Secret"
                )
            }
        }
        return nil
    }
}
