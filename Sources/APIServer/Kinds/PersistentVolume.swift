// core/v1 PersistentVolume and PersistentVolumeClaim: stored as a scheduler and a node need them; nothing here binds them.
import JSON
import KubernetesModel

extension ResourceKind {
    static let persistentVolumeClaim = ResourceKind(
        resource: GroupVersionResource(resource: "persistentvolumeclaims"), kind: "PersistentVolumeClaim",
        singular: "persistentvolumeclaim", shortNames: ["pvc"], hasStatus: true,
        statusOnCreate: .reset(["phase": "Pending"]),
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind PersistentVolumeClaim -- Asks for a piece of storage.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec PersistentVolumeClaimSpec -- What is wanted.
              3 status PersistentVolumeClaimStatus -- What was last observed; written by the system.
            type PersistentVolumeClaimStatus
              1 phase string -- Where it stands.
              2 accessModes []enum(ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod)
              3 capacity {}quantity
              4 conditions []PersistentVolumeClaimCondition merge(type)
              5 allocatedResources {}quantity
              7 allocatedResourceStatuses {}string
              8 currentVolumeAttributesClassName string?
              9 modifyVolumeStatus ModifyVolumeStatus
            type PersistentVolumeClaimCondition
              1 type string
              2 status string -- What was last observed; written by the system.
              3 lastProbeTime time
              4 lastTransitionTime time -- When it last changed.
              5 reason string -- Why, in a word.
              6 message string -- Why, for people.
            type ModifyVolumeStatus
              1 targetVolumeAttributesClassName string
              2 status string -- What was last observed; written by the system.
            """#),
        columns: [
            .name, .text("Status", ["status", "phase"]), .text("Volume", ["spec", "volumeName"]),
            .text("Capacity", ["status", "capacity", "storage"]),
            .list("Access Modes", ["status", "accessModes"], shorten: modes),
            .text("StorageClass", ["spec", "storageClassName"]),
            .text("VolumeAttributesClass", ["spec", "volumeAttributesClassName"], missing: "<unset>"), .age,
            .text("VolumeMode", ["spec", "volumeMode"], missing: "<unset>", priority: 1),
        ],
        validate: { claim in
            var errors: [FieldError] = []
            if (claim["spec"]?["accessModes"]?.arrayValue ?? []).isEmpty {
                errors.append(.required("spec.accessModes", "at least 1 access mode is required"))
            }
            if claim["spec"]?["resources"]?["requests"]?["storage"] == nil {
                errors.append(.required("spec.resources[storage]"))
            }
            return errors + QuantityRules.notNegative(claim["spec"]?["resources"]?["requests"], at: "spec.resources.requests")
        })

    static let persistentVolume = ResourceKind(
        resource: GroupVersionResource(resource: "persistentvolumes"), kind: "PersistentVolume", singular: "persistentvolume",
        shortNames: ["pv"], namespaced: false, hasStatus: true, statusOnCreate: .reset(["phase": "Pending"]),
        types: TypeText(
            package: "io.k8s.api.core.v1",
            #"""
            kind PersistentVolume -- A piece of storage.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec PersistentVolumeSpec -- What is wanted.
              3 status PersistentVolumeStatus -- What was last observed; written by the system.
            type PersistentVolumeSpec
              1 capacity {}quantity
              2 inline PersistentVolumeSource
              3 accessModes []enum(ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod)
              4 claimRef ObjectReference
              5 persistentVolumeReclaimPolicy enum(Recycle|Delete|Retain) =Retain
              6 storageClassName string
              7 mountOptions []string
              8 volumeMode enum(Block|Filesystem)? =Filesystem
              9 nodeAffinity VolumeNodeAffinity
              10 volumeAttributesClassName string?
            type PersistentVolumeSource
              1 gcePersistentDisk GCEPersistentDiskVolumeSource
              2 awsElasticBlockStore AWSElasticBlockStoreVolumeSource
              3 hostPath HostPathVolumeSource
              4 glusterfs GlusterfsPersistentVolumeSource
              5 nfs NFSVolumeSource
              6 rbd RBDPersistentVolumeSource
              7 iscsi ISCSIPersistentVolumeSource
              8 cinder CinderPersistentVolumeSource
              9 cephfs CephFSPersistentVolumeSource
              10 fc FCVolumeSource
              11 flocker FlockerVolumeSource
              12 flexVolume FlexPersistentVolumeSource
              13 azureFile AzureFilePersistentVolumeSource
              14 vsphereVolume VsphereVirtualDiskVolumeSource
              15 quobyte QuobyteVolumeSource
              16 azureDisk AzureDiskVolumeSource
              17 photonPersistentDisk PhotonPersistentDiskVolumeSource
              18 portworxVolume PortworxVolumeSource
              19 scaleIO ScaleIOPersistentVolumeSource
              20 local LocalVolumeSource
              21 storageos StorageOSPersistentVolumeSource
              22 csi CSIPersistentVolumeSource
            type GlusterfsPersistentVolumeSource
              1 endpoints string
              2 path string
              3 readOnly bool -- Whether it cannot be written.
              4 endpointsNamespace string?
            type RBDPersistentVolumeSource
              1 monitors []string
              2 image string
              3 fsType string
              4 pool string
              5 user string
              6 keyring string
              7 secretRef SecretReference
              8 readOnly bool -- Whether it cannot be written.
            type SecretReference
              1 name string
              2 namespace string -- Namespace of the object.
            type ISCSIPersistentVolumeSource
              1 targetPortal string
              2 iqn string
              3 lun int32
              4 iscsiInterface string
              5 fsType string
              6 readOnly bool -- Whether it cannot be written.
              7 portals []string
              8 chapAuthDiscovery bool
              11 chapAuthSession bool
              10 secretRef SecretReference
              12 initiatorName string?
            type CinderPersistentVolumeSource
              1 volumeID string
              2 fsType string
              3 readOnly bool -- Whether it cannot be written.
              4 secretRef SecretReference
            type CephFSPersistentVolumeSource
              1 monitors []string
              2 path string
              3 user string
              4 secretFile string
              5 secretRef SecretReference
              6 readOnly bool -- Whether it cannot be written.
            type FlexPersistentVolumeSource
              1 driver string
              2 fsType string
              3 secretRef SecretReference
              4 readOnly bool -- Whether it cannot be written.
              5 options {}string
            type AzureFilePersistentVolumeSource
              1 secretName string
              2 shareName string
              3 readOnly bool -- Whether it cannot be written.
              4 secretNamespace string?
            type ScaleIOPersistentVolumeSource
              1 gateway string
              2 system string
              3 secretRef SecretReference
              4 sslEnabled bool
              5 protectionDomain string
              6 storagePool string
              7 storageMode string
              8 volumeName string
              9 fsType string
              10 readOnly bool -- Whether it cannot be written.
            type LocalVolumeSource
              1 path string
              2 fsType string?
            type StorageOSPersistentVolumeSource
              1 volumeName string
              2 volumeNamespace string
              3 fsType string
              4 readOnly bool -- Whether it cannot be written.
              5 secretRef ObjectReference
            type CSIPersistentVolumeSource
              1 driver string
              2 volumeHandle string
              3 readOnly bool -- Whether it cannot be written.
              4 fsType string
              5 volumeAttributes {}string
              6 controllerPublishSecretRef SecretReference
              7 nodeStageSecretRef SecretReference
              8 nodePublishSecretRef SecretReference
              9 controllerExpandSecretRef SecretReference
              10 nodeExpandSecretRef SecretReference
            type VolumeNodeAffinity
              1 required NodeSelector
            type PersistentVolumeStatus
              1 phase string -- Where it stands.
              2 message string -- Why, for people.
              3 reason string -- Why, in a word.
              4 lastPhaseTransitionTime time
            """#),
        columns: [
            .name, .text("Capacity", ["spec", "capacity", "storage"]),
            .list("Access Modes", ["spec", "accessModes"], shorten: modes),
            .text("Reclaim Policy", ["spec", "persistentVolumeReclaimPolicy"]), .text("Status", ["status", "phase"]),
            .computed("Claim") { tape in
                guard let name = tape.text(at: ["spec", "claimRef", "name"]) else { return "" }
                return "\(tape.text(at: ["spec", "claimRef", "namespace"]) ?? "")/\(name)"
            },
            .text("StorageClass", ["spec", "storageClassName"]),
            .text("VolumeAttributesClass", ["spec", "volumeAttributesClassName"], missing: "<unset>"),
            .text("Reason", ["status", "reason"]), .age,
            .text("VolumeMode", ["spec", "volumeMode"], missing: "<unset>", priority: 1),
        ],
        validate: { volume in
            var errors: [FieldError] = []
            if (volume["spec"]?["accessModes"]?.arrayValue ?? []).isEmpty { errors.append(.required("spec.accessModes")) }
            if (volume["spec"]?["capacity"]?.objectValue ?? [:]).isEmpty { errors.append(.required("spec.capacity")) }
            return errors
        })

    private static let modes = [
        "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
    ]
}
