// core/v1 ReplicationController, apps/v1 ReplicaSet and StatefulSet: a scheduler lists them to spread their pods. They are
// stored; no controller here makes pods of them yet.
import JSON
import KubernetesModel

extension ResourceKind {
    static let replicationController = ResourceKind(
        resource: GroupVersionResource(resource: "replicationcontrollers"), kind: "ReplicationController",
        singular: "replicationcontroller", shortNames: ["rc"], categories: ["all"], hasStatus: true, countsGeneration: true,
        selectableFields: ["status.replicas"], selectableZeros: ["status.replicas": "0"],
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind ReplicationController -- Old form of a ReplicaSet; stored only, here.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec ReplicationControllerSpec -- What is wanted.
              3 status ReplicationControllerStatus -- What was last observed; written by the system.
            type ReplicationControllerSpec
              1 replicas int32? =1
              4 minReadySeconds int32
              2 selector {}string
              3 template PodTemplateSpec
            type ReplicationControllerStatus
              1 replicas int32
              2 fullyLabeledReplicas int32
              4 readyReplicas int32
              5 availableReplicas int32
              3 observedGeneration int64
              6 conditions []ReplicationControllerCondition merge(type)
            type ReplicationControllerCondition
              1 type string
              2 status string -- What was last observed; written by the system.
              3 lastTransitionTime time -- When it last changed.
              4 reason string -- Why, in a word.
              5 message string -- Why, for people.
            """#),
        columns: WorkloadColumns.replicas)

    static let replicaSet = ResourceKind(
        resource: GroupVersionResource(group: "apps", resource: "replicasets"), kind: "ReplicaSet", singular: "replicaset",
        shortNames: ["rs"], categories: ["all"], hasStatus: true, countsGeneration: true,
        selectableFields: ["status.replicas"], selectableZeros: ["status.replicas": "0"],
        types: TypeText(
            package: "io.k8s.api.apps.v1",
            #"""
            kind ReplicaSet -- Keeps a number of like pods; stored only, here.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec ReplicaSetSpec -- What is wanted.
              3 status ReplicaSetStatus -- What was last observed; written by the system.
            type ReplicaSetSpec
              1 replicas int32? =1
              4 minReadySeconds int32
              2 selector meta.LabelSelector!
              3 template core.PodTemplateSpec
            type ReplicaSetStatus
              1 replicas int32
              2 fullyLabeledReplicas int32
              4 readyReplicas int32
              5 availableReplicas int32
              7 terminatingReplicas int32?
              3 observedGeneration int64
              6 conditions []ReplicaSetCondition merge(type)
            type ReplicaSetCondition
              1 type string
              2 status string -- What was last observed; written by the system.
              3 lastTransitionTime time -- When it last changed.
              4 reason string -- Why, in a word.
              5 message string -- Why, for people.
            """#),
        columns: WorkloadColumns.replicas, validate: validateSelector)

    static let statefulSet = ResourceKind(
        resource: GroupVersionResource(group: "apps", resource: "statefulsets"), kind: "StatefulSet", singular: "statefulset",
        shortNames: ["sts"], categories: ["all"], hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "io.k8s.api.apps.v1",
            #"""
            kind StatefulSet -- Keeps a number of pods with identities; stored only, here.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec StatefulSetSpec -- What is wanted.
              3 status StatefulSetStatus -- What was last observed; written by the system.
            type StatefulSetSpec
              1 replicas int32? =1
              2 selector meta.LabelSelector!
              3 template core.PodTemplateSpec
              4 volumeClaimTemplates []core.PersistentVolumeClaim
              5 serviceName string
              6 podManagementPolicy string =OrderedReady
              7 updateStrategy StatefulSetUpdateStrategy
              8 revisionHistoryLimit int32? =10
              9 minReadySeconds int32
              10 persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy
              11 ordinals StatefulSetOrdinals
            type StatefulSetUpdateStrategy
              1 type string
              2 rollingUpdate RollingUpdateStatefulSetStrategy
            type RollingUpdateStatefulSetStrategy
              1 partition int32?
              2 maxUnavailable intOrString
            type StatefulSetPersistentVolumeClaimRetentionPolicy
              1 whenDeleted string
              2 whenScaled string
            type StatefulSetOrdinals
              1 start int32
            type StatefulSetStatus
              1 observedGeneration int64
              2 replicas int32
              3 readyReplicas int32
              4 currentReplicas int32
              5 updatedReplicas int32
              6 currentRevision string
              7 updateRevision string
              9 collisionCount int32?
              10 conditions []StatefulSetCondition merge(type)
              11 availableReplicas int32
            type StatefulSetCondition
              1 type string
              2 status string -- What was last observed; written by the system.
              3 lastTransitionTime time -- When it last changed.
              4 reason string -- Why, in a word.
              5 message string -- Why, for people.
            """#),
        columns: WorkloadColumns.stateful, validate: validateSelector)

    @Sendable private static func validateSelector(_ object: JSONValue) -> [FieldError] {
        var errors = SelectorRules.validate(object["spec"]?["selector"], at: "spec.selector")
        let labels = object["spec"]?["template"]?["metadata"]?["labels"]
        for (key, value) in object["spec"]?["selector"]?["matchLabels"]?.objectValue ?? [:] where labels?[key] != value {
            errors.append(
                .invalid("spec.template.metadata.labels", labels ?? .null, "`selector` does not match template `labels`"))
            break
        }
        return errors
    }
}
