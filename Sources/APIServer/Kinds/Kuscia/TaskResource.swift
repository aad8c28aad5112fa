// kuscia.secretflow/v1alpha1 TaskResource and TaskResourceGroup: what a task reserves, in one domain and in all.
import KubernetesModel

extension ResourceKind {
    static let taskResource = ResourceKind(
        resource: .kuscia("taskresources"), kind: "TaskResource", singular: "taskresource", shortNames: ["tr"], isCustom: true,
        hasStatus: true, statusWrite: StatusWrite(), countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind TaskResource -- What a task reserves in one domain.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec TaskResourceSpec! -- What is wanted.
              0 status TaskResourceStatus -- What was last observed; written by the system.
            type TaskResourceSpec
              0 role string
              0 minReservedPods int32
              0 resourceReservedSeconds int32
              0 initiator string
              0 pods []TaskResourcePod
            type TaskResourcePod
              0 name string
              0 resources core.ResourceRequirements
            """#),
        columns: [.name, .text("Phase", ["status", "phase"]), .age])

    static let taskResourceGroup = ResourceKind(
        resource: .kuscia("taskresourcegroups"), kind: "TaskResourceGroup", singular: "taskresourcegroup", shortNames: ["trg"],
        namespaced: false, isCustom: true, hasStatus: true, statusWrite: StatusWrite(), countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind TaskResourceGroup -- What a task reserves in all its domains.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec TaskResourceGroupSpec! -- What is wanted.
              0 status TaskResourceGroupStatus -- What was last observed; written by the system.
            type TaskResourceGroupSpec
              0 minReservedMembers int32
              0 resourceReservedSeconds int32
              0 retryIntervalSeconds int32
              0 lifecycleSeconds int32
              0 initiator string
              0 parties []TaskResourceGroupParty
              0 outOfControlledParties []TaskResourceGroupParty
            type TaskResourceGroupParty
              0 role string
              0 domainID string
              0 minReservedPods int32
              0 pods []TaskResourceGroupPartyPod
              0 taskResourceName string
            type TaskResourceGroupPartyPod
              0 name string
            type TaskResourceGroupStatus
              0 phase string -- Where it stands.
              0 retryCount int32
              0 conditions []TaskResourceGroupCondition
              0 startTime time
              0 completionTime time
              0 lastTransitionTime time -- When it last changed.
            type TaskResourceGroupCondition
              0 lastTransitionTime time -- When it last changed.
              0 status string -- What was last observed; written by the system.
              0 reason string -- Why, in a word.
              0 type string
            """#),
        columns: [.name, .text("Phase", ["status", "phase"]), .age])
}
