// Types of core/v1: the volumes of a pod.

extension TypeText {
    static let volumes = TypeText(
        package: "io.k8s.api.core.v1",
        #"""
        type ConfigMapVolumeSource
          1 inline LocalObjectReference
          2 items []KeyToPath
          3 defaultMode int32? =420 -- Permissions of files that name none, 0644 unless said.
          4 optional bool? -- Whether the pod starts although the source is not there.
        type KeyToPath
          1 key string!
          2 path string!
          3 mode int32?
        type SecretVolumeSource
          1 secretName string
          2 items []KeyToPath
          3 defaultMode int32? =420 -- Permissions of files that name none, 0644 unless said.
          4 optional bool? -- Whether the pod starts although the source is not there.
        type EmptyDirVolumeSource
          1 medium string -- Memory for a directory in main memory; the node's disk when empty.
          2 sizeLimit quantity -- The most that it may hold.
        type HostPathVolumeSource
          1 path string!
          2 type enum(DirectoryOrCreate|Directory|FileOrCreate|File|Socket|CharDevice|BlockDevice)? =
        type ProjectedVolumeSource
          1 sources []VolumeProjection
          2 defaultMode int32? =420 -- Permissions of files that name none, 0644 unless said.
        type VolumeProjection
          1 secret SecretProjection
          2 downwardAPI DownwardAPIProjection
          3 configMap ConfigMapProjection
          4 serviceAccountToken ServiceAccountTokenProjection
          5 clusterTrustBundle ClusterTrustBundleProjection
        type SecretProjection
          1 inline LocalObjectReference
          2 items []KeyToPath
          4 optional bool? -- Whether the pod starts although the source is not there.
        type DownwardAPIProjection
          1 items []DownwardAPIVolumeFile
        type DownwardAPIVolumeFile
          1 path string!
          2 fieldRef ObjectFieldSelector
          3 resourceFieldRef ResourceFieldSelector
          4 mode int32?
        type ConfigMapProjection
          1 inline LocalObjectReference
          2 items []KeyToPath
          4 optional bool? -- Whether the pod starts although the source is not there.
        type ServiceAccountTokenProjection
          1 audience string
          2 expirationSeconds int64? =3600
          3 path string!
        type ClusterTrustBundleProjection
          1 name string?
          2 signerName string?
          3 labelSelector meta.LabelSelector
          5 optional bool? -- Whether the pod starts although the source is not there.
          4 path string
        type DownwardAPIVolumeSource
          1 items []DownwardAPIVolumeFile
          2 defaultMode int32? =420 -- Permissions of files that name none, 0644 unless said.
        type PersistentVolumeClaimVolumeSource
          1 claimName string!
          2 readOnly bool -- Whether it cannot be written.
        type CSIVolumeSource
          1 driver string!
          2 readOnly bool? -- Whether it cannot be written.
          3 fsType string?
          4 volumeAttributes {}string
          5 nodePublishSecretRef LocalObjectReference
        type EphemeralVolumeSource
          1 volumeClaimTemplate PersistentVolumeClaimTemplate
        type PersistentVolumeClaimTemplate
          1 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
          2 spec PersistentVolumeClaimSpec -- What is wanted.
        type PersistentVolumeClaimSpec
          1 accessModes []enum(ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod)
          4 selector meta.LabelSelector
          2 resources VolumeResourceRequirements
          3 volumeName string
          5 storageClassName string?
          6 volumeMode enum(Block|Filesystem)? =Filesystem
          7 dataSource TypedLocalObjectReference
          8 dataSourceRef TypedObjectReference
          9 volumeAttributesClassName string?
        type VolumeResourceRequirements
          1 limits {}quantity
          2 requests {}quantity
        type TypedObjectReference
          1 apiGroup string?
          2 kind string
          3 name string
          4 namespace string? -- Namespace of the object.
        type ImageVolumeSource
          1 reference string
          2 pullPolicy enum(Always|Never|IfNotPresent)
        type NFSVolumeSource
          1 server string!
          2 path string!
          3 readOnly bool -- Whether it cannot be written.
        """#)

    static let foreignVolumes = TypeText(
        package: "io.k8s.api.core.v1",
        #"""
        type Volume -- A directory that containers of the pod can mount.
          1 name string! -- Unique in the pod.
          2 inline VolumeSource
        type VolumeSource
          1 hostPath HostPathVolumeSource -- A file or directory of the node.
          2 emptyDir EmptyDirVolumeSource -- An empty directory that lives as long as the pod.
          3 gcePersistentDisk GCEPersistentDiskVolumeSource
          4 awsElasticBlockStore AWSElasticBlockStoreVolumeSource
          5 gitRepo GitRepoVolumeSource
          6 secret SecretVolumeSource -- Entries of a secret as files.
          7 nfs NFSVolumeSource -- A share of an NFS server.
          8 iscsi ISCSIVolumeSource
          9 glusterfs GlusterfsVolumeSource
          10 persistentVolumeClaim PersistentVolumeClaimVolumeSource -- A claim in the same namespace.
          11 rbd RBDVolumeSource
          12 flexVolume FlexVolumeSource
          13 cinder CinderVolumeSource
          14 cephfs CephFSVolumeSource
          15 flocker FlockerVolumeSource
          16 downwardAPI DownwardAPIVolumeSource -- Fields of the pod as files.
          17 fc FCVolumeSource
          18 azureFile AzureFileVolumeSource
          19 configMap ConfigMapVolumeSource -- Entries of a config map as files.
          20 vsphereVolume VsphereVirtualDiskVolumeSource
          21 quobyte QuobyteVolumeSource
          22 azureDisk AzureDiskVolumeSource
          23 photonPersistentDisk PhotonPersistentDiskVolumeSource
          26 projected ProjectedVolumeSource -- Several sources in one directory.
          24 portworxVolume PortworxVolumeSource
          25 scaleIO ScaleIOVolumeSource
          27 storageos StorageOSVolumeSource
          28 csi CSIVolumeSource -- A volume of a storage driver, for this pod only.
          29 ephemeral EphemeralVolumeSource -- A claim that is made for this pod.
          30 image ImageVolumeSource -- The files of an image.
        type GCEPersistentDiskVolumeSource
          1 pdName string
          2 fsType string
          3 partition int32
          4 readOnly bool -- Whether it cannot be written.
        type AWSElasticBlockStoreVolumeSource
          1 volumeID string
          2 fsType string
          3 partition int32
          4 readOnly bool -- Whether it cannot be written.
        type GitRepoVolumeSource
          1 repository string
          2 revision string
          3 directory string
        type ISCSIVolumeSource
          1 targetPortal string
          2 iqn string
          3 lun int32
          4 iscsiInterface string =default
          5 fsType string
          6 readOnly bool -- Whether it cannot be written.
          7 portals []string
          8 chapAuthDiscovery bool
          11 chapAuthSession bool
          10 secretRef LocalObjectReference
          12 initiatorName string?
        type GlusterfsVolumeSource
          1 endpoints string
          2 path string
          3 readOnly bool -- Whether it cannot be written.
        type RBDVolumeSource
          1 monitors []string
          2 image string
          3 fsType string
          4 pool string
          5 user string
          6 keyring string
          7 secretRef LocalObjectReference
          8 readOnly bool -- Whether it cannot be written.
        type FlexVolumeSource
          1 driver string
          2 fsType string
          3 secretRef LocalObjectReference
          4 readOnly bool -- Whether it cannot be written.
          5 options {}string
        type CinderVolumeSource
          1 volumeID string
          2 fsType string
          3 readOnly bool -- Whether it cannot be written.
          4 secretRef LocalObjectReference
        type CephFSVolumeSource
          1 monitors []string
          2 path string
          3 user string
          4 secretFile string
          5 secretRef LocalObjectReference
          6 readOnly bool -- Whether it cannot be written.
        type FlockerVolumeSource
          1 datasetName string
          2 datasetUUID string
        type FCVolumeSource
          1 targetWWNs []string
          2 lun int32?
          3 fsType string
          4 readOnly bool -- Whether it cannot be written.
          5 wwids []string
        type AzureFileVolumeSource
          1 secretName string
          2 shareName string
          3 readOnly bool -- Whether it cannot be written.
        type VsphereVirtualDiskVolumeSource
          1 volumePath string
          2 fsType string
          3 storagePolicyName string
          4 storagePolicyID string
        type QuobyteVolumeSource
          1 registry string
          2 volume string
          3 readOnly bool -- Whether it cannot be written.
          4 user string
          5 group string
          6 tenant string
        type AzureDiskVolumeSource
          1 diskName string
          2 diskURI string
          3 cachingMode string?
          4 fsType string?
          5 readOnly bool? -- Whether it cannot be written.
          6 kind string?
        type PhotonPersistentDiskVolumeSource
          1 pdID string
          2 fsType string
        type PortworxVolumeSource
          1 volumeID string
          2 fsType string
          3 readOnly bool -- Whether it cannot be written.
        type ScaleIOVolumeSource
          1 gateway string
          2 system string
          3 secretRef LocalObjectReference
          4 sslEnabled bool
          5 protectionDomain string
          6 storagePool string
          7 storageMode string
          8 volumeName string
          9 fsType string
          10 readOnly bool -- Whether it cannot be written.
        type StorageOSVolumeSource
          1 volumeName string
          2 volumeNamespace string
          3 fsType string
          4 readOnly bool -- Whether it cannot be written.
          5 secretRef LocalObjectReference
        """#)
}
