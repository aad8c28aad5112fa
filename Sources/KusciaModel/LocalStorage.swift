// The storage that nodes give to claims: directories of their own, known to master and agents by this name.

public enum LocalStorage {
    /// The claim that means a node's configured data directory, whichever node it is. It needs no object, and one says nothing.
    public static let dataClaim = "domain-data"
    /// Of the claims that the pods of a job share on a node; they have no objects.
    public static let jobClaimPrefix = "job-"
    /// Of volumes that stand for a directory of the node by the claim's name.
    public static let driver = "local.swiftlet.io"
    /// On a claim: who made its volume (https://kubernetes.io/docs/reference/labels-annotations-taints/).
    public static let provisionerAnnotation = "volume.kubernetes.io/storage-provisioner"
    /// On a claim: the node that has its data.
    public static let nodeAnnotation = "volume.kubernetes.io/selected-node"
    /// The provisioner, on a volume.
    public static let provisionedByAnnotation = "pv.kubernetes.io/provisioned-by"
}
