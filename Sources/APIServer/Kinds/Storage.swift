// storage.k8s.io/v1 as far as a scheduler and a kubelet list and write it.
import JSON
import KubernetesModel

extension ResourceKind {
    private static func storage(_ resource: String) -> GroupVersionResource {
        GroupVersionResource(group: "storage.k8s.io", resource: resource)
    }

    static let storageClass = ResourceKind(
        resource: storage("storageclasses"), kind: "StorageClass", singular: "storageclass", shortNames: ["sc"],
        namespaced: false,
        types: TypeText(
            package: "io.k8s.api.storage.v1",
            #"""
            kind StorageClass -- A way of making volumes.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 provisioner string!
              3 parameters {}string
              4 reclaimPolicy enum(Recycle|Delete|Retain)? =Delete
              5 mountOptions []string
              6 allowVolumeExpansion bool?
              7 volumeBindingMode enum(Immediate|WaitForFirstConsumer)? =Immediate
              8 allowedTopologies []core.TopologySelectorTerm
            kind CSINode -- The storage drivers of a node.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec CSINodeSpec! -- What is wanted.
            type CSINodeSpec
              1 drivers []CSINodeDriver merge(name)
            type CSINodeDriver
              1 name string!
              2 nodeID string!
              3 topologyKeys []string
              4 allocatable VolumeNodeResources
            type VolumeNodeResources
              1 count int32?
            kind CSIDriver -- What a storage driver can do.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec CSIDriverSpec! -- What is wanted.
            type CSIDriverSpec
              1 attachRequired bool? =true
              2 podInfoOnMount bool? =false
              3 volumeLifecycleModes []enum(Persistent|Ephemeral) set
              4 storageCapacity bool? =false
              5 fsGroupPolicy enum(ReadWriteOnceWithFSType|File|None)? =ReadWriteOnceWithFSType
              6 tokenRequests []TokenRequest
              7 requiresRepublish bool? =false
              8 seLinuxMount bool? =false
              9 nodeAllocatableUpdatePeriodSeconds int64?
            type TokenRequest -- Asks for a token of a service account.
              1 audience string
              2 expirationSeconds int64?
            kind CSIStorageCapacity -- What a driver has left in a part of the cluster.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 nodeTopology meta.LabelSelector
              3 storageClassName string!
              4 capacity quantity
              5 maximumVolumeSize quantity
            kind VolumeAttachment -- Asks that a volume be attached to a node.
              1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              2 spec VolumeAttachmentSpec! -- What is wanted.
              3 status VolumeAttachmentStatus -- What was last observed; written by the system.
            type VolumeAttachmentSpec
              1 attacher string!
              2 source VolumeAttachmentSource!
              3 nodeName string!
            type VolumeAttachmentSource
              1 persistentVolumeName string?
              2 inline core.PersistentVolumeSpec
            type VolumeAttachmentStatus
              1 attached bool
              2 attachmentMetadata {}string
              3 attachError VolumeError
              4 detachError VolumeError
            type VolumeError
              1 time time
              2 message string -- Why, for people.
              3 errorCode int32?
            """#),
        columns: [
            .name, .text("Provisioner", ["provisioner"]), .text("ReclaimPolicy", ["reclaimPolicy"]),
            .text("VolumeBindingMode", ["volumeBindingMode"]),
            .text("AllowVolumeExpansion", ["allowVolumeExpansion"], missing: "false", type: "string"), .age,
        ],
        validateUpdate: { old, new in
            ["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"].flatMap { member -> [FieldError] in
                old[member] == new[member] ? [] : [.forbidden(member, "updates to \(member) are forbidden.")]
            }
        })

    static let csiNode = ResourceKind(
        resource: storage("csinodes"), kind: "CSINode", singular: "csinode", namespaced: false,
        columns: [.name, .count("Drivers", ["spec", "drivers"]), .age])

    static let csiDriver = ResourceKind(
        resource: storage("csidrivers"), kind: "CSIDriver", singular: "csidriver", namespaced: false,
        columns: [
            .name, .text("AttachRequired", ["spec", "attachRequired"], type: "boolean"),
            .text("PodInfoOnMount", ["spec", "podInfoOnMount"], type: "boolean"),
            .text("StorageCapacity", ["spec", "storageCapacity"], type: "boolean"),
            .list("Modes", ["spec", "volumeLifecycleModes"]), .age,
        ])

    static let csiStorageCapacity = ResourceKind(
        resource: storage("csistoragecapacities"), kind: "CSIStorageCapacity", singular: "csistoragecapacity",
        columns: [.name, .text("StorageClassName", ["storageClassName"]), .text("Capacity", ["capacity"])],
        validateUpdate: { old, new in immutable(old, new, "nodeTopology") + immutable(old, new, "storageClassName") })

    static let volumeAttachment = ResourceKind(
        resource: storage("volumeattachments"), kind: "VolumeAttachment", singular: "volumeattachment", namespaced: false,
        hasStatus: true,
        columns: [
            .name, .text("Attacher", ["spec", "attacher"]), .text("PV", ["spec", "source", "persistentVolumeName"]),
            .text("Node", ["spec", "nodeName"]), .text("Attached", ["status", "attached"], missing: "false", type: "boolean"),
            .age,
        ],
        validateUpdate: { immutable($0, $1, "spec") })
}
