// core/v1 Node.
import JSON
import KubernetesModel

extension ResourceKind {
    static let node = ResourceKind(
        resource: GroupVersionResource(resource: "nodes"), kind: "Node", singular: "node", shortNames: ["no"],
        namespaced: false, hasStatus: true, statusOnCreate: .keep,
        statusWrite: StatusWrite(spec: ["taints", "unschedulable"]) { node, _ in defaultNode(&node) },
        selectableFields: ["spec.unschedulable"], selectableZeros: ["spec.unschedulable": "false"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind Node -- A machine that runs pods.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec NodeSpec ={} -- What is wanted.
              3 status NodeStatus ={} -- What was last observed; written by the system.
            type NodeSpec -- What a node shall be.
              1 podCIDR string -- Addresses of its pods.
              7 podCIDRs []string merge() set
              3 providerID string -- The machine's name at its provider.
              4 unschedulable bool -- Whether no new pods come to the node (kubectl cordon).
              5 taints []Taint -- Marks that keep pods away which do not tolerate them.
              6 configSource NodeConfigSource
              2 externalID string
            type Taint -- A mark that keeps pods away which do not tolerate it.
              1 key string!
              2 value string
              3 effect enum(NoSchedule|PreferNoSchedule|NoExecute)! -- NoSchedule, PreferNoSchedule or NoExecute.
              4 timeAdded time
            type NodeConfigSource
              2 configMap ConfigMapNodeConfigSource
            type ConfigMapNodeConfigSource
              1 namespace string -- Namespace of the object.
              2 name string
              3 uid string
              4 resourceVersion string
              5 kubeletConfigKey string
            type NodeStatus
              1 capacity {}quantity -- All that the machine has.
              2 allocatable {}quantity -- What of it pods may use.
              3 phase string -- Where it stands.
              4 conditions []NodeCondition merge(type) -- Ready, MemoryPressure, DiskPressure, PIDPressure.
              5 addresses []NodeAddress merge(type) -- How the node is reached.
              6 daemonEndpoints NodeDaemonEndpoints
              7 nodeInfo NodeSystemInfo -- Versions and identities of the machine.
              8 images []ContainerImage -- Images that the node has.
              9 volumesInUse []string
              10 volumesAttached []AttachedVolume
              11 config NodeConfigStatus
              12 runtimeHandlers []NodeRuntimeHandler
              13 features NodeFeatures
            type NodeCondition
              1 type string!
              2 status string! -- What was last observed; written by the system.
              3 lastHeartbeatTime time
              4 lastTransitionTime time -- When it last changed.
              5 reason string -- Why, in a word.
              6 message string -- Why, for people.
            type NodeAddress
              1 type string!
              2 address string!
            type NodeDaemonEndpoints
              1 kubeletEndpoint DaemonEndpoint
            type DaemonEndpoint
              1 Port int32
            type NodeSystemInfo
              1 machineID string
              2 systemUUID string
              3 bootID string
              4 kernelVersion string
              5 osImage string
              6 containerRuntimeVersion string
              7 kubeletVersion string
              8 kubeProxyVersion string
              9 operatingSystem string
              10 architecture string
              11 swap NodeSwapStatus
            type NodeSwapStatus
              1 capacity int64?
            type ContainerImage
              1 names []string
              2 sizeBytes int64
            type AttachedVolume
              1 name string!
              2 devicePath string!
            type NodeConfigStatus
              1 assigned NodeConfigSource
              2 active NodeConfigSource
              3 lastKnownGood NodeConfigSource
              4 error string
            type NodeRuntimeHandler
              1 name string
              2 features NodeRuntimeHandlerFeatures
            type NodeRuntimeHandlerFeatures
              1 recursiveReadOnlyMounts bool?
              2 userNamespaces bool?
            type NodeFeatures
              1 supplementalGroupsPolicy bool?
            """#),
        columns: NodeColumns.all, applyDefaults: defaultNode, validate: validateNode)

    @Sendable private static func defaultNode(_ node: inout JSONValue) {
        // What a node can give is what it has, unless it says less.
        if let capacity = node["status"]?["capacity"], node["status"]?["allocatable"] == nil {
            node.set(["status", "allocatable"], to: capacity)
        }
    }

    @Sendable private static func validateNode(_ node: JSONValue) -> [FieldError] {
        var errors: [FieldError] = []
        var seen: Set<String> = []
        for (index, taint) in (node["spec"]?["taints"]?.arrayValue ?? []).enumerated() {
            let path = "spec.taints[\(index)]"
            let key = taint["key"]?.stringValue ?? ""
            if let problem = NameFormat.qualifiedNameProblem(key) {
                errors.append(.invalid("\(path).key", .string(key), problem))
            }
            let value = taint["value"]?.stringValue ?? ""
            if let problem = NameFormat.labelValueProblem(value) {
                errors.append(.invalid("\(path).value", .string(value), problem))
            }
            let effect = taint["effect"]?.stringValue ?? ""
            if effect.isEmpty { errors.append(.required("\(path).effect")) }
            if !seen.insert("\(key):\(effect)").inserted {
                errors.append(.duplicate(path, ["key": .string(key), "effect": .string(effect)]))
            }
        }
        for member in ["capacity", "allocatable"] {
            errors += QuantityRules.notNegative(node["status"]?[member], at: "status.\(member)")
        }
        return errors
    }
}
