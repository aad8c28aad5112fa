// core/v1 Pod. Its types are in Types/, its rules in Rules/.
import JSON
import KubernetesModel

extension ResourceKind {
    static let pod = ResourceKind(
        resource: GroupVersionResource(resource: "pods"), kind: "Pod", singular: "pod", shortNames: ["po"],
        categories: ["all"], hasStatus: true, statusOnCreate: .reset(["phase": "Pending"]),
        statusWrite: StatusWrite(spec: ["nodeName"], applyDefaults: PodDefaults.applyToStatus), countsGeneration: true,
        subresources: [
            Subresource(
                name: "attach", kind: GroupVersionKind(kind: "PodAttachOptions"), verbs: ["create", "get"], isStream: true),
            Subresource(name: "binding", kind: GroupVersionKind(kind: "Binding"), verbs: ["create"]),
            Subresource(name: "ephemeralcontainers", kind: GroupVersionKind(kind: "Pod"), verbs: ["get", "patch", "update"]),
            Subresource(
                name: "eviction", kind: GroupVersionKind(group: "policy", version: "v1", kind: "Eviction"), verbs: ["create"]),
            Subresource(name: "exec", kind: GroupVersionKind(kind: "PodExecOptions"), verbs: ["create", "get"], isStream: true),
            Subresource(name: "log", kind: GroupVersionKind(kind: "Pod"), verbs: ["get"], isStream: true),
            Subresource(
                name: "portforward", kind: GroupVersionKind(kind: "PodPortForwardOptions"), verbs: ["create", "get"],
                isStream: true),
        ],
        selectableFields: [
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
        ],
        selectableZeros: ["spec.hostNetwork": "false"],
        columns: PodColumns.all, applyDefaults: PodDefaults.apply, validate: PodRules.validate,
        validateUpdate: PodUpdateRules.validate, gracefulDeletion: true)
}
